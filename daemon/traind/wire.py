"""What supervisor and trainer say to each other, by two pipes: orders one way, reports the other.

A line is one JSON object no longer than PIPE_BUF, so that a write is whole or not at all. End of file on the order
pipe means that the supervisor is gone: the trainer checkpoints and leaves.
"""

import os
import select
import time
from enum import StrEnum
from typing import TypeAlias

import msgspec

from rundir.control import Order
from rundir.process import ProcessId
from rundir.records import encode
from rundir.secret import redact
from rundir.status import Phase

MAX_TEXT = 1500
"""Longest error text in a report; the whole of it stands in console.log."""


class Leave(StrEnum):
    """Why a trainer leaves of its own will."""

    DONE = "done"
    PARKED = "parked"
    STOPPED = "stopped"
    SIGNALLED = "signalled"
    ORPHANED = "orphaned"
    MISTAKE = "mistake"
    """The user's configuration or data: no restart would help."""
    CRASHED = "crashed"
    """An exception: its text is in the farewell."""
    GAVE_UP = "gave up"
    """The run's policy ends it for its numbers: the reason is in the farewell."""
    RETREATED = "retreated"
    """The run's policy goes back to a checkpoint: nothing of what came after it is kept."""
    LOST = "lost"
    """Another of the processes that train one model is gone; what ended it is said by itself or by their agent."""


class Beat(msgspec.Struct, tag="beat", omit_defaults=True, kw_only=True):
    """A sign of life from a safe point."""

    phase: Phase
    step: int | None = None
    """Absent until the state is loaded."""
    safe_points: int
    epoch: float | None = None
    total_steps: int | None = None
    total_epochs: float | None = None
    signal: str | None = None
    """The name of the one that has just told the trainer to leave, though it may be long before it can."""


class Facts(msgspec.Struct, tag="facts", omit_defaults=True, kw_only=True):
    """What is known once the model stands; goes into run.json."""

    planned_steps: int
    threads: int
    cpu_capability: str
    device: str
    hashes: dict[str, str]


class Retreat(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What a trainer asks for that goes back for bad numbers."""

    cause: str
    """non_finite or spike."""
    skip_from: int
    """The steps whose batches are left out, counted from 1, both included."""
    skip_to: int
    lr: float
    """The peak learning rate that led there."""


class Farewell(msgspec.Struct, tag="farewell", omit_defaults=True, kw_only=True):
    """The last word of a trainer that leaves by itself."""

    reason: Leave
    error: str | None = None
    retreat: Retreat | None = None
    rank: int = 0


class RankEnd(msgspec.Struct, tag="rank_end", omit_defaults=True, kw_only=True):
    """What the agent has seen of the first of several trainers to end by a fault."""

    rank: int
    pid: int
    exit_code: int
    """As `subprocess` has it: a signal's number, negative, where one ended it."""


class Here(msgspec.Struct, tag="here", omit_defaults=True, kw_only=True):
    """The first word of one of several trainers."""

    rank: int
    process: ProcessId


Report: TypeAlias = Beat | Facts | Farewell | Here | RankEnd
_REPORTS: msgspec.json.Decoder[Report] = msgspec.json.Decoder(Report)
_ORDERS = msgspec.json.Decoder(Order)


class Pipe:
    """The reading end: whole lines, without blocking. Owns the descriptor and the torn last line."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.ended = False
        self._torn = b""
        os.set_blocking(fd, False)

    def _lines(self) -> list[bytes]:
        while not self.ended:
            try:
                data = os.read(self.fd, 65536)
            except BlockingIOError:
                break
            if not data:
                self.ended = True
            self._torn += data
        *lines, self._torn = self._torn.split(b"\n")
        return lines

    def orders(self) -> list[Order]:
        return [_ORDERS.decode(line) for line in self._lines()]

    def reports(self) -> list[Report]:
        return [_REPORTS.decode(line) for line in self._lines()]

    def wait(self, timeout_s: float) -> None:
        """Return when there is something to read, or after the time."""
        select.select([self.fd], [], [], timeout_s)

    def close(self) -> None:
        os.close(self.fd)


def tell(fd: int, message: Report | Order, *, patience_s: float = 0.0) -> bool:
    """Write one line. False when the other side is gone, or does not read within `patience_s`."""
    deadline = time.monotonic() + patience_s
    line = encode(message)
    while True:
        try:
            os.write(fd, line)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            select.select([], [fd], [], 0.1)
            continue
        except BrokenPipeError:
            return False
        return True


class Pulse:
    """The trainer's reports. Owns the writing end and the count of safe points; beats at most every `EVERY_S`.

    Of several ranks the first alone beats and tells facts; each says farewell.
    """

    EVERY_S = 0.2

    def __init__(self, fd: int, rank: int = 0) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._rank = rank
        self._last_beat = 0.0
        self.phase = Phase.LOADING
        self.step: int | None = None
        self.epoch: float | None = None
        self.total_steps: int | None = None
        self.total_epochs: float | None = None
        self.safe_points = 0

    def enter(self, phase: Phase) -> None:
        """Say at once that another phase begins."""
        self.phase = phase
        self._beat()

    def told_to_leave(self, signal: str) -> None:
        """Say so at once; from the signal's handler, whatever it has interrupted."""
        self._beat(Phase.LEAVING, signal)

    def safe_point(self) -> None:
        self.safe_points += 1
        if time.monotonic() - self._last_beat >= self.EVERY_S:
            self._beat()

    def _beat(self, phase: Phase | None = None, signal: str | None = None) -> None:
        self._last_beat = time.monotonic()
        if self._rank:
            return
        tell(
            self._fd,
            Beat(
                phase=phase or self.phase,
                step=self.step,
                safe_points=self.safe_points,
                epoch=self.epoch,
                total_steps=self.total_steps,
                total_epochs=self.total_epochs,
                signal=signal,
            ),
        )

    def facts(self, facts: Facts) -> None:
        if not self._rank:
            tell(self._fd, facts, patience_s=5.0)

    def farewell(self, reason: Leave, error: str | None = None, retreat: Retreat | None = None) -> None:
        self._beat()
        text = None if error is None else redact(error, os.environ)[:MAX_TEXT]  # else a cut secret would pass
        told = Farewell(reason=reason, error=text, retreat=retreat, rank=self._rank)
        tell(self._fd, told, patience_s=5.0)
