"""A run as it stood at a time: a store, and how to move it. Forward costs what lies between; backward is begun anew."""

import math
from dataclasses import dataclass, replace

import numpy as np

from rundir.layout import RunDir
from trainwatch.feed import SHOWN_FIELDS, Batch, Feed, Opened
from trainwatch.longlog.pieces import MetricsPiece, joined
from trainwatch.store import Store
from trainwatch.travel.course import Course
from trainwatch.travel.tape import Tape

FIELDS = (*SHOWN_FIELDS, "epoch")
"""Columns that the page shows, and what the status said."""
FINE, COARSE = 0.01, 0.1
"""Of all moments, how many a key moves by; where the charts are zoomed, of those that they show."""
SPEEDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Past:
    """Owns the store of one time; the event loop alone moves it."""

    def __init__(self, run: RunDir, opened: Opened, tape: Tape) -> None:
        self.run = run
        self.opened = opened
        self.tape = tape
        self._begin()

    def _begin(self) -> None:
        self.at = -math.inf
        self.store = Store(self.run, self.opened)
        self._course = Course()
        self._edition = self.tape.edition

    def seek(self, at: float) -> Store:
        """The store as of a time; another one than before where that lies further back."""
        if at < self.at or self._edition != self.tape.edition:
            self._begin()
        batch = self.tape.between(self.at, at)
        self.store.apply(batch)
        self._course.take(batch.events)
        status, verdict = self._course.status(self.tape, self.store, at), self._course.verdict(self.tape, at)
        self.store.apply(Batch(now=at, status=status, verdict=verdict))
        self.at = at
        return self.store


@dataclass
class Playhead:
    """Where in the past a screen stands, and whether it moves on by itself."""

    past: Past
    speed: int = 1
    is_playing: bool = False

    @property
    def tape(self) -> Tape:
        return self.past.tape

    @property
    def at(self) -> float:
        return self.past.at

    def moved(self, share: float) -> float | None:
        """The time so large a share of all moments further, at least one; None beyond the last. Negative: back."""
        moments = self.tape.moments
        index = int(np.searchsorted(moments, self.at, side="right")) - 1
        count = max(1, round(abs(share) * len(moments)))
        wanted = index + count if share > 0 else index - count
        if share < 0 and index >= 0 and self.at > moments[index]:
            wanted += 1  # between two moments the one before is the first step back
        return None if wanted >= len(moments) else float(moments[max(0, wanted)])

    def played(self, elapsed_s: float) -> float | None:
        """The time after so many seconds of playing; None beyond the last moment."""
        at = self.at + elapsed_s * self.speed
        return None if at > self.tape.end else at

    def faster(self, steps: int = 1) -> None:
        """The next speed, or the one before."""
        index = SPEEDS.index(self.speed) if self.speed in SPEEDS else 0
        self.speed = SPEEDS[max(0, min(index + steps, len(SPEEDS) - 1))]


def read_tape(run: RunDir, fields: tuple[str, ...] = FIELDS, *, whole_machine: bool = False) -> Tape:
    """All that is there now. Raises OSError. For a thread of its own: a long run takes a second.

    `whole_machine`: of the samples of the machine all, else the memory alone.
    """
    tape, feed = Tape(), Feed(run, fields, whole_machine=whole_machine)
    pieces: list[MetricsPiece] = []
    try:
        while True:
            batch = feed.poll()
            pieces = [*([] if batch.metrics_restarted else pieces), *batch.metrics]
            tape.add(replace(batch, metrics=tuple(joined(pieces)) if batch.at_end else ()))
            if batch.at_end:
                return tape
    finally:
        feed.close()
