"""Axes: they hold the data, have few nice ticks, and move in jumps."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwatch.scale import WIDEST, growing_end, value_axis

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, finite, st.integers(0, 12), st.booleans())
def test_axis_holds_the_data_in_few_parts(a: float, b: float, parts: int, from_zero: bool) -> None:
    low, high = min(a, b), max(a, b)
    axis = value_axis(low, high, parts, from_zero=from_zero)
    assert axis.low < axis.high
    inside = [min(max(v, -WIDEST), WIDEST) for v in (low, high)]
    room = 1e-6 * (axis.high - axis.low)
    assert axis.low - room <= inside[0]
    assert inside[1] <= axis.high + room
    assert 1 <= len(axis.ticks) <= max(parts, 2) + 1


def test_axis_without_data_is_drawn() -> None:
    assert value_axis(math.nan, math.nan, 4).ticks == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_axis_is_kept_while_it_serves_and_moves_when_not() -> None:
    first = value_axis(0.0, 4.0, 4)
    assert value_axis(0.3, 3.1, 4, first) is first
    assert value_axis(0.3, 4.1, 4, first) is not first
    assert value_axis(0.3, 0.9, 4, first) is not first


@pytest.mark.parametrize(
    ("last", "total", "ended", "end"),
    [
        (0, 0, False, 10), (0, math.inf, False, 10),
        (0, None, False, 10), (6, None, False, 10), (11, None, False, 20), (99, 10_000, False, 150),
        (1000, 10_000, False, 1500), (4999, 10_000, False, 8000), (5000, 10_000, False, 10_000),
        (12_000, 10_000, False, 20_000), (87, 200, True, 87), (0, None, True, 1),
    ],
)  # fmt: skip
def test_growing_end(last: float, total: float | None, ended: bool, end: float) -> None:
    assert growing_end(last, total, ended=ended) == end


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=50), st.none() | st.integers(-1, 10**7))
def test_growing_axis_always_holds_the_last_point(steps: list[int], total: int | None) -> None:
    end = 0.0
    for last in steps:
        end = growing_end(float(last), total, ended=False, previous=end)
        assert end >= last
        assert end > 0


def test_a_growing_run_moves_its_axis_seldom() -> None:
    end, moves = 0.0, 0
    for last in range(100_000):
        new = growing_end(float(last), None, ended=False, previous=end)
        moves += new != end
        end = new
    assert moves < 30
