"""The step records of a run as growable columns, with block bounds, so that drawing never walks the whole run.

Guarantees: steps ascend strictly whatever the file holds; a missing value is nan, a value that stands in the file and
is not finite is nan or ±inf and counted in `marks`; a resume marker cuts the tail off. Knows no file and no screen.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rundir.records import StepRecord

Floats: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.int64]

BLOCK = 64
"""Values a block. Summarising n values of w bins costs about n / BLOCK + 2 * BLOCK * w."""

STEP_FIELDS = ("loss", "grad_norm", "lr", "epoch", "step_s", "data_wait_s", "tokens_per_s", "gpu_mem_allocated_bytes")
"""The numeric fields of a step record that can become columns."""

MAX_STEP = 2**53
"""Beyond it a float no longer tells one step from the next; no run gets there, a damaged line may."""

SUMMABLE = 1e290

_NO_MARKS: Indices = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a series: what one chunk of a file decodes to. Immutable, so that it may cross threads."""

    x: Floats
    """Ascending strictly."""
    columns: Mapping[str, Floats]
    marks: Mapping[str, Indices] = field(default_factory=dict)
    """For each column, the indices of values that are there and not finite."""

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, slots=True)
class StepBlock(Block):
    """Step records of one attempt; `x` is the step."""

    attempt: int = 0


def step_blocks(records: Sequence[StepRecord], fields: Sequence[str] = STEP_FIELDS) -> list[StepBlock]:
    """Columns of step records, one block an attempt and rising stretch, in file order. Never raises on a value.

    Columns are `at`, those of `fields` that any record has, and every name found in `metrics`. Records that repeat or
    step back within an attempt are dropped: a rewritten line, or one out of order.
    """
    if not records:
        return []
    step, attempt = _column(records, attrgetter("step")), _column(records, attrgetter("attempt"))
    if 0 <= step[0] and step[-1] < MAX_STEP and (attempt == attempt[0]).all() and (np.diff(step) > 0).all():
        return [_step_block(records, step, fields)]
    parts = _rising_parts([record for record in records if 0 <= record.step < MAX_STEP])
    return [_step_block(part, _column(part, attrgetter("step")), fields) for part in parts]


def _rising_parts(records: Sequence[StepRecord]) -> list[list[StepRecord]]:
    parts: list[list[StepRecord]] = []
    for record in records:
        last = parts[-1][-1] if parts else None
        if last is None or record.attempt > last.attempt:
            parts.append([record])
        elif record.attempt == last.attempt and record.step > last.step:
            parts[-1].append(record)
    return parts


def _step_block(records: Sequence[StepRecord], step: Floats, fields: Sequence[str]) -> StepBlock:
    columns = {"at": _column(records, attrgetter("at"))}
    marks: dict[str, Indices] = {}
    for name in fields:
        _add_column(name, list(map(attrgetter(name), records)), columns, marks)
    metrics: list[Any] = list(map(attrgetter("metrics"), records))
    if any(metrics):
        for name in sorted(set().union(*filter(None, metrics)) - set(columns)):
            _add_column(name, [values.get(name) if values else None for values in metrics], columns, marks)
    return StepBlock(step, columns, marks, records[0].attempt)


def _add_column(name: str, values: list[Any], columns: dict[str, Floats], marks: dict[str, Indices]) -> None:
    """Values as a column, unless none of them is there, and where they are there and not finite."""
    if values[0] is None and values.count(None) == len(values):
        return
    column = columns[name] = _column(values)
    odd = np.flatnonzero(~np.isfinite(column)).tolist()
    if there := [i for i in odd if values[i] is not None]:
        marks[name] = np.array(there, dtype=np.int64)


def _column(values: Sequence[Any], get: Callable[[Any], Any] | None = None) -> Floats:
    """The values, or one of every source. numpy reads None and the strings "nan", "inf", "-inf" as we mean them."""
    try:
        return np.fromiter(map(get, values) if get else values, np.float64, len(values))
    except OverflowError:  # an integer beyond float: as infinite as a plot needs it
        return np.array([_widest(get(value) if get else value) for value in values], dtype=np.float64)


def _widest(value: Any) -> float:
    try:
        return math.nan if value is None else float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


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

    def __init__(self) -> None:
        self._values = np.empty(1024, dtype=np.float64)
        self._size = 0
        self._marks: list[Indices] = []
        self._joined_marks = _NO_MARKS
        self._blocks = _bounds(np.empty(0))
        self._built = 0

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

    def append(self, values: Floats, marks: Indices = _NO_MARKS) -> None:
        end = self._size + len(values)
        if end > len(self._values):
            grown = np.empty(max(end, 2 * len(self._values)), dtype=np.float64)
            grown[: self._size] = self.values
            self._values = grown
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
            fresh = self._values[self._built * BLOCK : whole * BLOCK].reshape(-1, BLOCK)
            finite = np.isfinite(fresh)
            clean = fresh if finite.all() else np.where(finite, fresh, np.nan)
            new = (
                np.fmin.reduce(clean, axis=1),
                np.fmax.reduce(clean, axis=1),
                _summable(fresh, finite).sum(axis=1),
                finite.sum(axis=1, dtype=np.float64),
            )
            old = self._blocks
            kept = (old.low, old.high, old.total, old.count)
            self._blocks = Bounds(*(np.concatenate([a[: self._built], b]) for a, b in zip(kept, new, strict=True)))
            self._built = whole
        return self._blocks


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


class Series:
    """Columns over one ascending axis (a step, or a time). One owner; readers take views and keep none."""

    def __init__(self) -> None:
        self._x = Column()
        self._columns: dict[str, Column] = {}

    def __len__(self) -> int:
        return len(self._x)

    @property
    def x(self) -> Floats:
        """A view; valid until the next append or truncation."""
        return self._x.values

    @property
    def names(self) -> list[str]:
        return list(self._columns)

    def column(self, name: str) -> Column | None:
        """A column padded to the series' length; None when no record had the value."""
        return self._columns.get(name)

    def last(self, name: str) -> float:
        """The newest value that is there, which may be non-finite; nan when none is among the last few hundred."""
        column = self._columns.get(name)
        if column is None or not len(column):
            return math.nan
        recent = column.values[-512:]
        there = np.flatnonzero(~np.isnan(recent))
        newest = int(there[-1]) + len(column) - len(recent) if len(there) else -1
        marks = column.marks
        if len(marks) and marks[-1] > newest:
            return float(column.values[marks[-1]])
        return float(column.values[newest]) if newest >= 0 else math.nan

    def append(self, block: Block) -> None:
        """Append a block. What does not rise above the axis' last value is dropped: a repeat, or out of order."""
        skip = int(np.searchsorted(block.x, self.x[-1], side="right")) if len(self) else 0
        if skip >= len(block):
            return
        size = len(self)
        self._x.append(block.x[skip:])
        for name, values in block.columns.items():
            column = self._columns.setdefault(name, Column())
            column.pad(size)
            marks = block.marks.get(name, _NO_MARKS)
            column.append(values[skip:], marks[marks >= skip] - skip)
        for column in self._columns.values():
            column.pad(len(self._x))

    def truncate(self, x: float) -> None:
        """Drop what lies beyond `x`: a later attempt goes on from there."""
        size = int(np.searchsorted(self.x, x, side="right"))
        for column in (self._x, *self._columns.values()):
            column.truncate(size)
