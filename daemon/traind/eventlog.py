"""Writing events.jsonl: the one place where supervisor and trainer say what happened. Each line names its writer.

Free text comes from libraries, people and exceptions: no secret of the environment, and no credential of a URL, goes
from there into the log.
"""

import errno
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from rundir.append import Appender
from rundir.control import Malformed, Order
from rundir.orders import MAX_REASON_LENGTH
from rundir.records import CheckpointEvent, EventRecord, LifecycleEvent, OutcomeEvent, encode
from rundir.secret import redact, redact_fields


class EventLog:
    """Owns one writer's appender on events.jsonl, and its count of records."""

    def __init__(
        self, path: Path, writer: Literal["supervisor", "trainer"], attempt: int, reserve: Path, *, last_seq: int = 0
    ) -> None:
        """`last_seq`: the last one that this writer has used in this attempt, if it goes on after another process."""
        self._appender = Appender(path, reserve=reserve)
        self.writer = writer
        self.attempt = attempt
        self._seq = last_seq
        self._lock = threading.Lock()

    def write(self, event: EventRecord) -> None:
        """Stamp and append. `at`, `attempt` and `seq` are set here."""
        with self._lock:  # the saving thread writes too
            self._seq += 1
            redact_fields(event, os.environ)
            event.at, event.attempt, event.seq = time.time(), self.attempt, self._seq
            if not self._appender.append(encode(event)):
                self._appender.free_reserve()
                self._appender.flush()

    def lifecycle(
        self, what: str, message: str = "", *, step: int | None = None, detail: Mapping[str, Any] | None = None
    ) -> None:
        self.write(
            LifecycleEvent(
                at=0,
                attempt=0,
                writer=self.writer,
                what=what,
                message=message,
                step=step,
                detail=None if detail is None else dict(detail),
            )
        )

    def outcome(self, order: Order | Malformed, *, step: int | None, refused: str | None = None) -> None:
        """The one answer to an order, written ahead of its effect."""
        self.write(
            OutcomeEvent(
                at=0,
                attempt=0,
                writer=self.writer,
                step=step,
                order=order.id,
                verb=redact(order.verb, os.environ) if isinstance(order, Malformed) else str(order.verb),
                result="applied" if refused is None else "refused",
                reason=(refused or "")[:MAX_REASON_LENGTH],
                args=order.args or None if isinstance(order, Order) else None,
                by=order.by,
            )
        )

    def checkpoint(self, path: str, size_bytes: int, *, step: int, reason: str, best: bool, **durations: float) -> None:
        self.write(
            CheckpointEvent(
                at=0,
                attempt=0,
                writer=self.writer,
                step=step,
                path=path,
                size_bytes=size_bytes,
                reason=reason,
                best=best,
                blocked_s=durations.get("blocked_s"),
                save_s=durations.get("save_s"),
            )
        )

    def sync(self) -> None:
        """Put everything on disk. Raises OSError, also where some events still wait for room."""
        with self._lock:
            if not self._appender.flush():
                raise OSError(errno.ENOSPC, "events wait for room on the disk", str(self._appender.path))
            self._appender.sync()

    def close(self) -> None:
        self._appender.flush()
        self._appender.close()
