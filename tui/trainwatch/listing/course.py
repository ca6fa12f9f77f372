"""The course of a run's loss, in a few bins of its steps that hold still while the run goes on. Pure.

A bin is so many steps wide, counted from step 0. Once there are too many, each two become one: what was drawn is then
drawn half as wide, and between two such times nothing moves but the newest bin.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import quantiles

MOST_BINS = 32
"""A power of two; twice as many as the widest sparkline has cells."""
FENCE = 1.5
"""Beyond the quartiles by more than so many times their distance lies what the range leaves out (Tukey, Exploratory
Data Analysis, 1977): the first losses of a run would make all others one line."""


@dataclass(frozen=True, slots=True)
class Course:
    """Mean losses by bin. Immutable, so that it may cross threads."""

    width: int = 1
    """Steps in a bin."""
    counts: tuple[int, ...] = ()
    """Finite losses in each bin, from step 0 on; as many bins as the last step needs."""
    sums: tuple[float, ...] = ()
    odd: frozenset[int] = frozenset()
    """The bins in which a loss was not finite."""
    last: int = -1
    """The last step that was taken in."""

    def extended(self, records: Sequence[tuple[int, float]]) -> "Course":
        """With steps and losses, ascending, as they stand now; what is known already is passed over.

        Where they end before the last known step the run went back: what lay beyond their first one is forgotten.
        """
        if not records:
            return self
        known = self if records[-1][0] >= self.last else self._until(records[0][0] - 1)
        new = [(step, loss) for step, loss in records if step > known.last]
        return _with(known, new) if new else known

    def _until(self, step: int) -> "Course":
        """Without the bins that reach beyond a step."""
        kept = max(0, step + 1) // self.width
        odd = frozenset(index for index in self.odd if index < kept)
        return Course(self.width, self.counts[:kept], self.sums[:kept], odd, min(self.last, kept * self.width - 1))

    def drawn(self, cells: int, *, ended: bool) -> list[float]:
        """At most so many values, from left to right; nan where a loss was not finite. Bins without a record have none.

        Of a run that goes on a power of two of bins is one cell, so that cells hold still as well; of one that has
        ended they fill the width.
        """
        values = [value for index in range(len(self.counts)) if (value := self._value(index)) is not None]
        if len(values) <= cells:
            return values
        if ended:
            bounds = [i * len(values) // cells for i in range(cells + 1)]
            return [_mean(values[low:high]) for low, high in pairwise(bounds)]
        size = 2
        while -(-len(values) // size) > cells:
            size *= 2
        return [_mean(values[low : low + size]) for low in range(0, len(values), size)]

    def _value(self, index: int) -> float | None:
        if index in self.odd:
            return math.nan
        return self.sums[index] / self.counts[index] if self.counts[index] else None


def _with(known: Course, records: Sequence[tuple[int, float]]) -> Course:
    last, width = records[-1][0], known.width
    while last // width >= MOST_BINS:
        width *= 2
    counts, sums = [0] * (last // width + 1), [0.0] * (last // width + 1)
    odd = {index * known.width // width for index in known.odd}
    for index, (count, total) in enumerate(zip(known.counts, known.sums, strict=True)):
        counts[index * known.width // width] += count
        sums[index * known.width // width] += total
    for step, loss in records:
        if math.isfinite(loss):
            counts[step // width] += 1
            sums[step // width] += loss
        else:
            odd.add(step // width)
    return Course(width, tuple(counts), tuple(sums), frozenset(odd), last)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)  # of one that is nan: nan


def robust_range(values: Sequence[float]) -> tuple[float, float]:
    """Lowest and highest of the finite values that are no outliers among them; 0 and 0 where there are none."""
    finite = sorted(value for value in values if math.isfinite(value))
    if len(finite) < 4:
        return (finite[0], finite[-1]) if finite else (0.0, 0.0)
    low, _, high = quantiles(finite, n=4, method="inclusive")
    reach = FENCE * (high - low)
    inside = [value for value in finite if low - reach <= value <= high + reach]
    return (inside[0], inside[-1]) if reach > 0 and inside else (finite[0], finite[-1])
