"""The estimates that rules share come to what their formulas say, however they are reckoned."""

import math
import statistics
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rundir.alerts.noise import mann_kendall_z, middle_of_three, spread

# Many equal ones, as rounded losses have.
values = st.lists(st.one_of(st.integers(0, 4).map(float), st.floats(-1e6, 1e6)), max_size=70)


@given(st.tuples(*[st.floats(allow_nan=False)] * 3))
def test_the_middle_of_three_is_their_median(three: tuple[float, float, float]) -> None:
    assert middle_of_three(*three) == sorted(three)[1]


@given(values)
def test_the_trend_is_that_of_all_pairs(series: list[float]) -> None:
    score = sum((later > earlier) - (later < earlier) for earlier, later in combinations(series, 2))
    n = len(series)
    if n < 3 or not score:
        assert mann_kendall_z(series) == 0.0
    else:
        expected = (abs(score) - 1) / math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
        assert mann_kendall_z(series) == math.copysign(expected, score)


@given(values.filter(lambda series: len(series) > 1))
def test_the_spread_is_about_the_median(series: list[float]) -> None:
    centre = statistics.median(series)
    expected = 1.4826 * statistics.median(abs(value - centre) for value in series)
    assert spread(series) == pytest.approx(expected, rel=1e-9, abs=1e-9)
