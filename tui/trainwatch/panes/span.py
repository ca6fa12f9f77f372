"""Between what the value axis of a chart has to lie: all that is drawn, or what outliers do not ruin. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rundir.column import Floats

CORE = (2.0, 98.0)
"""Percentiles of what is drawn of a curve between which the value axis lies where outliers are left out."""
ROBUST_ROOM = 0.1
"""Room beside them, as a share of what lies between."""
FAR = 10.0
"""A curve whose values are so many times those of others makes them lie in a tenth of the axis, two lines of twenty:
where outliers are left out, it is one."""


@dataclass(frozen=True, slots=True)
class Span:
    """Lowest and highest value; nan where nothing is drawn."""

    low: float = math.nan
    high: float = math.nan
    far: tuple[int, ...] = ()
    """Which of the curves the axis was not made for."""
    cuts: bool = False
    """Whether anything lies beyond."""


def span_of(curves: Sequence[tuple[Floats, Floats]], *, is_robust: bool, is_log: bool = False) -> Span:
    """Of the lows and highs of curves. `is_log`: they are logarithms, in which no curve is far from another."""
    ranges = [(i, _range(*curve, is_robust=is_robust)) for i, curve in enumerate(curves)]
    known = {i: (low, high) for i, (low, high) in ranges if not math.isnan(low) and not math.isnan(high)}
    if not known:
        return Span()
    far = _far(known) if is_robust and not is_log else set()
    low, high = (pick(known[i][side] for i in known if i not in far) for side, pick in ((0, min), (1, max)))
    whole = [_range(*curve, is_robust=False) for i, curve in enumerate(curves) if i in known]
    return Span(low, high, tuple(sorted(far)), any(least < low or most > high for least, most in whole))


def _range(lows: Floats, highs: Floats, *, is_robust: bool) -> tuple[float, float]:
    lows, highs = lows[~np.isnan(lows)], highs[~np.isnan(highs)]
    if not len(lows) or not len(highs):
        return math.nan, math.nan
    low, high = float(lows.min()), float(highs.max())
    if is_robust:
        least, most = float(np.percentile(lows, CORE[0])), float(np.percentile(highs, CORE[1]))
        room = ROBUST_ROOM * (most - least)
        low, high = max(low, least - room), min(high, most + room)
    return low, high


def _far(known: dict[int, tuple[float, float]]) -> set[int]:
    """The curves whose values are far larger than those of the least quarter; what is 0 everywhere has no size.

    Held against the least, not the middle: of three runs two may be broken, and the third is what is to be read.
    """
    sizes = {i: max(abs(low), abs(high)) for i, (low, high) in known.items()}
    ordered = sorted(size for size in sizes.values() if size > 0)
    if not ordered:
        return set()
    ordinary = ordered[(len(ordered) - 1) // 4]
    return {i for i, size in sizes.items() if size > FAR * ordinary}
