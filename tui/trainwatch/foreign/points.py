"""Numbers of other programs, as they come: by tag, at a step. What is new of them becomes pieces for the store.

Pure. Rows are made of whatever has the same step. A run's series only grows at its end, so what comes for a step that
was handed out already, or for an earlier one, makes all of it anew.
"""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from rundir.column import Floats, Indices
from rundir.records import EvalRecord, Number
from rundir.series import MAX_STEP, StepBlock
from trainwatch.foreign.name import placed, principal

Numbers: TypeAlias = Sequence[float] | Floats


@dataclass(slots=True)
class _Curve:
    """The points of one name; several tags may have it. In the order in which they came."""

    steps: "array[float]" = field(default_factory=lambda: array("d"))
    values: "array[float]" = field(default_factory=lambda: array("d"))
    times: "array[float]" = field(default_factory=lambda: array("d"))


@dataclass(frozen=True, slots=True)
class Taken:
    """What the store is to be given."""

    pieces: tuple[StepBlock | EvalRecord, ...] = ()
    restarted: bool = False
    """Whether the pieces are all there are, and earlier ones no longer hold."""


class Points:
    """Owns all points that were read. Of several of one name at one step the last holds."""

    def __init__(self) -> None:
        self._had_given = False
        self._begin()

    def _begin(self) -> None:
        self._train: dict[str, _Curve] = {}
        self._evals: dict[str, _Curve] = {}
        self._places: dict[str, tuple[_Curve, bool]] = {}
        self._lowest, self._highest = math.inf, -math.inf
        """Of the training steps that came and were not handed out."""
        self._eval_steps: set[float] = set()
        """The same of evaluations."""
        self._given = -math.inf
        """The highest step that was handed out."""
        self._came = False
        """Whether any came since the last `take`."""
        self._is_void = self._had_given
        """Whether points that were handed out are gone."""

    def add(self, tag: str, steps: Numbers, values: Numbers, times: Numbers = ()) -> None:
        """Numbers of one tag, as many steps as values; times in UTC seconds, where they are known.

        Steps that are none, or beyond `MAX_STEP`, are passed over.
        """
        x, y = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
        at = np.asarray(times, dtype=np.float64) if len(times) else np.full(len(x), np.nan)
        usable = (x >= 0) & (x < MAX_STEP)
        if not usable.any():
            return
        if not usable.all():
            x, y, at = x[usable], y[usable], at[usable]
        self._came = True
        curve, is_eval = self._place(tag)
        for kept, new in ((curve.steps, x), (curve.values, y), (curve.times, at)):
            kept.frombytes(new.tobytes())
        if is_eval:
            self._eval_steps.update(x.tolist())
        else:
            self._lowest = min(self._lowest, float(x.min()))
            self._highest = max(self._highest, float(x.max()))

    def _place(self, tag: str) -> tuple[_Curve, bool]:
        if tag not in self._places:
            is_eval, name = placed(tag)
            curves = self._evals if is_eval else self._train
            self._places[tag] = curves.setdefault(name, _Curve()), is_eval
        return self._places[tag]

    def clear(self) -> None:
        """The source was begun anew."""
        self._begin()

    def cut(self, step: float) -> None:
        """What stands before it for this step and later ones no longer holds."""
        for curve in [*self._train.values(), *self._evals.values()]:
            kept = np.flatnonzero(np.array(curve.steps) < step)
            if len(kept) < len(curve.steps):
                for name in ("steps", "values", "times"):
                    setattr(curve, name, array("d", np.array(getattr(curve, name))[kept].tobytes()))
                self._is_void = True

    def take(self, *, hold_newest: bool = False) -> Taken:
        """What came since the last time, as pieces.

        `hold_newest`: less the newest step, of which more may come, until a time when nothing came.
        """
        is_new = self._highest > -math.inf or bool(self._eval_steps)
        if not is_new and not self._is_void:
            return Taken()
        restarted = self._is_void or self._lowest <= self._given
        until = self._highest if hold_newest and self._came and not restarted else math.inf
        block = _block(self._train, -math.inf if restarted else self._given, until)
        evals = _evaluations(self._evals, None if restarted else self._eval_steps)
        self._eval_steps, self._is_void, self._came = set(), False, False
        self._lowest, self._highest = (math.inf, -math.inf) if until == math.inf else (until, until)
        if block is not None:
            self._given = float(block.x[-1])
        elif restarted:
            self._given = -math.inf
        self._had_given = True
        return Taken((*([block] if block is not None else []), *evals), restarted)


def _block(curves: dict[str, _Curve], since: float, until: float) -> StepBlock | None:
    """The training numbers beyond a step and below another, a row a step."""
    arrays = {name: _arrays(curve, since, until) for name, curve in curves.items()}
    arrays = {name: found for name, found in arrays.items() if len(found[0])}
    if not arrays:
        return None
    x = np.unique(np.concatenate([steps for steps, _, _ in arrays.values()]))
    at = np.full(len(x), np.nan)
    columns: dict[str, Floats] = {}
    marks: dict[str, Indices] = {}
    loss = _loss_of(curves)
    for name, (steps, values, times) in arrays.items():
        column = np.full(len(x), np.nan)
        rows = np.searchsorted(x, steps)
        column[rows] = values  # of one index named twice the last is kept
        at[rows] = times
        shown = "loss" if name == loss else name
        columns[shown] = column
        if len(odd := np.unique(rows[~np.isfinite(column[rows])])):
            marks[shown] = odd.astype(np.int64)
    if np.isfinite(at).all():
        columns["at"] = at
    return StepBlock(x, columns, marks, 1)


def _loss_of(curves: dict[str, _Curve]) -> str | None:
    return "loss" if "loss" in curves else principal(list(curves))


def _arrays(curve: _Curve, since: float, until: float) -> tuple[Floats, Floats, Floats]:
    steps = np.array(curve.steps)
    wanted = (steps > since) & (steps < until)
    return steps[wanted], np.array(curve.values)[wanted], np.array(curve.times)[wanted]


def _evaluations(curves: dict[str, _Curve], wanted: set[float] | None) -> list[EvalRecord]:
    """A record a step, ascending; all of them or those of the wanted steps."""
    rows: dict[float, dict[str, float]] = {}
    loss = _loss_of(curves)
    times: dict[float, float] = {}
    for name, curve in curves.items():
        for step, value, at in zip(curve.steps, curve.values, curve.times, strict=True):
            if wanted is None or step in wanted:
                rows.setdefault(step, {})["loss" if name == loss else name] = value
                times[step] = at
    return [_evaluation(step, rows[step], times[step]) for step in sorted(rows)]


def _evaluation(step: float, values: dict[str, float], at: float) -> EvalRecord:
    # A run's evaluation always has a loss; the viewer reads None as it reads any number that is not there.
    loss: object = _spelled(values["loss"]) if "loss" in values else None
    metrics = {name: _spelled(value) for name, value in values.items() if name != "loss"}
    return EvalRecord(at=at, attempt=1, step=int(step), loss=loss, metrics=metrics)  # type: ignore[arg-type]


def _spelled(value: float) -> Number:
    if math.isfinite(value):
        return value
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
