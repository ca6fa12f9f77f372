"""The supervisor as a reader of its own run: outcomes that the trainer wrote, and the alert rules over its records."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from rundir.alerts import MARKS, RULES, AlertChange, Engine
from rundir.atomic import write_atomic
from rundir.layout import RunDir
from rundir.records import (
    EVENT_DECODER,
    METRICS_DECODER,
    SYSTEM_DECODER,
    AlertEvent,
    AnyRecord,
    CheckpointEvent,
    EventRecord,
    decode_lines,
)
from rundir.regular import read_regular
from rundir.replay import merged, read_facts
from rundir.tail import Tail
from traind.sibling import find_sibling


class RecordWatch:
    """Owns the tails on the three logs and the alert engine; its state is kept in alerts.json."""

    def __init__(self, run: RunDir, engine: Engine) -> None:
        self._run = run
        self._path = run.alerts_json
        self._engine = engine
        kept = _read_kept(self._path) or _Kept()
        if kept.engine:
            self._engine.restore(kept.engine)
        self._logs = (
            (Tail(run.metrics, offset=kept.offset), METRICS_DECODER),
            (Tail(run.events, offset=kept.events_offset), EVENT_DECODER),
            (Tail(run.system, offset=kept.system_offset), SYSTEM_DECODER),
        )
        self._events = Tail(run.events)
        self._num_told = kept.num_told
        self._past: Counter[tuple[str, str, int | None]] | None = None
        """What events.jsonl held beyond the kept state when it was first read: the rules will say it again."""
        self._knows_facts = False

    def events(self) -> list[EventRecord]:
        """What was written to events.jsonl since the last call; at the first call, everything."""
        records: list[EventRecord] = []
        for lines in _chunks(self._events):
            records += decode_lines(lines, EVENT_DECODER).records
        if self._past is None:
            told = [e for e in records if isinstance(e, AlertEvent) and e.writer == "supervisor" and e.rule in RULES]
            self._past = Counter((event.rule, event.change, event.step) for event in told[self._num_told :])
        return records

    def alert_changes(self, now_at: float) -> list[AlertChange]:
        """What the rules have to say of the records since the last call, told once over all supervisors.

        The rules are pure, so that after a crash they say again what events.jsonl already holds beyond the kept
        state: that is passed over. Call `events` first.
        """
        if not self._knows_facts and self._run.run_json.exists():
            self._engine.know(read_facts(self._run, sibling=find_sibling(self._run)))
            self._knows_facts = True
        logs = [list(_new_records(tail, decoder)) for tail, decoder in self._logs]
        changes = [change for record in merged(*logs) for change in self._engine.feed(record)]
        changes += self._engine.tick(now_at)
        self._num_told += sum(change.rule not in MARKS for change in changes)
        past, self._past = self._past or Counter(), Counter()
        fresh: list[AlertChange] = []
        for change in changes:
            key = (change.rule, change.change, change.step)
            if past[key] > 0:
                past[key] -= 1
            else:
                fresh.append(change)
        return fresh

    def keep(self) -> None:
        """Write the engine's state and how far it has read. Raises OSError."""
        (metrics, _), (events, _), (system, _) = self._logs
        kept = _Kept(
            offset=metrics.offset,
            events_offset=events.offset,
            system_offset=system.offset,
            num_told=self._num_told,
            engine=self._engine.state(),
        )
        # Not as records are written: the state has no non-finite number, and what is absent in a list stays absent.
        write_atomic(self._path, msgspec.json.encode(kept), durable=False)


class _Kept(msgspec.Struct, kw_only=True):
    """The content of alerts.json."""

    offset: int = 0
    """How far metrics.jsonl has been fed to the rules."""
    events_offset: int = 0
    system_offset: int = 0
    num_told: int = 0
    """Alert changes said so far."""
    engine: dict[str, Any] = {}


def _new_records(tail: Tail, decoder: msgspec.json.Decoder[Any]) -> Iterator[AnyRecord]:
    for lines in _chunks(tail):
        yield from (record for record in decode_lines(lines, decoder).records if not isinstance(record, AlertEvent))


def _read_kept(path: Path) -> _Kept | None:
    """None where there is none that can be read: the rules then read the logs from their start."""
    try:
        return msgspec.json.decode(read_regular(path), type=_Kept)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _chunks(tail: Tail) -> Iterator[bytes]:
    while True:
        chunk = tail.poll()
        if chunk.lines:
            yield chunk.lines
        if chunk.at_end:
            return


def newest_checkpoint(events: list[EventRecord]) -> str | None:
    """The path of the last checkpoint that these events tell of, relative to the run directory."""
    return next((event.path for event in reversed(events) if isinstance(event, CheckpointEvent)), None)
