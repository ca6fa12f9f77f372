"""Metrics files that sinks must cope with, and what of them holds."""

from collections.abc import Sequence
from typing import Any

from rundir.append import Appender
from rundir.layout import RunDir
from rundir.records import EpochRecord, EvalRecord, MetricsRecord, Number, ResumeRecord, StepRecord, encode


def step(number: int, attempt: int = 1, **fields: Any) -> StepRecord:
    loss: Number = 8.0 / number + attempt / 100
    return StepRecord(
        at=1e9 + 100 * attempt + number, attempt=attempt, seq=number, step=number, **{"loss": loss, "lr": 0.1, **fields}
    )


def evaluation(at_step: int, attempt: int = 1, seq: int = 0, **fields: Any) -> EvalRecord:
    metrics: dict[str, Number] = {"f1": at_step / 100 + attempt / 1000}
    return EvalRecord(
        at=1e9 + 100 * attempt + at_step, attempt=attempt, seq=seq, step=at_step, loss=1.0,
        **{"metrics": metrics, **fields},
    )  # fmt: skip


def epoch(at_step: int, number: int, attempt: int = 1) -> EpochRecord:
    return EpochRecord(at=1e9 + at_step, attempt=attempt, step=at_step, epoch=number, loss=0.5)


def resume(to: int, attempt: int) -> ResumeRecord:
    return ResumeRecord(at=1e9, attempt=attempt, step=to, reason="restart")


LABELS: dict[str, dict[str, Number]] = {
    'odd, "name"\nof a label': {"precision": 0.5, "recall": 0.25, "f1": 1 / 3, "support": 4},
    "B": {"f1": "nan"},
}

STORY: list[MetricsRecord] = [
    *(step(i) for i in range(1, 13)),
    evaluation(6, labels=LABELS),
    *(step(i) for i in range(13, 16)),
    epoch(15, 1),
    evaluation(15, labels=LABELS),
    step(16, metrics={"loss_scale": 1024.0}),
    resume(15, 2),
    evaluation(15, 2, labels=LABELS),
    step(16, 2, loss="nan", grad_norm="inf"),
    *(step(i, 2) for i in range(17, 21)),
    evaluation(20, 2, trigger="order"),
    evaluation(20, 2, trigger="order"),
    resume(8, 3),
    *(step(i, 3, metrics={"new, name": i}) for i in range(9, 12)),
    evaluation(11, 3, metrics={"f1": 0.9, "beauty": 0.125}),
    epoch(11, 1, 3),
]
"""Two resumes, one of which goes back beyond the other; an evaluation made twice; columns that come late."""


def write(run: RunDir, records: Sequence[MetricsRecord]) -> None:
    appender = Appender(run.metrics)
    for record in records:
        assert appender.append(encode(record))
    appender.close()
