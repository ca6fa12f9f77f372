"""One growable column of numbers that knows its bounds by blocks, so that drawing never walks a run. Pure numpy."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.int64]

BLOCK = 64
"""Values a block. Summarising n values of w bins costs about n / BLOCK + 2 * BLOCK * w."""
SUMMABLE = 1e290

NO_MARKS: Indices = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What stretches of a column come to, one element a stretch; nan where it has no finite value."""

    low: Floats
    high: Floats
    total: Floats
    """Sum of the finite values, those beyond ±1e290 counted as that."""
    count: Floats
    """How many are finite."""


class Column:
    """One growable column of float64. Owns its block bounds, built when first asked for."""

    expected = 0
    """Values that are going to come in all, as far as is known: room for so many is made once."""

    def __init__(self) -> None:
        self._values = np.empty(1024, dtype=np.float64)
        self._size = 0
        self._marks: list[Indices] = []
        self._joined_marks = NO_MARKS
        self._blocks = _bounds(np.empty(0))
        self._built = 0
        self._is_shared = False
        """Whether the values are another column's, too, and not to be written over."""

    @classmethod
    def over(
        cls, storage: Floats, size: int, blocks: Bounds, marks: Indices = NO_MARKS, *, is_shared: bool = False
    ) -> "Column":
        """A column of values that are there already: the first `size` of `storage`, which is the column's from now on.

        It grows into the rest, unless it shares the storage with another. `blocks`: the bounds of its first whole
        blocks, as `block_bounds` has them.
        """
        column = cls()
        column._values, column._size, column._joined_marks = storage, size, marks
        column._blocks, column._built, column._is_shared = blocks, len(blocks.low), is_shared
        return column

    def prefix(self, size: int) -> "Column":
        """The first values as a column of its own, copied only once that grows; this one is not to be cut meanwhile."""
        blocks, marks, whole = self._whole_blocks(), self.marks, size // BLOCK
        bounds = Bounds(blocks.low[:whole], blocks.high[:whole], blocks.total[:whole], blocks.count[:whole])
        marks = marks[: int(np.searchsorted(marks, size))]
        return Column.over(self._values[:size], size, bounds, marks, is_shared=True)

    def __len__(self) -> int:
        return self._size

    @property
    def values(self) -> Floats:
        """A view; valid until the next append or truncation."""
        return self._values[: self._size]

    @property
    def marks(self) -> Indices:
        """Indices of the values that are there and not finite, ascending."""
        if self._marks:
            self._joined_marks = np.concatenate([self._joined_marks, *self._marks])
            self._marks = []
        return self._joined_marks

    def append(self, values: Floats, marks: Indices = NO_MARKS) -> None:
        end = self._size + len(values)
        if end > len(self._values):
            grown = np.empty(max(end, 2 * len(self._values), self.expected), dtype=np.float64)
            grown[: self._size] = self.values
            self._values, self._is_shared = grown, False
        self._values[self._size : end] = values
        if len(marks):
            self._marks.append(marks + self._size)
        self._size = end

    def pad(self, size: int) -> None:
        """Fill up with nan to `size` values."""
        if size > self._size:
            self.append(np.full(size - self._size, np.nan))

    def truncate(self, size: int) -> None:
        marks = self.marks
        self._joined_marks = marks[: int(np.searchsorted(marks, size))]
        self._size = min(self._size, size)
        if self._is_shared:
            self._values = self.values  # no room to write into
        self._built = min(self._built, self._size // BLOCK)

    def summarise(self, edges: Indices) -> Bounds:
        """Bounds of the stretches `values[edges[i]:edges[i + 1]]`; edges ascend, within 0 and the column's length.

        Exact; costs about `len(column) / BLOCK + 2 * BLOCK * len(edges)`, not the column's length.
        """
        starts, stops = edges[:-1], edges[1:]
        if edges[-1] - edges[0] <= 4 * BLOCK * len(starts):
            return _reduce(_bounds(self.values[edges[0] : edges[-1]]), starts - edges[0], stops - edges[0])
        blocks = self._whole_blocks()
        first, last = -(-starts // BLOCK), stops // BLOCK
        inner = _reduce(blocks, first, np.maximum(first, last))
        head_stops = np.minimum(first * BLOCK, stops)
        tail_starts = np.maximum(last * BLOCK, head_stops)
        return _combine(self._ragged(starts, head_stops), inner, self._ragged(tail_starts, stops))

    def _ragged(self, starts: Indices, stops: Indices) -> Bounds:
        lengths = stops - starts
        ends = np.cumsum(lengths)
        offsets = np.repeat(starts - (ends - lengths), lengths) + np.arange(ends[-1])
        return _reduce(_bounds(self.values[offsets]), ends - lengths, ends)

    def _whole_blocks(self) -> Bounds:
        whole = self._size // BLOCK
        if whole > self._built:
            new = block_bounds(self._values[self._built * BLOCK : whole * BLOCK])
            old = self._blocks
            pairs = ((old.low, new.low), (old.high, new.high), (old.total, new.total), (old.count, new.count))
            self._blocks = Bounds(*(np.concatenate([a[: self._built], b]) for a, b in pairs))
            self._built = whole
        return self._blocks


def block_bounds(values: Floats) -> Bounds:
    """Bounds of values by blocks of `BLOCK`, of which there are whole ones only."""
    blocks = values.reshape(-1, BLOCK)
    with np.errstate(invalid="ignore", over="ignore"):  # of what is done again below
        low, high = np.minimum.reduce(blocks, axis=1), np.maximum.reduce(blocks, axis=1)
        total = blocks.sum(axis=1)
    count = np.full(len(blocks), float(BLOCK))
    # Block by block, so that what one comes to does not depend on those it is looked at with.
    odd = np.flatnonzero(~((low >= -SUMMABLE) & (high <= SUMMABLE)))
    if len(odd):
        few = blocks[odd]
        finite = np.isfinite(few)
        clean = np.where(finite, few, np.nan)
        low[odd], high[odd] = np.fmin.reduce(clean, axis=1), np.fmax.reduce(clean, axis=1)
        total[odd], count[odd] = _summable(few, finite).sum(axis=1), finite.sum(axis=1, dtype=np.float64)
    return Bounds(low, high, total, count)


def _bounds(values: Floats) -> Bounds:
    """Each value as a stretch of its own."""
    finite = np.isfinite(values)
    clean = np.where(finite, values, np.nan)
    return Bounds(clean, clean, _summable(values, finite), finite.astype(np.float64))


def _summable(values: Floats, finite: npt.NDArray[np.bool_]) -> Floats:
    """The finite values, kept so far from the end of the range that no sum of them overflows."""
    return np.clip(np.where(finite, values, 0.0), -SUMMABLE, SUMMABLE)


def _reduce(source: Bounds, starts: Indices, stops: Indices) -> Bounds:
    """Bounds of the stretches [starts, stops) of `source`; stretches ascend and do not overlap."""
    low, high = np.full(len(starts), np.nan), np.full(len(starts), np.nan)
    total, count = np.zeros(len(starts)), np.zeros(len(starts))
    some = np.flatnonzero(stops > starts)
    if len(some):
        # reduceat also reduces what lies between a stop and the next start: every second result is thrown away.
        at = np.column_stack([starts[some], stops[some]]).ravel()
        at = at[:-1] if at[-1] >= len(source.low) else at
        low[some] = np.fmin.reduceat(source.low, at)[::2]
        high[some] = np.fmax.reduceat(source.high, at)[::2]
        total[some] = np.add.reduceat(source.total, at)[::2]
        count[some] = np.add.reduceat(source.count, at)[::2]
    return Bounds(low, high, total, count)


def _combine(*parts: Bounds) -> Bounds:
    low, high, total, count = parts[0].low, parts[0].high, parts[0].total, parts[0].count
    for part in parts[1:]:
        low, high = np.fmin(low, part.low), np.fmax(high, part.high)
        total, count = total + part.total, count + part.count
    return Bounds(low, high, total, count)
