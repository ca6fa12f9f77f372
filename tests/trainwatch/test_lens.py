"""Zoom, pan, follow: arithmetic of what is seen; and charts seen through it, as text."""

import math
from itertools import pairwise
from textwrap import dedent

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rundir.column import Column
from tests.trainwatch.test_chart import chart, styles_at
from trainwatch.lens import (
    SMOOTHINGS,
    Extent,
    Lens,
    XAxis,
    along,
    followed,
    marked,
    moved_cursor,
    panned,
    smoother,
    taken,
    words,
    zoomed,
)
from trainwatch.paint import text_of
from trainwatch.panes.chart import Chart, Curve, Mark, Scales, paint_chart

WHOLE = Extent(0.0, 1000.0)
MOVES = st.sampled_from(["in", "out", "left", "right", "follow", "cursor", "grow"])


@given(st.lists(MOVES, max_size=40))
def test_what_is_seen_lies_within_the_whole(moves: list[str]) -> None:
    lens, whole = Lens(), WHOLE
    for move in moves:
        match move:
            case "in" | "out":
                lens = zoomed(lens, whole, 1 / 1.5 if move == "in" else 1.5)
            case "left" | "right":
                lens = panned(lens, whole, 0.2 if move == "right" else -0.2)
            case "follow":
                lens = followed(lens, whole)
            case "cursor":
                lens = moved_cursor(lens, whole, 0.3)
            case _:
                whole = Extent(0.0, whole.stop * 1.1)
        seen = lens.over(whole)
        assert whole.start - 1e-6 <= seen.start < seen.stop <= whole.stop + 1e-6


def test_zoom_keeps_what_is_pointed_at_in_place() -> None:
    lens = zoomed(Lens(), WHOLE, 0.5, around=250.0)
    assert lens.seen == Extent(125.0, 625.0)
    assert zoomed(lens, WHOLE, 4.0) == Lens()


def test_follow_moves_on_with_the_run_and_lets_go_where_it_is() -> None:
    lens = followed(zoomed(Lens(), WHOLE, 0.2), WHOLE)
    assert lens.over(Extent(0.0, 2000.0)) == Extent(1800.0, 2000.0)
    assert followed(lens, WHOLE).over(Extent(0.0, 2000.0)) == Extent(800.0, 1000.0)
    assert not panned(lens, WHOLE, -0.2).follows


def test_rounds_come_back_to_where_they_began() -> None:
    lens = Lens()
    for _ in SMOOTHINGS:
        lens = smoother(lens)
    assert lens == Lens()
    for _ in XAxis:
        lens = along(lens)
    assert lens == Lens()
    assert words(Lens()) == ""
    assert words(along(Lens(log_y=True, smoothing=0.02))) == "by epoch · log · smoothed over 2 %"


def seen(lens: Lens, **fields: object) -> str:
    values = [10 / i for i in range(1, 101)]
    rows, _ = paint_chart(chart(values, ended=True, **fields), 48, 8, Scales(), lens)
    return text_of(rows)


def test_a_part_has_its_own_axes() -> None:
    assert seen(Lens(seen=Extent(50, 60))) == dedent("""\
        ╭─ loss 0.1667 ────────────────────────────────╮
        │   0.20 ⠉⠒⠢⠤⣀⣀                                │
        │              ⠉⠉⠒⠢⠤⣀⣀                         │
        │                     ⠉⠉⠒⠒⠢⠤⢄⣀                 │
        │   0.18                      ⠉⠉⠒⠒⠢⠤⢄⣀⡀        │
        │                                     ⠈⠉⠉⠒⠒⠤⠤⢄⣀│
        │   0.16                                       │
        ╰────── 50 ────────────── 55 ────────────── 60 ╯""")


def test_a_power_law_is_straight_on_a_logarithmic_axis() -> None:
    values = [10.0 ** (-i / 25) for i in range(101)] + [0.0, -1.0]
    shown = picture_of(values, Lens(log_y=True))
    columns = curve_columns(shown)
    tops = [next(y for y, c in enumerate(column) if c != " ") for column in columns]
    assert {b - a for a, b in pairwise(tops)} <= {0, 1}
    assert tops[-1] - tops[0] == 9
    assert "1e-4" in shown


def curve_columns(shown: str) -> list[str]:
    """The columns of a picture that hold a curve, each from top to bottom."""
    canvas = [line[9:-1] for line in shown.split("\n")[1:-1]]
    columns = ["".join(characters) for characters in zip(*canvas, strict=True)]
    return [column for column in columns if any("⠀" < c <= "⣿" for c in column)]


def picture_of(values: list[float], lens: Lens, **fields: object) -> str:
    rows, _ = paint_chart(chart(values, ended=True, **fields), 60, 12, Scales(), lens)
    return text_of(rows)


def test_an_outlier_ruins_no_robust_axis() -> None:
    values = [1.0 + 0.1 * math.sin(i) for i in range(500)]
    values[20] = 5000.0
    assert "6000" in picture_of(values, Lens())
    robust = picture_of(values, Lens(robust=True))
    assert "6000" not in robust
    assert "1.0" in robust


def test_a_robust_axis_says_where_nothing_is_an_outlier() -> None:
    values = [1.0 + 0.1 * math.sin(i) for i in range(500)]
    assert "there are no outliers" not in picture_of(values, Lens())
    assert "there are no outliers" in picture_of(values, Lens(robust=True))
    assert "outliers" not in picture_of([*values, 5000.0], Lens(robust=True))
    assert "outliers" not in picture_of([], Lens(robust=True))


def side_by_side(*runs: list[float]) -> Chart:
    curves = []
    for letter, values in zip("abcd", runs, strict=False):
        column = Column()
        column.append(np.array(values))
        curves.append(Curve(np.arange(float(len(values))), column, f"run-{letter}", letter=letter))
    return chart([], ended=True, overlay=curves)


FIXED = [2.0 / (1 + i / 20) for i in range(200)]
BROKEN = [2.0] * 20 + [1e5 + 1e3 * i for i in range(180)]


@pytest.mark.parametrize(
    ("runs", "beyond"),
    [
        ((BROKEN, FIXED), "a"),
        ((FIXED, BROKEN), "b"),
        ((BROKEN, BROKEN, FIXED), "a b"),
        ((FIXED, [5 * value for value in FIXED]), ""),
        ((FIXED, [0.0] * 200), ""),
        ((BROKEN, BROKEN), ""),
    ],
)
def test_a_run_that_broke_does_not_flatten_one_that_did_not(runs: tuple[list[float], ...], beyond: str) -> None:
    """Each curve has a range of its own; those far out are not what the axis is made for."""
    rows, scales = paint_chart(side_by_side(*runs), 60, 14, Scales(), Lens(robust=True))
    assert ("beyond the axis: " + beyond in text_of(rows)) == bool(beyond)
    assert ("beyond" in text_of(rows)) == bool(beyond)
    assert scales.y is not None
    assert (scales.y.high < 15) == (runs != (BROKEN, BROKEN))
    _, scales = paint_chart(side_by_side(*runs), 60, 14, Scales(), Lens())
    assert scales.y is not None
    assert (scales.y.high > 1e5) == (BROKEN in runs)


def test_on_a_logarithmic_axis_no_run_is_far_from_another() -> None:
    rows, _ = paint_chart(side_by_side(BROKEN, FIXED), 60, 14, Scales(), Lens(robust=True, log_y=True))
    assert "beyond" not in text_of(rows)


def test_the_crosshair_reads_the_nearest_record() -> None:
    shown = seen(Lens(cursor=40.2))
    assert "loss 0.2500 @ 40" in shown
    assert "│" in shown.split("\n")[2][10:40]


def test_the_whole_curve_is_kept_faint_behind_the_smoothed() -> None:
    rows, _ = paint_chart(chart([float(i % 7) for i in range(300)], ended=True), 60, 12, Scales(), Lens(smoothing=0.05))
    styles = {style for row in rows for _, style in row}
    assert {"raw", "smooth"} <= styles
    assert "curve" not in styles
    rows, _ = paint_chart(chart([1.0, 2.0], ended=True, smoothed=True), 60, 12, Scales(), Lens(smoothing=0.0))
    assert "smooth" not in {style for row in rows for _, style in row}


def test_several_runs_in_their_colours_with_marks() -> None:
    curves = []
    for number in range(3):
        column = Column()
        column.append(np.linspace(1.0, number + 2.0, 50))
        curves.append(Curve(np.arange(50.0), column, f"run{number}"))
    shown = chart([], ended=True, overlay=curves, marks=[Mark(25.0, "◆", "dim")])
    rows, scales = paint_chart(shown, 60, 14, Scales())
    styles = {style for row in rows for _, style in row}
    assert {"run0", "run1", "run2"} <= styles
    assert "no values" not in text_of(rows)
    assert styles_at(rows, "◆") == {"dim"}
    assert scales.at(5, 60) is None
    assert scales.at(9, 60) == pytest.approx(0.5, abs=0.5)
    assert scales.at(58, 60) == pytest.approx(48.5, abs=0.6)


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30),
    st.builds(
        Lens, seen=st.none() | st.builds(Extent, st.floats(0, 10), st.floats(11, 40)), follows=st.booleans(),
        log_y=st.booleans(), robust=st.booleans(), smoothing=st.sampled_from(SMOOTHINGS),
        cursor=st.none() | st.floats(-5, 50),
    ),
    st.integers(1, 70), st.integers(1, 14),
)  # fmt: skip
def test_no_value_and_no_look_breaks_a_chart(values: list[float], lens: Lens, width: int, height: int) -> None:
    points = {"points_x": np.arange(1.0, len(values) + 1), "points_y": np.array(values)}
    rows, _ = paint_chart(chart(values, ended=True, smoothed=True, **points), width, height, Scales(), lens)
    assert len(rows) == height
    assert {sum(len(text) for text, _ in row) for row in rows} == {width}


def test_what_is_marked_becomes_what_is_seen() -> None:
    whole = Extent(0, 100)
    lens = marked(Lens(cursor=3.0, follows=True, seen=Extent(90, 100)), 40, 20)
    assert (lens.marked, lens.cursor) == (Extent(20, 40), None)
    assert taken(lens, whole) == Lens(seen=Extent(20, 40))
    assert taken(marked(Lens(), 0, 100), whole) == Lens()
    assert taken(marked(Lens(), 7, 7), whole).seen == Extent(7, 7 + 1e-4)
    assert taken(marked(Lens(), 90, 120), whole).seen == Extent(70, 100)
    assert taken(Lens(log_y=True), whole) == Lens(log_y=True)
