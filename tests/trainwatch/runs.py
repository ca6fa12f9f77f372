"""Run directories for the dashboard's tests, written through rundir's own encoder: only the content is made up."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rundir import process
from rundir.append import Appender
from rundir.layout import RunDir
from rundir.records import AnyRecord, EvalRecord, Number, OutcomeEvent, StepRecord, SystemRecord, encode
from rundir.status import Heart, Phase, State, Status, write_status

START_AT = 1_760_000_000.0


def make_run(parent: Path, name: str = "20261121-101500-ner") -> RunDir:
    run = RunDir(parent / name)
    run.path.mkdir(parents=True)
    return run


def step(number: int, loss: Number, attempt: int = 1, **fields: Any) -> StepRecord:
    return StepRecord(at=START_AT + number, attempt=attempt, seq=number, step=number, loss=loss, **fields)


def steps(count: int, first: int = 1, attempt: int = 1) -> list[StepRecord]:
    """A loss that falls as 1 / step, a constant gradient norm, a linear learning rate."""
    return [
        step(i, 10.0 / i, attempt, grad_norm=1.5, lr=1e-4 * i, epoch=i / 100, tokens_per_s=4000.0)
        for i in range(first, first + count)
    ]


def evaluation(at_step: int, loss: Number, f1: Number, attempt: int = 1, **fields: Any) -> EvalRecord:
    metrics: dict[str, Number] = {"f1": f1, "precision": 0.5, "recall": 0.25}
    fields = {"seq": at_step, "metrics": metrics, **fields}
    return EvalRecord(at=START_AT + at_step, attempt=attempt, step=at_step, loss=loss, **fields)


def memory(count: int) -> list[SystemRecord]:
    return [SystemRecord(at=START_AT + 2 * i, attempt=1, seq=i, run_rss_bytes=2**31 + i * 2**20) for i in range(count)]


def append(path: Path, records: Sequence[AnyRecord]) -> None:
    appender = Appender(path)
    for record in records:
        assert appender.append(encode(record))
    appender.close()


def set_status(
    run: RunDir, state: State, *, step: int = 0, total: int | None = None, alive: bool = True, device: str = "cpu"
) -> None:
    """A status whose supervisor is this very process, or (`alive=False`) one that is gone."""
    this = process.this_process()
    gone = process.ProcessId(this.pid, this.start_ticks + 1)
    now = time.time()
    heart = Heart(process=this if alive else gone, beat_at=now)
    write_status(
        run.status_json,
        Status(
            run=run.id, state=state, attempt=1, step=step, total_steps=total, epoch=step / 100, total_epochs=2.0,
            phase=Phase.TRAIN, device=device, supervisor=heart, trainer=heart, host=process.host(),
            boot_id=process.boot_id(), updated_at=now, started_at=now - 60,
            ended_at=now if state.has_ended else None,
        ),
    )  # fmt: skip


def outcome(order: str, verb: str, result: Any = "applied", **fields: Any) -> OutcomeEvent:
    fields.setdefault("at", time.time())
    return OutcomeEvent(attempt=1, writer="supervisor", order=order, verb=verb, result=result, **fields)
