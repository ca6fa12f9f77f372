"""The step records of a run as growable columns, over an ascending axis that a resume cuts back.

Guarantees: steps ascend strictly whatever the file holds; a missing value is nan, a value that stands in the file and
is not finite is nan or ±inf and counted in `marks`; a resume marker cuts the tail off. Knows no file and no screen.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec.structs import astuple

from rundir.column import NO_MARKS, Column, Floats, Indices
from rundir.records import StepRecord

STEP_FIELDS = ("loss", "grad_norm", "lr", "epoch", "step_s", "data_wait_s", "tokens_per_s", "gpu_mem_allocated_bytes")
"""The numeric fields of a step record that can become columns."""

MAX_STEP = 2**53
"""Beyond it a float no longer tells one step from the next; no run gets there, a damaged line may."""
MAX_AT = 1e11
"""UTC seconds, in the year 5138: what lies beyond is no instant, but damage."""


class Storage:
    """Ready-made columns, to be the own of the first series that takes them."""

    def __init__(self, x: Column, columns: dict[str, Column]) -> None:
        self._held: tuple[Column, dict[str, Column]] | None = (x, columns)

    def take(self) -> tuple[Column, dict[str, Column]] | None:
        """Axis and columns; None where they were taken before."""
        held, self._held = self._held, None
        return held


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a series: what one chunk of a file decodes to. Immutable, so that it may cross threads."""

    x: Floats
    """Ascending strictly."""
    columns: Mapping[str, Floats]
    marks: Mapping[str, Indices] = field(default_factory=dict)
    """For each column, the indices of values that are there and not finite."""
    storage: Storage | None = field(default=None, kw_only=True)
    """Where the block lies as a whole series already: an empty one takes it instead of copying."""

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
    table = _table(records)
    step, attempt = _numbers(table["step"]), _numbers(table["attempt"])
    if step[0] >= 0 and step[-1] < MAX_STEP and (attempt == attempt[0]).all() and (np.diff(step) > 0).all():
        return [_step_block(table, step, fields)]
    tables = map(_table, _rising_parts([record for record in records if 0 <= record.step < MAX_STEP]))
    return [_step_block(part, _numbers(part["step"]), fields) for part in tables]


def _table(records: Sequence[StepRecord]) -> dict[str, tuple[Any, ...]]:
    """Of each field its values. Turned as tuples: to ask every record for every field takes twice as long."""
    return dict(zip(StepRecord.__struct_fields__, zip(*map(astuple, records), strict=True), strict=True))


def _rising_parts(records: Sequence[StepRecord]) -> list[list[StepRecord]]:
    parts: list[list[StepRecord]] = []
    for record in records:
        last = parts[-1][-1] if parts else None
        if last is None or record.attempt > last.attempt:
            parts.append([record])
        elif record.attempt == last.attempt and record.step > last.step:
            parts[-1].append(record)
    return parts


def _step_block(table: Mapping[str, tuple[Any, ...]], step: Floats, fields: Sequence[str]) -> StepBlock:
    columns = {"at": _numbers(table["at"])}
    marks: dict[str, Indices] = {}
    for name in fields:
        values = table[name]
        if values[0] is None and values.count(None) == len(values):
            continue
        columns[name] = _numbers(values)
        _mark(name, columns[name], values, range(len(values)), marks)
    measured = _measured(table["metrics"])
    for name in sorted(measured.keys() - columns.keys()):
        rows, there = measured[name]
        numbers = _numbers(there)
        columns[name] = np.full(len(step), np.nan)
        columns[name][rows] = numbers
        _mark(name, numbers, there, rows, marks)
    return StepBlock(step, columns, marks, attempt=table["attempt"][0])


def _measured(metrics: Sequence[dict[str, Any] | None]) -> dict[str, tuple[list[int], list[Any]]]:
    """Of each name in which rows it stands, and its values there: most names stand in few."""
    found: dict[str, tuple[list[int], list[Any]]] = {}
    for row, each in enumerate(metrics):
        if each:
            for name, value in each.items():
                if name in found:
                    rows, values = found[name]
                    rows.append(row)
                    values.append(value)
                else:
                    found[name] = [row], [value]
    return found


def _mark(name: str, numbers: Floats, values: Sequence[Any], rows: Sequence[int], marks: dict[str, Indices]) -> None:
    """Enter the rows whose value is there and not finite."""
    is_finite = np.isfinite(numbers)
    if is_finite.all():
        return
    if odd := [rows[i] for i in np.flatnonzero(~is_finite).tolist() if values[i] is not None]:
        marks[name] = np.array(odd, dtype=np.int64)


def _numbers(values: Sequence[Any]) -> Floats:
    """As float64; read only."""
    try:
        return np.frombuffer(struct.pack(f"{len(values)}d", *values), np.float64)
    except struct.error:
        pass  # not all are numbers; numpy reads None and the strings "nan", "inf", "-inf" as we mean them
    try:
        return np.fromiter(values, np.float64, len(values))
    except OverflowError:  # an integer beyond float: as infinite as a plot needs it
        return np.array(list(map(_widest, values)), dtype=np.float64)


def _widest(value: Any) -> float:
    try:
        return math.nan if value is None else float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def marks_from(block: Block, name: str, start: int) -> Indices:
    """The marks of one column of a block without its first rows, counted from there."""
    marks = block.marks.get(name, NO_MARKS)
    return marks[marks >= start] - start


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

    def expect(self, size: int) -> None:
        """So many are going to come in all, as far as is known: they are copied no oftener than need be."""
        for column in (self._x, *self._columns.values()):
            column.expected = size

    def append(self, block: Block) -> None:
        """Append a block. What does not rise above the axis' last value is dropped: a repeat, or out of order."""
        if block.storage is not None and not len(self) and not self._columns and (held := block.storage.take()):
            self._x, self._columns = held
            return
        skip = int(np.searchsorted(block.x, self.x[-1], side="right")) if len(self) else 0
        if skip >= len(block):
            return
        size = len(self)
        self._x.append(block.x[skip:])
        for name, values in block.columns.items():
            marks = marks_from(block, name, skip)
            if skip and name not in self._columns and not len(marks) and np.isnan(values[skip:]).all():
                continue  # what had a value was dropped
            column = self._columns.setdefault(name, Column())
            column.pad(size)
            column.append(values[skip:], marks)
        for column in self._columns.values():
            column.pad(len(self._x))

    def truncate(self, x: float) -> None:
        """Drop what lies beyond `x`: a later attempt goes on from there."""
        size = int(np.searchsorted(self.x, x, side="right"))
        for column in (self._x, *self._columns.values()):
            column.truncate(size)
