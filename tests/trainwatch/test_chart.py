"""Charts as literal text: what is drawn can be read in a diff."""

import math
from dataclasses import replace
from textwrap import dedent

import numpy as np
import pytest

from rundir.column import Column
from rundir.size import size
from trainwatch import format as fmt
from trainwatch.lens import Extent, Lens
from trainwatch.paint import Row, text_of
from trainwatch.panes.chart import Chart, Scales, paint_chart
from trainwatch.raster import braille, spans


def chart(values: list[float], **fields: object) -> Chart:
    data = np.array(values, dtype=np.float64)
    column = Column()
    column.append(data, np.flatnonzero(~np.isfinite(data)))
    newest = values[-1] if values else math.nan
    return Chart("loss", np.arange(1.0, len(values) + 1), column, newest, **fields)  # type: ignore[arg-type]


def picture(chart: Chart, width: int = 48, height: int = 10, scales: Scales | None = None) -> str:
    rows, _ = paint_chart(chart, width, height, scales or Scales())
    return text_of(rows)


def styles_at(rows: list[Row], character: str) -> set[str]:
    return {style for row in rows for text, style in row if character in text}


def test_a_falling_loss() -> None:
    assert picture(chart([10 / i for i in range(1, 101)], ended=True)) == dedent("""\
        ╭─ loss 0.1000 ────────────────────────────────╮
        │     10 ⢱                                     │
        │        ⢸                                     │
        │        ⢸                                     │
        │      5 ⢸                                     │
        │         ⡇                                    │
        │         ⢣                                    │
        │         ⠘⢄⡀                                  │
        │      0    ⠉⠙⠒⠒⠲⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⢄⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀│
        ╰─────── 0 ────────────── 50 ───────────── 100 ╯""")


def test_a_straight_line_up_and_down() -> None:
    values = [float(min(i, 40 - i)) for i in range(41)]
    assert picture(chart(values, ended=True)) == dedent("""\
        ╭─ loss 0 ─────────────────────────────────────╮
        │     20                  ⢀⠤⠓⠤⡀                │
        │                       ⡠⠒⠁   ⠈⠒⢄              │
        │                    ⢀⠔⠊         ⠑⢢            │
        │     10           ⣀⠔⠁             ⠉⠢⣀         │
        │               ⢀⡠⠊                   ⠑⢄⡀      │
        │             ⢀⠔⠁                       ⠈⠦⡀    │
        │           ⡠⠔⠁                           ⠈⠢⢄  │
        │      0 ⢀⠔⠊                                 ⠑⢢│
        ╰─────── 0 ────────────── 20 ────────────── 40 ╯""")


def test_smoothed_with_evaluations_a_seam_and_a_spike() -> None:
    values = [3.0 + (i % 2) for i in range(200)]
    values[150] = 9.0
    shown = chart(
        values, ended=True, smoothed=True, seams=[100.0],
        points_x=np.array([50.0, 200.0]), points_y=np.array([2.0, 1.0]),
    )  # fmt: skip
    assert picture(shown, 60, 12) == dedent("""\
        ╭─ loss 4.000  smoothed 3.568  ● eval 1.000 ───────────────╮
        │     10                          ┊                        │
        │                                 ┊           ⢸            │
        │                                 ┊           ⢸            │
        │                                 ┊           ⢸            │
        │      5                          ┊           ⢸            │
        │        ⢀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⢠⡀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀│
        │        ⣀⠤⠤⠤⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠊⠈⠉⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒│
        │                    ●            ┊                        │
        │                                 ┊                       ●│
        │      0                          ┊                        │
        ╰─────── 0 ──────── 50 ──────── 100 ─────── 150 ────── 200 ╯""")


def test_nan_is_a_mark_and_a_gap() -> None:
    values = [2.0] * 40 + [math.nan] * 10 + [1.0] * 49 + [math.inf]
    assert picture(chart(values, ended=True), 70, 8) == dedent("""\
        ╭─ loss inf ────────────────────────── × 11 not finite, first at 41 ─╮
        │    2.0 ⠈⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉×××××××                            ×│
        │                                                                    │
        │    1.5                                                             │
        │                                                                    │
        │                                                                    │
        │    1.0                               ⢀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⡀│
        ╰─────── 0 ─────── 20 ──────── 40 ──────── 60 ──────── 80 ────── 100 ╯""")
    rows, _ = paint_chart(chart(values, ended=True), 70, 8, Scales())
    assert styles_at(rows, "×") == {"alert"}


def test_only_nan() -> None:
    assert picture(chart([math.nan] * 20, ended=True), 70, 7) == dedent("""\
        ╭─ loss nan ─────────────────────────── × 20 not finite, first at 1 ─╮
        │      1    ×  ×  ×  ×  ×  ×  ×  ×  ×  ×  ×  ×  ×  ×  ×  ×  ×  ×  × ×│
        │                                                                    │
        │                                                                    │
        │                                                                    │
        │      0                                                             │
        ╰─────── 0 ─────────── 5 ─────────── 10 ─────────── 15 ────────── 20 ╯""")


def test_no_value_and_one_value() -> None:
    assert picture(chart([]), 40, 6) == dedent("""\
        ╭─ loss ───────────────────────────────╮
        │     1                                │
        │                                      │
        │                no values yet         │
        │     0                                │
        ╰────── 0 ──────────── 5 ────────── 10 ╯""")
    assert picture(chart([0.5]), 40, 6) == dedent("""\
        ╭─ loss 0.5000 ────────────────────────╮
        │  0.75                                │
        │  0.50    •                           │
        │                                      │
        │  0.25                                │
        ╰────── 0 ──────────── 5 ────────── 10 ╯""")


@pytest.mark.parametrize("value", [0.0, -7.0, 1e-12, 1e12])
def test_a_constant_is_a_line_in_the_middle(value: float) -> None:
    lines = picture(chart([value] * 50, ended=True), 40, 9).splitlines()
    drawn = [i for i, line in enumerate(lines) if any("⠀" < c <= "⣿" for c in line)]
    assert len(drawn) == 1
    assert 2 <= drawn[0] <= 6


def test_memory_has_ticks_in_its_unit() -> None:
    shown = chart([1.5 * 2**30] * 20, ended=True, unit=2.0**30, value_format=size, from_zero=True)
    assert picture(shown, 40, 8) == dedent("""\
        ╭─ loss 1.5 GiB ───────────────────────╮
        │     2                                │
        │        ⠠⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤│
        │     1                                │
        │                                      │
        │                                      │
        │     0                                │
        ╰────── 0 ─────────── 10 ────────── 20 ╯""")


def test_the_axis_stays_put_while_points_come() -> None:
    """Between two frames of a growing run only cells at its right end change."""
    values = [10 / i for i in range(1, 301)]
    before, scales = paint_chart(chart(values[:250], x_total=400.0), 100, 20, Scales())
    after, _ = paint_chart(chart(values[:260], x_total=400.0), 100, 20, scales)
    changed = {
        x
        for old, new in zip(text_of(before).splitlines()[1:], text_of(after).splitlines()[1:], strict=True)
        for x, (a, b) in enumerate(zip(old.ljust(100), new.ljust(100), strict=True))
        if a != b
    }
    assert changed
    assert min(changed) > 60
    assert max(changed) < 75


def test_braille_bits() -> None:
    dots = np.zeros((4, 4), dtype=np.bool_)
    dots[0, 0] = dots[3, 3] = True
    assert braille(dots) == ["⠁⢀"]
    assert braille(np.ones((4, 2), dtype=np.bool_)) == ["⣿"]
    assert braille(np.zeros((8, 2), dtype=np.bool_)) == [" ", " "]


def test_neighbouring_columns_are_joined() -> None:
    low = np.array([0.0, 7.0, 3.0])
    dots = spans(low, low, np.zeros(3, dtype=np.bool_), 8)
    for a, b in ((0, 1), (1, 2)):
        rows_a, rows_b = set(np.flatnonzero(dots[:, a])), set(np.flatnonzero(dots[:, b]))
        assert any(abs(int(p) - int(q)) <= 1 for p in rows_a for q in rows_b)


def test_a_break_is_not_bridged() -> None:
    low = np.array([1.0, np.nan, np.nan, 1.0, np.nan, 1.0])
    breaks = np.array([False, True, False, False, False, False])
    drawn = np.flatnonzero(spans(low, low, breaks, 4).sum(axis=0))
    assert drawn.tolist() == [0, 3, 4, 5]


def over_time(at: list[float], values: list[float], **fields: object) -> Chart:
    return replace(chart(values, ended=True, x_format=fmt.elapsed, **fields), x=np.array(at))


@pytest.mark.parametrize("smoothed", [False, True])
def test_over_time_a_curve_breaks_where_nothing_ran(smoothed: bool) -> None:
    """Stopped after 100 seconds at falling values, and gone on with 250 seconds later: neither joined nor filled."""
    at = [*np.arange(0.0, 100.0, 2.0), *np.arange(350.0, 450.0, 2.0)]
    falling = [100.0 - i for i in range(50)]
    lines = picture(over_time(at, falling * 2, smoothed=smoothed, from_zero=True), width=60).splitlines()[1:-1]
    drawn = [any(line[9 + cell] not in " " for line in lines) for cell in range(50)]
    assert drawn.index(False) in (11, 12)  # 100 of 448 seconds
    assert [cell for cell in range(50) if not drawn[cell]] == list(
        range(drawn.index(False), 50 - drawn[::-1].index(False))
    )
    assert 26 <= drawn.count(False) <= 28
    by_step = replace(over_time(at, falling * 2, from_zero=True), x_format=fmt.short_count)
    assert all(
        any(line[9 + cell] != " " for line in picture(by_step, width=60).splitlines()[1:-1]) for cell in range(50)
    )


def test_over_time_records_far_apart_are_joined() -> None:
    at = [300.0 * i for i in range(10)]
    lines = picture(over_time(at, [float(i) for i in range(10)]), width=60).splitlines()[1:-1]
    assert all(any(line[9 + cell] != " " for line in lines) for cell in range(50))


def test_the_title_is_of_the_window() -> None:
    points = {"points_x": np.array([50.0, 150.0]), "points_y": np.array([2.0, 1.0])}
    shown = chart([10.0] * 100 + [3.0] * 100, ended=True, smoothed=True, **points)
    for seen, title in (
        (Extent(20.0, 80.0), "loss 10.00  smoothed 10.00  ● eval 2.000 ─"),
        (Extent(60.0, 80.0), "loss 10.00  smoothed 10.00 ─"),
        (Extent(160.0, 200.0), "loss 3.000  smoothed 3.000 ─"),
        (Extent(140.0, 200.0), "loss 3.000  smoothed 3.000  ● eval 1.000 ─"),
    ):
        rows, _ = paint_chart(shown, 80, 10, Scales(), Lens(seen=seen))
        assert title in text_of(rows[:1])


@pytest.mark.parametrize(
    ("num_bytes", "tick"),
    [(28 * 2**10, " 20K "), (300 * 2**20, " 200M "), (3 * 2**30, " 2G "), (5e15, "e6G "), (20, " 20B ")],
)
def test_the_axis_of_bytes_has_the_unit_of_what_is_shown(num_bytes: float, tick: str) -> None:
    of_bytes = {"unit": 2.0**30, "unit_name": "G", "value_format": size, "from_zero": True, "ended": True}
    assert tick in picture(chart([num_bytes] * 20, **of_bytes), 60, 12)


def test_an_axis_of_bytes_that_outgrows_its_unit_is_made_anew() -> None:
    of_bytes = {"unit": 2.0**30, "unit_name": "G", "value_format": size, "from_zero": True, "x_total": 40.0}
    _, scales = paint_chart(chart([500 * 2.0**20] * 20, **of_bytes), 60, 12, Scales())
    grown = chart([500 * 2.0**20] * 20 + [3 * 2.0**30] * 20, **of_bytes)
    assert picture(grown, 60, 12, scales) == picture(grown, 60, 12)
