"""Every series of a run by name, over any axis: what was recorded of steps, evaluations, epochs and the machine. Pure.

Names are those of the records; what is not of a step has a prefix: `eval/f1`, `epoch/loss`, `system/rss`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rundir.column import Column, Floats
from rundir.records import number
from rundir.series import MAX_AT, MAX_STEP, Series
from rundir.size import size
from trainwatch import format as fmt
from trainwatch.lens import Lens, XAxis
from trainwatch.machine import is_bytes
from trainwatch.scores import numeric, ordered, values_of
from trainwatch.store import Store

_AXES_ONLY = ("at", "epoch")
"""Columns of the steps that are axes, not curves."""
_FIRST = ("loss", "eval/loss", "grad_norm", "lr")
GIB, MIB = 2.0**30, 2.0**20
ROWS_AT_ONCE = 2**17
"""Of an axis, when it is computed: what is made on the way then stays in the processor's cache."""
MAX_TOKENS = 1e15
"""Between two records: what claims more is no count, and would leave no room for the others on the axis."""


@dataclass(frozen=True, slots=True)
class Line:
    """One series over one axis: views into a store, taken for one painting."""

    x: Floats
    """Ascending, though not strictly."""
    column: Column
    is_sparse: bool = False
    """Single measurements, to be drawn as points as well."""


class Lines:
    """The series of one run. Owns the axes that have to be computed; they grow with the run and are not walked anew."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._axes: dict[XAxis, Column] = {}
        self._built_for: tuple[object, ...] = ()
        self._system: Series = store.system
        self._samples: dict[XAxis, Column] = {}
        """Where those samples of the machine lie that the steps have passed."""
        self._points: dict[str, tuple[Floats, Floats, Floats, Floats]] = {}
        """Of evaluations and epochs: step, epoch, time and value."""
        self._points_revision = -1

    def let_go(self) -> None:
        """Forget axes and columns, the store's as well."""
        self.store.let_go()
        self._axes, self._samples, self._points, self._built_for = {}, {}, {}, ()

    @property
    def names(self) -> list[str]:
        """Of all series that have a value, the usual ones first."""
        steps = [name for name in self.store.steps.names if name not in _AXES_ONLY]
        found = [*steps, *self._sparse(), *(f"system/{name}" for name in self.store.system.names)]
        return [*(name for name in _FIRST if name in found), *(name for name in found if name not in _FIRST)]

    def line(self, name: str, axis: XAxis) -> Line | None:
        """A series over an axis; None where the run has none of that name."""
        if name in self._sparse():
            step, epoch, at, values = self._sparse()[name]
            column = Column()
            column.append(values, np.flatnonzero(~np.isfinite(values)))
            return Line(self._of_records(step, epoch, at, axis), column, is_sparse=True)
        if name.startswith("system/"):
            column_of = self.store.system.column(name.removeprefix("system/"))
            return None if column_of is None else Line(self._of_times(self.store.system.x, axis), column_of)
        found = self.store.steps.column(name) if name not in _AXES_ONLY else None
        return None if found is None else Line(self.axis(axis), found)

    def axis(self, axis: XAxis) -> Floats:
        """Where on an axis each step record lies."""
        steps = self.store.steps
        if axis is XAxis.STEP:
            return steps.x
        key = (steps, len(self.store.seams), self.store.attempt)
        if key != self._built_for:
            self._axes, self._samples, self._built_for = {}, {}, key
        column = self._axes.setdefault(axis, Column())
        if len(column) > len(steps):
            column.truncate(0)
        while len(column) < len(steps):
            column.append(_grown(steps, axis, column))
        return column.values

    def at_steps(self, steps: Sequence[float], axis: XAxis) -> Floats:
        """Where on an axis some steps lie, between the nearest records."""
        wanted = np.asarray(steps, dtype=np.float64)
        if axis is XAxis.STEP or not len(self.store.steps):
            return wanted
        return np.interp(wanted, self.store.steps.x, self.axis(axis))

    def ends(self, axis: XAxis) -> float | None:
        """Where the axis of a planned run ends; None where that is not known."""
        status = self.store.status
        match axis:
            case XAxis.STEP:
                total = self.store.total_steps
                return fmt.as_float(total) if total is not None else None
            case XAxis.EPOCH:
                return status.total_epochs if status is not None else None
            case XAxis.TOKENS | XAxis.TIME:
                return None

    def _of_records(self, step: Floats, epoch: Floats, at: Floats, axis: XAxis) -> Floats:
        match axis:
            case XAxis.TIME:
                return np.maximum.accumulate(at - self._began_at()) if len(at) else at
            case XAxis.EPOCH if not np.isnan(epoch).any():
                return np.maximum.accumulate(epoch) if len(epoch) else epoch
            case _:
                return self.at_steps(list(step), axis)

    def _of_times(self, at: Floats, axis: XAxis) -> Floats:
        times = self.store.steps.column("at")
        if axis is XAxis.TIME or times is None or not len(times):
            return at - self._began_at()
        places, clock = self.axis(axis), self.axis(XAxis.TIME)
        if self._system is not self.store.system:
            self._system, self._samples = self.store.system, {}
        known = self._samples.setdefault(axis, Column())
        new_at = at[len(known) :] - self._began_at()
        new = np.interp(new_at, clock, places)
        passed = int(np.searchsorted(new_at, clock[-1]))
        known.append(new[:passed])
        return np.concatenate([known.values, new[passed:]]) if passed < len(new) else known.values

    def _began_at(self) -> float:
        times = self.store.steps.column("at")
        if times is not None and len(times):
            return _first_instant(times.values)
        return float(self.store.system.x[0]) if len(self.store.system) else 0.0

    def _sparse(self) -> Mapping[str, tuple[Floats, Floats, Floats, Floats]]:
        if self._points_revision == self.store.revision:
            return self._points
        rows: dict[str, list[tuple[float, float, float, float]]] = {}
        for evaluation in self.store.scores.records:
            for name, value in values_of(evaluation).items():
                _add(rows, f"eval/{name}", evaluation.step, evaluation.epoch, evaluation.at, value)
        for epoch in self.store.epochs:
            for name, value in ordered(numeric({"loss": number(epoch.loss), **(epoch.metrics or {})})).items():
                _add(rows, f"epoch/{name}", epoch.step, fmt.as_float(epoch.epoch), epoch.at, value)
        self._points = {name: _columns_of(found) for name, found in rows.items()}
        self._points_revision = self.store.revision
        return self._points


_Rows = dict[str, list[tuple[float, float, float, float]]]


def _add(rows: _Rows, name: str, step: int, epoch: float | None, at: float, value: float) -> None:
    if 0 <= step < MAX_STEP and abs(at) < MAX_AT:
        known = epoch if epoch is not None and abs(epoch) < MAX_STEP else math.nan
        rows.setdefault(name, []).append((float(step), known, at, value))


def _columns_of(rows: list[tuple[float, float, float, float]]) -> tuple[Floats, Floats, Floats, Floats]:
    table = np.array(sorted(rows, key=lambda row: row[0]), dtype=np.float64)
    return table[:, 0], table[:, 1], table[:, 2], table[:, 3]


def _grown(steps: Series, axis: XAxis, known: Column) -> Floats:
    """The part of an axis that is not known yet: it never goes back, and a missing value adds nothing."""
    start, stop = len(known), min(len(steps), len(known) + ROWS_AT_ONCE)
    last = float(known.values[-1]) if start else 0.0
    if axis is XAxis.TOKENS:
        rate, took_s = (_values(steps, name, start, stop) for name in ("tokens_per_s", "step_s"))
        count = np.diff(steps.x[start:stop], prepend=steps.x[start - 1] if start else steps.x[0] - 1)
        with np.errstate(over="ignore", invalid="ignore"):
            tokens = np.nan_to_num(rate * took_s * count, nan=0.0, posinf=0.0, neginf=0.0)
        return last + np.cumsum(np.clip(tokens, 0.0, MAX_TOKENS))
    if axis is XAxis.TIME:
        values = _values(steps, "at", start, stop)
        values = np.where(np.abs(values) < MAX_AT, values - _first_instant(_values(steps, "at", 0, len(steps))), last)
    else:
        values = _values(steps, "epoch", start, stop)
        values = np.where(np.abs(values) < MAX_STEP, values, last)
    return np.maximum(np.maximum.accumulate(values), last)


def _first_instant(values: Floats) -> float:
    """The first that is one; 0 where none is."""
    if not len(values) or abs(values[0]) < MAX_AT:
        return float(values[0]) if len(values) else 0.0
    instants = values[np.abs(values) < MAX_AT]
    return float(instants[0]) if len(instants) else 0.0


def _values(steps: Series, name: str, start: int, stop: int) -> Floats:
    column = steps.column(name)
    return column.values[start:stop] if column is not None else np.full(stop - start, np.nan)


def unit_of(name: str) -> tuple[float, str]:
    """What one of a chart's value axis stands for, and its name: bytes are shown in GiB."""
    of_machine = name.removeprefix("system/")
    if name.endswith("_bytes") or (name != of_machine and is_bytes(of_machine)):
        return (MIB, "M") if name.endswith("_per_s") else (GIB, "G")
    return 1.0, ""


def written(name: str, value: float) -> str:
    """A value of a series as people read it."""
    if unit_of(name)[0] == 1.0:
        return fmt.number(value)
    return size(value) + ("/s" if name.endswith("_per_s") and math.isfinite(value) else "")


def place_of(at: float, axis: XAxis) -> str:
    """A place on an axis as people read it."""
    return fmt.elapsed(at) if axis is XAxis.TIME else fmt.number(at) if axis is XAxis.EPOCH else fmt.count(at)


def marked_words(lens: Lens) -> str:
    """What is marked, and what comes of it; empty where nothing is."""
    if lens.marked is None:
        return ""
    start, stop = (place_of(at, lens.axis) for at in (lens.marked.start, lens.marked.stop))
    return f"{lens.axis} {start} – {stop}: release to see it alone"


def group_of(name: str) -> str:
    """What stands before the first slash; `train` of what has none."""
    return name.partition("/")[0] if "/" in name else "train"
