"""Robust estimates that alert rules share: noise of a series and the trend test of Mann and Kendall.

Plain functions of plain sequences; values are finite. Windows are short: sorting a list beats a call into numpy.
"""

import itertools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

_MAD_TO_SIGMA = 1.4826
"""The median absolute deviation of a normal distribution times this is its standard deviation."""


def middle(ordered: Sequence[float]) -> float:
    """The median of values that are sorted; nan of nothing."""
    n = len(ordered)
    if not n:
        return math.nan
    half = n // 2
    return ordered[half] if n % 2 else ordered[half - 1] / 2 + ordered[half] / 2


def middle_of_three(a: float, b: float, c: float) -> float:
    """The median of three."""
    if (a <= b) == (b <= c):
        return b
    return a if (a > c) == (a <= b) else c


def median(values: Sequence[float]) -> float:
    """The median; nan of nothing."""
    return middle(sorted(values))


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which about that share of them lies; nan of nothing."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else math.nan


def spread(values: Sequence[float]) -> float:
    """Robust standard deviation about the median; 0 for fewer than two values."""
    if len(values) < 2:
        return 0.0
    ordered = sorted(values)
    centre = middle(ordered)
    return _MAD_TO_SIGMA * median([abs(value - centre) for value in ordered])


def step_noise(values: Sequence[float]) -> float:
    """Robust standard deviation of single values from first differences; 0 for fewer than three values."""
    if len(values) < 3:
        return 0.0
    return _MAD_TO_SIGMA * median([abs(b - a) for a, b in itertools.pairwise(values)]) / math.sqrt(2.0)


def jitter(values: Sequence[float]) -> float:
    """Noise of single values on a trend, in the values' unit; 0 for fewer than four values.

    From second differences, whose deviation is √6 that of the noise while a straight trend leaves them at zero. Few
    of them underestimate the noise, for which the result is raised by 1 + 6/n.
    """
    if len(values) < 4:
        return 0.0
    bends = [abs(a - 2.0 * b + c) for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    return _MAD_TO_SIGMA * median(bends) / math.sqrt(6.0) * (1.0 + 6.0 / len(bends))


def lone_rise(values: Sequence[float]) -> float:
    """How far a value stands at most over the higher of its neighbours; 0 for fewer than three values."""
    if len(values) < 3:
        return 0.0
    triples = zip(values, values[1:], values[2:], strict=False)
    inner = max(b - max(a, c) for a, b, c in triples)
    return max(inner, values[0] - values[1], values[-1] - values[-2], 0.0)


def mann_kendall_z(values: Sequence[float]) -> float:
    """Mann and Kendall's trend statistic, normal with deviation 1 where there is none; 0 for fewer than three values.

    Z = (S ∓ 1) / √(n(n−1)(2n+5)/18), S = the sum of the signs of all later-minus-earlier differences (Kendall, 1975).
    """
    n = len(values)
    if n < 3:
        return 0.0
    score, before = 0, [values[0]]
    for value in values[1:]:
        first, last = bisect_left(before, value), bisect_right(before, value)
        score += first + last - len(before)  # those below, less those above
        before.insert(first, value)
    if score == 0:
        return 0.0
    return (score - math.copysign(1.0, score)) / math.sqrt(n * (n - 1) * (2 * n + 5) / 18.0)
