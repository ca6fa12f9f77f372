"""A run as lines of text, for pipes and job logs: one line a step record, evaluation and lifecycle event."""

from typing import IO, Any

import msgspec

from rundir.layout import RunDir
from rundir.records import (
    EVENT_DECODER,
    METRICS_DECODER,
    AlertEvent,
    AnyRecord,
    EpochRecord,
    EvalRecord,
    LifecycleEvent,
    ResumeRecord,
    StepRecord,
    decode_lines,
    number,
)
from rundir.status import State, read_status
from rundir.tail import Tail
from rundir.text import plain
from traind.launch import is_over, poll_until


def follow(run: RunDir, out: IO[str]) -> State:
    """Print a run's records as they come, until it ends. Returns its last state, no end if nobody attends it."""
    tails: list[tuple[Tail, msgspec.json.Decoder[Any]]] = [
        (Tail(run.events), EVENT_DECODER),
        (Tail(run.metrics), METRICS_DECODER),
    ]

    def pump() -> State | None:
        status = read_status(run.status_json)  # before the records: what comes after the end is the end's own
        for tail, decoder in tails:
            while not (chunk := tail.poll()).at_end or chunk.lines:
                for record in decode_lines(chunk.lines, decoder).records:
                    if line := describe(record, None if status is None else status.total_steps):
                        print(plain(line), file=out, flush=True)
        return status.state if status is not None and is_over(status) else None

    ended = poll_until(pump, None)
    return State.FAILED if ended is None else ended


def describe(record: AnyRecord, total_steps: int | None) -> str | None:
    """One record as a line; None for what is not worth one."""
    match record:
        case StepRecord():
            total = f"/{total_steps}" if total_steps else ""
            return (
                f"step {record.step}{total}  epoch {record.epoch or 0:.2f}  loss {number(record.loss):.4f}  "
                f"grad_norm {number(record.grad_norm):.3f}  lr {number(record.lr):.2e}  {record.step_s or 0:.3f} s/step"
            )
        case EvalRecord():
            values = {"loss": number(record.loss), **{k: number(v) for k, v in (record.metrics or {}).items()}}
            text = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
            return f"eval at step {record.step}  {text}{'  (best)' if record.best else ''}"
        case EpochRecord():
            return f"epoch {record.epoch} done  train loss {number(record.loss):.4f}"
        case ResumeRecord():
            return f"goes on from step {record.step} ({record.reason}, {'exact' if record.exact else 'inexact'})"
        case LifecycleEvent():
            detail = "  ".join(f"{name} {value}" for name, value in (record.detail or {}).items() if _is_short(value))
            return f"[{record.what}] {record.message or detail}"
        case AlertEvent():
            return f"[alert {record.change}] {record.severity}: {record.message}"
        case _:
            return None


def _is_short(value: object) -> bool:
    return isinstance(value, int | float | str) and len(str(value)) < 40
