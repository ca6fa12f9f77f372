"""What stands beside the ticks: whole, told from its neighbours, in units that people read."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rundir.column import Column
from trainwatch import format as fmt
from trainwatch.lens import Extent, Lens
from trainwatch.paint import text_of
from trainwatch.panes.chart import Chart, Scales, paint_chart
from trainwatch.panes.ticks import place_edge, value_labels
from trainwatch.scale import Axis, log_ticks, time_step, value_axis

magnitude = st.floats(-12, 12)


def places(first: float, extent: float, columns: int = 60, *, is_time: bool = False) -> list[str]:
    form = fmt.elapsed if is_time else fmt.short_count
    edge = text_of([place_edge(first, extent, columns, 8, form, 0.0 if is_time else 1.0)])
    return edge.replace("─", " ").split()


@pytest.mark.parametrize(
    ("first", "extent", "shown"),
    [
        (0, 0.5, "0s 0.1s 0.2s 0.3s 0.4s 0.5s"),
        (0, 7, "0s 2s 4s 6s"),
        (0, 100, "0s 30s 1m 1m30s"),
        (0, 3600, "0s 15m 30m 45m 1h"),
        (0, 86400, "0s 6h 12h 18h 1d"),
        (0, 86400 * 2.5, "0s 12h 1d 1d12h 2d 2d12h"),
        (0, 86400 * 35, "0s 10d 20d 30d"),
        (12345, 4, "12,345s 12,346s 12,347s 12,348s 12,349s"),
        (7000, 1000, "2h 2h05m 2h10m"),
    ],
)
def test_an_axis_of_time_has_parts_of_minutes_hours_and_days(first: float, extent: float, shown: str) -> None:
    assert places(first, extent, is_time=True) == shown.split()


@pytest.mark.parametrize(
    ("first", "extent", "shown"),
    [
        (0, 7, "0 2 4 6"),
        (0, 1e6, "0 200k 400k 600k 800k 1M"),
        (0, 1e7, "0 2M 4M 6M 8M 10M"),
        (1_234_500, 400, "1,234,500 1,234,600 1,234,700 1,234,800"),
    ],
)
def test_an_axis_of_steps(first: float, extent: float, shown: str) -> None:
    assert places(first, extent) == shown.split()


@given(st.floats(0, 1e7), st.floats(-6, 7), st.integers(20, 200))
def test_no_two_ticks_of_an_axis_of_time_read_alike(first: float, power: float, columns: int) -> None:
    extent = max(10.0**power, first * 1e-6)
    found = places(first, extent, columns, is_time=True)
    assert len(set(found)) == len(found)


@given(st.floats(-3, 8), st.integers(1, 20))
def test_steps_of_time_are_few_enough(power: float, parts: int) -> None:
    extent = 10.0**power
    assert extent / time_step(extent, parts) <= parts * (1 + 1e-6)


@given(magnitude, st.floats(0.001, 10), st.integers(4, 40))
def test_a_logarithmic_axis_has_ticks_that_read_differently(low: float, extent: float, lines: int) -> None:
    axis = value_axis(low, low + extent, max(1, min(8, lines // 3)))
    ticks = log_ticks(axis, max(2, lines // 2))
    assert all(axis.low - 1e-6 <= tick <= axis.high + 1e-6 for tick in ticks)
    labels = [label for label in value_labels(axis, lines, "", is_log=True) if label]
    assert labels
    assert len(set(labels)) == len(labels)
    values = sorted((float(label) for label in labels), reverse=True)
    assert values == [float(label) for label in labels]


@given(magnitude, st.floats(-6, 0), st.booleans(), st.integers(4, 40))
def test_ticks_far_from_zero_read_differently(power: float, part: float, is_negative: bool, lines: int) -> None:
    low = -(10.0**power) if is_negative else 10.0**power
    axis = value_axis(low, low + abs(low) * 10.0**part, max(1, min(8, lines // 3)))
    labels = [label for label in value_labels(axis, lines, "", is_log=False) if label]
    assert len(set(labels)) == len(labels)


def test_logarithmic_ticks_are_those_that_people_know() -> None:
    shown = [value_labels(Axis(low, high, 0.5), 20, "", is_log=True) for low, high in ((-2, 1), (-5, -4), (0.5, 0.8))]
    assert [[label for label in labels if label] for labels in shown] == [
        ["10", "5", "2", "1", "0.5", "0.2", "0.1", "0.05", "0.02", "0.01"],
        ["1e-4", "5e-5", "2e-5", "1e-5"],
        ["6", "5.5", "5", "4.5", "4", "3.5"],
    ]


@pytest.mark.parametrize("width", [34, 60])
@pytest.mark.parametrize("log_y", [True, False])
@pytest.mark.parametrize(
    "values", [(2.345, 2.3452), (-3.2e-7, 1e-7), (1.0e-12, 3e9), (-123456.0, -123450.0), (1e-5, 1.1e-5)]
)
def test_a_label_beside_the_value_axis_is_never_cut(values: tuple[float, float], log_y: bool, width: int) -> None:
    column = Column()
    column.append(np.linspace(*values, 50), np.empty(0, dtype=np.intp))
    chart = Chart("loss", np.arange(50.0), column, values[1], ended=True)
    rows, scales = paint_chart(chart, width, 12, Scales(), Lens(log_y=log_y))
    assert not any("…" in text_of([row]) for row in rows)
    assert {len(text_of([row])) for row in rows} == {width}
    again, same = paint_chart(chart, width, 12, scales, Lens(log_y=log_y))
    assert (again, same) == (rows, scales)


def test_the_crosshair_finds_its_place_where_labels_are_long() -> None:
    column = Column()
    column.append(np.linspace(2.345, 2.3452, 50), np.empty(0, dtype=np.intp))
    _, scales = paint_chart(Chart("loss", np.arange(50.0), column, ended=True), 34, 12, Scales(), Lens(log_y=True))
    assert scales.seen == Extent(0.0, 49.0)
    assert scales.at(1 + scales.gutter, 34) == pytest.approx(49 * 0.5 / (32 - scales.gutter))
    assert scales.at(scales.gutter, 34) is None


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0s"), (0.25, "0.25s"), (45.0, "45s"), (100.0, "1m40s"), (120.0, "2m"), (3599.6, "1h"), (7500.0, "2h05m"),
        (86400.0, "1d"), (273_600.0, "3d04h"), (-90.0, "-1m30s"), (math.nan, "nans"), (1e12, "1.157e7d"),
    ],
)  # fmt: skip
def test_a_time_since_the_start(seconds: float, shown: str) -> None:
    assert fmt.elapsed(seconds) == shown


def test_a_count_is_rounded_before_its_unit_is_chosen() -> None:
    assert [fmt.short_count(value) for value in (999.0, 999_999, 999_999_999, 1_250_000, -2e9, math.inf)] == [
        "999", "1M", "1G", "1.25M", "-2G", "inf",
    ]  # fmt: skip
