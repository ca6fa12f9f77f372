"""Runs told as records: what the alert rules are fed in tests."""

import math
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from rundir.alerts import RULES, AlertChange, Engine, Facts
from rundir.records import AnyRecord, EvalRecord, Number, ResumeRecord, StepRecord


def spell(value: float) -> Number:
    """A number as a record carries it."""
    return value if math.isfinite(value) else str(value)  # type: ignore[return-value]


def step(n: int, loss: float, **fields: object) -> StepRecord:
    if isinstance(norm := fields.get("grad_norm"), float):
        fields["grad_norm"] = spell(norm)
    return StepRecord(at=0.0, attempt=1, step=n, loss=spell(loss), **fields)  # type: ignore[arg-type]


def evaluation(n: int, loss: float, **metrics: float) -> EvalRecord:
    return EvalRecord(at=0.0, attempt=1, step=n, loss=spell(loss), metrics=dict(metrics) or None)


def resume(n: int) -> ResumeRecord:
    return ResumeRecord(at=0.0, attempt=2, step=n)


def epochs(train: Sequence[float], evals: Sequence[float], steps: int = 10) -> Iterator[AnyRecord]:
    """So many steps at a train loss, then an eval; and again."""
    n = 0
    for train_loss, eval_loss in zip(train, evals, strict=True):
        for _ in range(steps):
            n += 1
            yield step(n, train_loss)
        yield evaluation(n, eval_loss)


def scaled(records: Iterable[AnyRecord], factor: float) -> Iterator[AnyRecord]:
    """The same run in another unit of loss."""
    for record in records:
        if isinstance(record, StepRecord | EvalRecord) and isinstance(record.loss, float):
            yield msgspec.structs.replace(record, loss=record.loss * factor)
        else:
            yield record


def only(*names: str, facts: Facts | None = None) -> Engine:
    """An engine of some rules alone."""
    return Engine({name: name in names for name in RULES}, facts)


def tell(records: Iterable[AnyRecord], engine: Engine | None = None) -> list[AlertChange]:
    """All changes of a run's alerts."""
    engine = engine if engine is not None else Engine()
    return [change for record in records for change in engine.feed(record)]
