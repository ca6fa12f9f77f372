"""A recorded run as one stream: the three logs, each in its own order, merged by time; and what is known beside them.

Tolerant like every reader: a missing log is empty, a bad line costs itself, run.json and config.toml may be absent.
"""

import heapq
import math
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from rundir.alerts import AlertChange, Engine, Facts
from rundir.layout import RunDir
from rundir.records import (
    EVENT_DECODER,
    METRICS_DECODER,
    SYSTEM_DECODER,
    AlertEvent,
    AnyRecord,
    EvalRecord,
    ResumeRecord,
    StepRecord,
    decode_lines,
    number,
)
from rundir.tail import Tail

CURVE_POINTS = 4000


def merged(*logs: Iterable[AnyRecord]) -> Iterator[AnyRecord]:
    """Several logs as one, by time; a log whose clock went back stays in its own order."""
    return heapq.merge(*logs, key=lambda record: record.at)


def read_merged(run: RunDir) -> Iterator[AnyRecord]:
    """All records of a run, superseded ones too, alerts said by earlier rules left out. Raises OSError."""
    logs = ((run.metrics, METRICS_DECODER), (run.events, EVENT_DECODER), (run.system, SYSTEM_DECODER))
    return merged(*(_records(Tail(path), decoder) for path, decoder in logs))


def _records(tail: Tail, decoder: msgspec.json.Decoder[Any]) -> Iterator[AnyRecord]:
    last: AnyRecord | None = None
    while True:
        chunk = tail.poll()
        for record in decode_lines(chunk.lines, decoder).records:
            is_rewritten = last is not None and record.seq > 0 and record == last
            last = record
            if not isinstance(record, AlertEvent) and not is_rewritten:
                yield record
        if chunk.at_end:
            return


def read_facts(run: RunDir, sibling: list[tuple[int, float]] | None = None) -> Facts:
    """What run.json and config.toml say that rules need; what cannot be read is unknown."""
    return msgspec.structs.replace(Facts.of_run(_json(run), read_config(run)), sibling=sibling)


def read_curve(run: RunDir) -> list[tuple[int, float]]:
    """Step and finite loss of the step records that hold, ascending, thinned out to some thousands. Raises OSError."""
    curve: list[tuple[int, float]] = []
    for record in _records(Tail(run.metrics), METRICS_DECODER):
        if isinstance(record, ResumeRecord):
            curve = [point for point in curve if point[0] <= record.step]
        elif isinstance(record, StepRecord) and math.isfinite(loss := number(record.loss)):
            curve.append((record.step, loss))
    return curve[:: max(1, len(curve) // CURVE_POINTS)]


def read_config(run: RunDir) -> dict[str, Any]:
    """config.toml section by section; empty where there is none that can be read."""
    try:
        return tomllib.loads(run.config_toml.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}


def _json(run: RunDir) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(run.run_json.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def replay(records: Iterable[AnyRecord], engine: Engine, until_step: int | None = None) -> Iterator[AlertChange]:
    """What the rules say of a recorded run, in order. With `until_step`: as it was when that step had been recorded."""
    for record in records:
        if until_step is not None and isinstance(record, StepRecord | EvalRecord) and record.step > until_step:
            return
        if isinstance(record, StepRecord) and record.at > 0.0:
            yield from engine.tick(record.at)  # silence that is over by now was a stall then
        yield from engine.feed(record)
