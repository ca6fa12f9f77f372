"""The alert `storage`: records or checkpoints cannot be written. Raised and cleared by the trainer, who knows at once.

The rules of the supervisor read numbers; this one is about what does not reach the files that they read.
"""

import threading
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from rundir.records import AlertEvent, EventRecord, Severity
from traind.eventlog import EventLog

RULE = "storage"
_ADVICE = "1. make room: older runs, caches; 2. or a run directory on a larger disk"


class Cause(StrEnum):
    """What cannot be written."""

    RECORDS = "records"
    CHECKPOINT = "checkpoint"


class StorageAlert:
    """Owns the causes that hold now; open while there is one. Both threads of the trainer tell it."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._causes: set[Cause] = set()
        self._onset_step = 0
        self._lock = threading.Lock()

    def begin(self, past: Iterable[EventRecord]) -> None:
        """Close what an attempt before this one left open: what still holds will be found again."""
        if _is_left_open(past):
            self._say("cleared", "a new attempt will see", None, None)

    def found(self, cause: Cause, message: str, step: int | None, evidence: dict[str, Any] | None = None) -> None:
        """Raise the alert, or add one more cause to it; the same cause again is no news."""
        with self._lock:
            if cause in self._causes:
                return
            change = "updated" if self._causes else "raised"
            if not self._causes:
                self._onset_step = step or 0
            self._causes.add(cause)
            self._say(change, message, step, evidence)

    def is_well(self, cause: Cause, message: str, step: int | None) -> None:
        """This cause is over; the last one clears the alert."""
        with self._lock:
            if cause not in self._causes:
                return
            self._causes.remove(cause)
            if not self._causes:
                self._say("cleared", message, step, None)

    def _say(self, change: Any, message: str, step: int | None, evidence: dict[str, Any] | None) -> None:
        self._events.write(
            AlertEvent(
                at=0,
                attempt=0,
                writer="trainer",
                step=step,
                rule=RULE,
                change=change,
                severity=Severity.CRITICAL,
                message=message,
                onset_step=self._onset_step,
                evidence=evidence,
                advice="" if change == "cleared" else _ADVICE,
            )
        )


def _is_left_open(events: Iterable[EventRecord]) -> bool:
    """Whether the last word on it in these events, oldest first, is that it holds."""
    changes = [event.change for event in events if isinstance(event, AlertEvent) and event.rule == RULE]
    return bool(changes) and changes[-1] != "cleared"
