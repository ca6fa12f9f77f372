"""What other programs wrote, as rows of the table of runs: each log is read on as it grows. In a worker thread."""

import math
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rundir.layout import RunDir
from rundir.records import EvalRecord
from rundir.series import StepBlock
from rundir.status import RunInfo
from trainwatch.foreign.find import source_at
from trainwatch.foreign.points import Points, Taken
from trainwatch.foreign.source import Source
from trainwatch.listing.entry import Entry
from trainwatch.listing.glance import Figures, ascending
from trainwatch.listing.scan import STILL_S, Batch
from trainwatch.scores import Scores, values_of


class _Log:
    """Owns how far one log was read, and what it came to."""

    def __init__(self, path: Path, place: str) -> None:
        self.run = RunDir(path)
        self.entry = Entry(self.run, place=place, source="log")
        self.looked_at = -math.inf
        self.is_read = False
        self._source: Source | None = None
        self._begin()

    def _begin(self) -> None:
        self._points, self._scores = Points(), Scores()
        self._figures = Figures()
        self._created_at = math.nan

    def advance(self) -> bool:
        """Read one part more. Whether that was the last there is. Raises OSError."""
        self._source = self._source or source_at(self.run.path)
        if self._source is None:
            self.entry = replace(self.entry, status_fault="no log that can be read")
            return True
        polled = self._source.poll(self._points)
        if polled.progress < 1.0:
            return False
        self._take(self._points.take())
        at = self._created_at if math.isfinite(self._created_at) else self.run.path.stat().st_mtime
        info = RunInfo(
            id=self.run.id,
            name=self.run.id,
            task=self._source.kind,
            created_at=at,
            planned_steps=self._source.planned_steps,
        )
        self.entry = replace(self.entry, info=info, figures=self._figures, status_fault=polled.fault, config={})
        return True

    def fail(self, error: OSError) -> None:
        self.entry = replace(self.entry, status_fault=f"cannot be read: {error.strerror or error}")

    def _take(self, taken: Taken) -> None:
        if taken.restarted:
            self._scores, self._figures = Scores(), Figures()
        for piece in taken.pieces:
            if isinstance(piece, EvalRecord):
                self._scores.add(piece)
            else:
                self._figures = _after(piece, self._figures)
                if "at" in piece.columns and not math.isfinite(self._created_at):
                    self._created_at = float(piece.columns["at"][0])
        records = self._scores.records
        latest = values_of(records[-1]) if records else {}
        step = max(self._figures.step, records[-1].step if records else 0)
        self._figures = replace(self._figures, step=step, best=dict(self._scores.best), latest=latest)


def _after(block: StepBlock, known: Figures) -> Figures:
    """With the training numbers of more steps."""
    step = int(block.x[-1])
    losses = block.columns.get("loss")
    if losses is None:
        return replace(known, step=step)
    is_there = ~np.isnan(losses)
    is_there[block.marks.get("loss", np.empty(0, dtype=np.int64))] = True
    pairs = list(zip(block.x[is_there].astype(int).tolist(), losses[is_there].tolist(), strict=True))
    loss = pairs[-1][1] if pairs else known.loss
    return replace(known, step=step, loss=loss, course=known.course.extended(ascending(pairs)))


class LogScanner:
    """Follows the logs that were named, as `listing.scan.Scanner` follows the runs of a directory."""

    def __init__(self, logs: Sequence[tuple[Path, str]]) -> None:
        """Paths, each with what tells it from others of its name; empty where nothing has to."""
        self._logs = [_Log(path, place) for path, place in logs]

    def poll(
        self,
        *,
        wanted: Sequence[str] = (),  # noqa: ARG002 - a log is read whole, whichever is on screen
        again: Collection[str] = (),  # noqa: ARG002 - nothing is ever written to one
        budget_s: float = 0.2,
    ) -> Batch:
        """Read on what is due, until the budget is used. Never raises."""
        now, moment = time.time(), time.monotonic()
        changed: dict[str, Entry] = {}
        due = [log for log in self._logs if not log.is_read or moment - log.looked_at >= STILL_S]
        for log in sorted(due, key=lambda log: log.is_read):
            before = log.entry
            _look(log, moment + budget_s)
            if log.is_read and log.entry != before:
                changed[log.entry.id] = log.entry
            if time.monotonic() - moment > budget_s:
                break
        return Batch(now, tuple(changed.values()), num_unread=sum(not log.is_read for log in self._logs))


def _look(log: _Log, until: float) -> None:
    try:
        while not log.advance():
            if time.monotonic() > until:
                return
    except OSError as error:
        log.fail(error)
    log.is_read, log.looked_at = True, time.monotonic()


def log_scanner(paths: Sequence[Path], taken: Collection[str] = ()) -> LogScanner:
    """Of several logs; those that share a name, or whose name is taken, are told apart by where they lie."""
    resolved = [path.resolve() for path in dict.fromkeys(paths)]
    names = [*(path.name for path in resolved), *taken]
    return LogScanner([(path, str(path.parent) if names.count(path.name) > 1 else "") for path in resolved])
