"""What the ends of a run's logs say of it: the alerts that are active, and the best evaluation.

Guarantees: whatever the length of a log, no more than was asked for is read, and of that only the lines that matter are
decoded; what cannot be read says nothing, and nothing in a log raises.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rundir.direction import is_lower_better
from rundir.effective import effective
from rundir.records import (
    EVENT_DECODER,
    METRICS_DECODER,
    AlertEvent,
    EvalRecord,
    ResumeEvent,
    Severity,
    decode_lines,
    number,
)
from rundir.regular import open_regular

EVENT_TAIL_BYTES = 128 * 1024
"""How much of the end of events.jsonl is read: an alert that was raised long ago may hold on."""
EVAL_TAIL_BYTES = 1024 * 1024
"""The same of metrics.jsonl, in search of the best evaluation."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best evaluation found: a metric of it, and where it stands."""

    metric: str
    value: float
    step: int


def end_of(path: Path | str, num_bytes: int) -> bytes:
    """The whole lines among the last bytes of a log; empty where it cannot be read."""
    try:
        fd = open_regular(path)
    except OSError:
        return b""
    try:
        size = os.fstat(fd).st_size
        data = os.pread(fd, num_bytes, max(0, size - num_bytes))
    except OSError:
        return b""
    finally:
        os.close(fd)
    start = data.find(b"\n") + 1 if size > num_bytes else 0
    return data[start : data.rfind(b"\n") + 1]


def active_alerts(lines: bytes) -> tuple[AlertEvent, ...]:
    """Alerts that whole lines from the end of an events.jsonl leave active, gravest first."""
    active: dict[str, AlertEvent] = {}
    for event in decode_lines(_about(lines, b'"alert"', b'"resume"'), EVENT_DECODER).records:
        match event:
            case AlertEvent(change="cleared"):
                active.pop(event.rule, None)
            case AlertEvent():
                active[event.rule] = event
            case ResumeEvent():
                target = event.step or 0
                active = {r: a for r, a in active.items() if (a.step or a.onset_step or 0) <= target}
            case _:
                pass
    order = list(Severity)
    return tuple(sorted(active.values(), key=lambda alert: order.index(alert.severity)))


def best_evaluation(lines: bytes, metric: str | None = None, told: Mapping[str, bool] | None = None) -> Best | None:
    """Of whole lines from the end of a metrics.jsonl: the newest evaluation marked as the best, else the one that is.

    `metric`: what the best is chosen by, where that is known, else the first that is no loss; `told` as in
    `rundir.direction`. None where there is no evaluation.
    """
    records = effective(decode_lines(_about(lines, b'"eval"', b'"resume"'), METRICS_DECODER).records)
    evals = [record for record in records if isinstance(record, EvalRecord)]
    marked = [record for record in evals if record.best][-1:]
    found = [_of(record, metric) for record in marked or evals]
    if not found:
        return None
    name = found[-1].metric
    finite = [best for best in found if best.metric == name and math.isfinite(best.value)]
    choose = min if is_lower_better(name, told) else max
    return choose(finite, key=lambda best: best.value, default=found[-1])


def _of(record: EvalRecord, metric: str | None) -> Best:
    values = {**(record.metrics or {}), "loss": record.loss}
    wanted = (metric or "").removeprefix("eval_")
    name = wanted if wanted in values else next(iter(values))
    return Best(name, number(values[name]), record.step)


def _about(lines: bytes, *words: bytes) -> bytes:
    """The lines that hold one of the words: most of a log is not even looked at line by line."""
    ends: dict[int, int] = {}
    for word in words:
        at = lines.find(word)
        while at >= 0 and (end := lines.find(b"\n", at) + 1):
            ends[lines.rfind(b"\n", 0, at) + 1] = end
            at = lines.find(word, end)
    return b"".join(lines[start : ends[start]] for start in sorted(ends))
