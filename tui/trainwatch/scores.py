"""The evaluations that hold, with the best value of each metric at hand, so that no paint walks them all. Pure."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from rundir.column import Floats
from rundir.direction import is_lower_better, is_score
from rundir.records import EvalRecord, number
from rundir.series import MAX_STEP

_FIRST = ("loss", "perplexity", "bits_per_char", "f1", "precision", "recall", "accuracy", "token_accuracy")


class Scores:
    """Owns the evaluations in file order. A repeated line counts once; of a due one made twice the later holds."""

    def __init__(self, directions: Mapping[str, bool] | None = None) -> None:
        """`directions`: of the metrics whose configuration says whether the lower is better."""
        self._directions = directions
        self.records: list[EvalRecord] = []
        self.best: dict[str, float] = {}
        """The best finite value of each metric that is a score, the loss included."""
        self._points: tuple[Floats, Floats] | None = None

    def add(self, record: EvalRecord) -> None:
        if any(e.attempt == record.attempt and e.seq == record.seq != 0 for e in self.records[-8:]):
            return
        self._points = None
        if (remade := self._made_before(record)) is not None:
            del self.records[remade]
            self._rank_all()
        self.records.append(record)
        self._rank(record)

    def _made_before(self, record: EvalRecord) -> int | None:
        """Index of the same due evaluation: a run that died inside it, or soon after, makes it anew."""
        for i in range(len(self.records) - 1, -1, -1):
            if self.records[i].step < record.step:
                return None
            if (
                (self.records[i].step, self.records[i].trigger)
                == (record.step, record.trigger)
                != (record.step, "order")
            ):
                return i
        return None

    def cut(self, step: float) -> None:
        """Drop what lies beyond a step: a later attempt goes on from there."""
        self.records = [record for record in self.records if record.step <= step]
        self._points = None
        self._rank_all()

    def _rank_all(self) -> None:
        self.best = {}
        for record in self.records:
            self._rank(record)

    def _rank(self, record: EvalRecord) -> None:
        for name, value in values_of(record).items():
            if math.isfinite(value) and is_score(name):
                known = self.best.get(name, value)
                self.best[name] = min(value, known) if self.is_lower_better(name) else max(value, known)

    def is_lower_better(self, name: str) -> bool:
        """Of a metric of this run."""
        return is_lower_better(name, self._directions)

    @property
    def latest(self) -> EvalRecord | None:
        return self.records[-1] if self.records else None

    @property
    def best_record(self) -> EvalRecord | None:
        """The newest that was the best so far when it was made; without such marks the one of lowest loss."""
        marked = next((record for record in reversed(self.records) if record.best), None)
        if marked is not None:
            return marked
        finite = [record for record in self.records if math.isfinite(number(record.loss))]
        return min(finite, key=lambda record: number(record.loss), default=None)

    def points(self) -> tuple[Floats, Floats]:
        """Steps and losses, ascending by step."""
        if self._points is None:
            usable = sorted((r for r in self.records if 0 <= r.step < MAX_STEP), key=lambda record: record.step)
            self._points = (np.array([float(r.step) for r in usable]), np.array([number(r.loss) for r in usable]))
        return self._points


def values_of(record: EvalRecord) -> dict[str, float]:
    """Loss and overall metrics, in the order in which they are shown."""
    return ordered(numeric({"loss": record.loss, **(record.metrics or {})}))


def ordered(values: dict[str, float]) -> dict[str, float]:
    """The usual metrics first, the others as they come."""
    return {name: values[name] for name in _FIRST if name in values} | values


def numeric(values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a metrics mapping, the spelled-out non-finite ones included; what is none is left out.

    Of a mapping inside it (a baseline's `eval`, say) the numbers are taken as its own.
    """
    found: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= {inner: number for inner, number in numeric(value).items() if inner not in found}
        elif _is_number(value):
            found[name] = float(value)
    return found


def _is_number(value: Any) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < MAX_STEP
    return isinstance(value, float) or value in ("nan", "inf", "-inf")
