"""Down-sampling keeps the extremes, stays put when points are appended, and says where something was not finite."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rundir.column import Column
from trainwatch.downsample import Binned, Window, bin_column, smooth

losses = st.lists(st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf]), min_size=1, max_size=400)


def binned(data: list[float], window: Window) -> Binned:
    column = Column()
    array = np.array(data, dtype=np.float64)
    column.append(array, np.flatnonzero(~np.isfinite(array)))
    return bin_column(np.arange(1.0, len(data) + 1), column, window)


@given(losses, st.integers(1, 300))
def test_extremes_are_kept(data: list[float], width: int) -> None:
    found = binned(data, Window(0.0, len(data), width))
    finite = [v for v in data if math.isfinite(v)]
    if finite:
        assert np.nanmin(found.low) == min(finite)
        assert np.nanmax(found.high) == max(finite)
    assert found.count.sum() == len(finite)
    assert found.odd.any() == (len(finite) < len(data))


@given(losses, losses, st.integers(1, 100), st.integers(1, 1000))
def test_appending_changes_no_bin_before(data: list[float], more: list[float], width: int, stop: int) -> None:
    window = Window(0.0, float(stop), width)
    before, after = binned(data, window), binned(data + more, window)
    # The bin of the last point may still grow; all before it are settled.
    settled = min(width, int(np.searchsorted(np.linspace(0, stop, width + 1), len(data), side="right")) - 1)
    for name in ("low", "high", "count", "odd"):
        np.testing.assert_array_equal(getattr(before, name)[:settled], getattr(after, name)[:settled])


@given(losses, st.integers(1, 100))
def test_smoothing_stays_within_the_values(data: list[float], width: int) -> None:
    found = binned(data, Window(0.0, len(data), width))
    level = smooth(found, 5.0)
    finite = [v for v in data if math.isfinite(v)]
    assert np.isnan(level).all() == (not finite)
    if finite:
        assert np.nanmin(level) >= min(finite) - 1e-6
        assert np.nanmax(level) <= max(finite) + 1e-6


def test_smoothing_one_point_a_bin_is_the_recurrence() -> None:
    data = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]
    level = smooth(binned(data, Window(0.5, 8.5, 8)), 2.0)
    share = 1 - 2 ** (-1 / 2)
    expected = data[0]
    for value, found in zip(data, level, strict=True):
        expected += share * (value - expected)
        assert math.isclose(found, expected)


def test_an_empty_column_has_empty_bins() -> None:
    found = bin_column(np.empty(0), Column(), Window(0.0, 10.0, 4))
    assert np.isnan(found.low).all()
    assert not found.odd.any()
