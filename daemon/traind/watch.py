"""The supervisor as a reader of its own run: outcomes that the trainer wrote, and the alert rules over its records."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from rundir.alerts import RULES, AlertChange, Engine
from rundir.atomic import write_atomic
from rundir.layout import RunDir
from rundir.records import (
    EVENT_DECODER,
    METRICS_DECODER,
    AlertEvent,
    CheckpointEvent,
    EventRecord,
    MetricsRecord,
    decode_lines,
    encode,
)
from rundir.tail import Tail


class RecordWatch:
    """Owns the tails on metrics.jsonl and events.jsonl and the alert engine; its state is kept in alerts.json."""

    def __init__(self, run: RunDir, switches: Mapping[str, bool]) -> None:
        self._path = run.alerts_json
        self._engine = Engine(switches)
        kept = _read_kept(self._path)
        if kept is not None:
            self._engine.restore(kept.engine)
        self._metrics = Tail(run.metrics, offset=kept.offset if kept else 0)
        self._events = Tail(run.events)
        self._num_told = kept.num_told if kept else 0
        self._num_known = 0

    def events(self) -> list[EventRecord]:
        """What was written to events.jsonl since the last call; at the first call, everything."""
        records: list[EventRecord] = []
        for lines in _chunks(self._events):
            records += decode_lines(lines, EVENT_DECODER).records
        self._num_known += sum(
            isinstance(record, AlertEvent) and record.writer == "supervisor" and record.rule in RULES
            for record in records
        )
        return records

    def alert_changes(self) -> list[AlertChange]:
        """What the rules have to say of the records since the last call, told once over all supervisors.

        The rules are pure, so that after a crash they say again, in the same order, what events.jsonl already holds
        beyond the kept state: as many changes are passed over. Call `events` first.
        """
        changes: list[AlertChange] = []
        for lines in _chunks(self._metrics):
            record: MetricsRecord
            for record in decode_lines(lines, METRICS_DECODER).records:
                changes += self._engine.feed(record)
        already_told = max(0, min(self._num_known - self._num_told, len(changes)))
        self._num_told += len(changes)
        return changes[already_told:]

    def keep(self) -> None:
        """Write the engine's state and how far it has read. Raises OSError."""
        kept = _Kept(offset=self._metrics.offset, num_told=self._num_told, engine=self._engine.state())
        write_atomic(self._path, encode(kept), durable=False)


class _Kept(msgspec.Struct, kw_only=True):
    """The content of alerts.json."""

    offset: int
    """How far metrics.jsonl has been fed to the rules."""
    num_told: int
    """Alert changes said so far."""
    engine: dict[str, Any]


def _read_kept(path: Path) -> _Kept | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Kept)
    except (FileNotFoundError, msgspec.DecodeError):
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
