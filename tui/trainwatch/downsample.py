"""From a column of any length to one value pair a dot column: lowest and highest, so that no spike is lost. Pure numpy.

A bin is a span of the axis, fixed by the axis' ends and the width alone: appending points changes no bin before them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rundir.column import Column, Floats


@dataclass(frozen=True, slots=True)
class Window:
    """What of the axis is visible, and in how many dot columns."""

    start: float
    stop: float
    width: int


@dataclass(frozen=True, slots=True)
class Binned:
    """A curve as drawn, one element a dot column; nan where there is no finite value."""

    low: Floats
    high: Floats
    mean: Floats
    count: Floats
    odd: npt.NDArray[np.bool_]
    """Where at least one value stands in the file and is not finite."""


def bin_column(x: Floats, column: Column, window: Window) -> Binned:
    """Bounds and mean of a column in each bin of the window. The last bin holds its right edge."""
    borders = np.linspace(window.start, window.stop, window.width + 1)
    edges = np.searchsorted(x, borders).astype(np.int64)
    edges[-1] = np.searchsorted(x, window.stop, side="right")
    bounds = column.summarise(edges)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(bounds.count > 0, bounds.total / bounds.count, np.nan)
    odd = np.diff(np.searchsorted(column.marks, edges)) > 0
    return Binned(bounds.low, bounds.high, mean, bounds.count, odd)


def unrecorded(binned: Binned, bin_length: float, longest: float) -> npt.NDArray[np.bool_]:
    """Where nothing was recorded for longer than `longest`: empty bins between others, a bin being `bin_length`."""
    filled = np.flatnonzero((binned.count > 0) | binned.odd)
    gap = np.zeros(len(binned.count), dtype=np.bool_)
    for before, after in zip(filled[:-1].tolist(), filled[1:].tolist(), strict=True):
        gap[before + 1 : after] = (after - before - 1) * bin_length > longest
    return gap


def smooth(binned: Binned, half_life: float) -> Floats:
    """Exponential moving average of the bins' means, weighted by their points; nan before the first.

    A bin of n points weighs as n steps of the recurrence e ← e + (1 - 2^(-1 / half_life)) (x - e) with x their mean:
    the usual per-step average wherever a bin holds one point. `half_life` is in points.
    """
    smoothed = np.full(len(binned.mean), np.nan)
    keep = np.exp2(-binned.count / max(half_life, 1e-9))
    level = np.nan
    for i in np.flatnonzero(binned.count).tolist():
        level = binned.mean[i] if np.isnan(level) else level * keep[i] + binned.mean[i] * (1 - keep[i])
        smoothed[i] = level
    return smoothed
