"""A recorded run as one stream: the three logs, each in its own order, merged by time; and what is known beside them.

Tolerant like every reader: a missing log is empty, a bad line costs itself, run.json and config.toml may be absent.
"""

import heapq
import math
import tomllib
from collections.abc import Callable, Iterable, Iterator
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
from rundir.regular import read_regular
from rundir.size import size_of
from rundir.tail import Tail

CURVE_POINTS = 4000


def merged(*logs: Iterable[AnyRecord]) -> Iterator[AnyRecord]:
    """Several logs as one, by time; a log whose clock went back stays in its own order."""
    return heapq.merge(*logs, key=lambda record: record.at)


def read_merged(run: RunDir) -> Iterator[AnyRecord]:
    """All records of a run, superseded ones too, alerts said by earlier rules left out. Raises OSError."""
    return Logs(run).records()


class Logs:
    """The three logs of a run, for rules that follow it. Owns the positions in them; used by one thread at a time."""

    def __init__(self, run: RunDir) -> None:
        logs = ((run.metrics, METRICS_DECODER), (run.events, EVENT_DECODER), (run.system, SYSTEM_DECODER))
        self._logs = [(Tail(path), decoder) for path, decoder in logs]
        self.restarted = False
        """Whether a log was begun anew: what was read of it before no longer holds."""

    def records(self) -> Iterator[AnyRecord]:
        """What has come since the last such stream was read to its end, merged by time; alerts left out.

        Raises OSError. A stream that is given up in the middle loses what it has read ahead.
        """
        return merged(*(self._records(tail, decoder) for tail, decoder in self._logs))

    @property
    def share(self) -> float:
        """How much of metrics.jsonl has been read, 0 to 1. Raises no OSError."""
        tail, _ = self._logs[0]
        return min(1.0, tail.offset / max(size_of(tail.path), 1))

    def _records(self, tail: Tail, decoder: msgspec.json.Decoder[Any]) -> Iterator[AnyRecord]:
        for record in _records(tail, decoder, self._begun_anew):
            if not isinstance(record, AlertEvent):
                yield record

    def _begun_anew(self) -> None:
        self.restarted = True


def _records(
    tail: Tail, decoder: msgspec.json.Decoder[Any], restarted: Callable[[], None] = lambda: None
) -> Iterator[AnyRecord]:
    last: AnyRecord | None = None
    while True:
        chunk = tail.poll()
        if chunk.restarted:
            restarted()
        for record in decode_lines(chunk.lines, decoder).records:
            is_rewritten = last is not None and record.seq > 0 and record == last
            last = record
            if not is_rewritten:
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
        return tomllib.loads(read_regular(run.config_toml).decode())
    except (OSError, ValueError, RecursionError):
        return {}


def _json(run: RunDir) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(read_regular(run.run_json))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def engine_of(run: RunDir) -> Engine:
    """The rules with the run's own thresholds; all of them on, whatever was switched off when it trained."""
    alerts = read_config(run).get("alerts", {})
    limits = alerts.get("limits", {}) if isinstance(alerts, dict) else {}
    facts = read_facts(run)
    try:
        return Engine(facts=facts, thresholds=limits)
    except (ValueError, AttributeError, TypeError):
        return Engine(facts=facts)  # a later version's


def replay(records: Iterable[AnyRecord], engine: Engine, until_step: int | None = None) -> Iterator[AlertChange]:
    """What the rules say of a recorded run, in order. With `until_step`: as it was when that step had been recorded."""
    for record in records:
        if until_step is not None and isinstance(record, StepRecord | EvalRecord) and record.step > until_step:
            return
        yield from told(record, engine)


def told(record: AnyRecord, engine: Engine) -> list[AlertChange]:
    """What the rules say of the next record of a recorded run."""
    if isinstance(record, StepRecord) and record.at > 0.0:  # silence that is over by now was a stall then
        return [*engine.tick(record.at), *engine.feed(record)]
    return engine.feed(record)
