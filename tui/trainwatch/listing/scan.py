"""Reads a directory of runs, a bounded piece at a time: only what may have changed is looked at. In a worker thread.

Owns what was last seen of each file. A run that moves is looked at once a second; of one that does not, the directory's
own time is asked now and then, as every replaced file changes it.
"""

import os
import time
import tomllib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from rundir.direction import directions_in
from rundir.glance import EVAL_TAIL_BYTES, EVENT_TAIL_BYTES, active_alerts, end_of
from rundir.layout import RunDir, is_run
from rundir.regular import open_regular, read_regular
from rundir.remarks import Remarks, read_remarks
from rundir.status import Liveness, RunInfo, Status, read_run_info, read_status
from trainwatch.listing.course import Course
from trainwatch.listing.entry import Entry
from trainwatch.listing.glance import Figures, better, course_of, figures_of, sampled_steps
from trainwatch.remote.run import verdict

TAIL_BYTES = 16 * 1024
"""How much of the end of a log is read: eighty records and more."""
NUM_SAMPLES, SAMPLE_BYTES = 32, 2048
"""Of a long log's course: pieces of so many bytes, of eight records or so."""
GROWN = 1.25
"""A log so many times as long as when its best evaluation was looked for is looked through again."""
LIVE_S = 1.0
"""Between two looks at a run that moves."""
STILL_S = 5.0
"""Between two looks at one that does not."""
SETTLED_NS = 2_000_000_000
"""A directory changed so short a time before it was listed may have been changed again within the tick of its clock."""
Signature: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one poll found."""

    now: float
    entries: tuple[Entry, ...] = ()
    """New and changed."""
    gone: tuple[str, ...] = ()
    num_unread: int = 0
    """Runs in the directory that no poll has read so far."""
    num_shallow: int = 0
    """Runs of which configuration, course and best evaluation were not looked for so far."""
    fault: str = ""


@dataclass(slots=True)
class _Seen:
    """What was last seen of one run."""

    run: RunDir
    base: str
    """Its path: a thousand times a second, text is cheaper than a Path."""
    entry: Entry | None = None
    """None before the first look, and of a directory that is no run."""
    directory: int = -1
    signatures: dict[str, Signature | None] = field(default_factory=dict)
    looked_at: float = -1.0
    is_deep: bool = False
    deep_bytes: int = 0
    """How long metrics.jsonl was then."""


class Scanner:
    """Follows all runs under a directory. Used by one thread at a time."""

    def __init__(
        self,
        runs_dir: Path,
        place: str = "",
        make: Callable[[Path], RunDir] = RunDir,
        only: frozenset[str] | None = None,
    ) -> None:
        """`place`: what tells its runs from those of other directories in the same table; `make`: a run of its path;
        `only`: the names of those that are wanted, None: all."""
        self.runs_dir = runs_dir
        self._place = place
        self._make = make
        self._only = only
        self._seen: dict[str, _Seen] = {}
        self._listed = -1
        self._listed_at_ns = 0

    def poll(self, *, wanted: Sequence[str] = (), again: Collection[str] = (), budget_s: float = 0.2) -> Batch:
        """Look at what is due, what is wanted (ids on screen) first, until the budget is used. Never raises.

        Runs of `again` are due whenever they were looked at.
        """
        now, moment = time.time(), time.monotonic()
        changed: dict[str, Entry] = {}
        try:
            gone = self._list()
        except OSError as error:
            return Batch(now, fault=f"cannot read {self.runs_dir}: {error.strerror or error}")
        for seen in self._due(moment, wanted, again):
            if (entry := self._look(seen, now, moment)) is not None:
                changed[entry.id] = entry
            if time.monotonic() - moment > budget_s:
                break
        unread = sum(seen.looked_at < 0 for seen in self._seen.values())
        shallow = [] if unread else self._shallow(wanted)
        for done, seen in enumerate(shallow):
            if time.monotonic() - moment > budget_s and done:
                break
            entry = self._deepen(seen)
            changed[entry.id] = entry
        left = sum(seen.entry is not None and not seen.is_deep for seen in self._seen.values())
        return Batch(now, tuple(changed.values()), tuple(map(self._id, gone)), unread, left)

    def _list(self) -> tuple[str, ...]:
        """Learn of directories that came and went. Their names alone: nothing in them is looked at."""
        stamp = os.stat(self.runs_dir).st_mtime_ns
        if stamp == self._listed and self._listed_at_ns - stamp > SETTLED_NS:
            return ()
        self._listed_at_ns = time.time_ns()
        with os.scandir(self.runs_dir) as found:
            names = {e.name for e in found if not e.name.startswith(".") and e.is_dir(follow_symlinks=False)}
        names = names if self._only is None else names & self._only
        self._listed = stamp
        gone = tuple(name for name in self._seen if name not in names)
        for name in gone:
            del self._seen[name]
        for name in sorted(names - self._seen.keys(), reverse=True):
            self._seen[name] = _Seen(self._make(self.runs_dir / name), f"{self.runs_dir}/{name}")
        return gone

    def _id(self, name: str) -> str:
        return f"{self._place}:{name}" if self._place else name

    def _due(self, moment: float, wanted: Sequence[str], again: Collection[str]) -> list[_Seen]:
        on_screen = {*wanted, *again}
        due = [
            seen
            for seen in self._seen.values()
            if seen.looked_at < 0 or moment - seen.looked_at >= _interval_s(seen) or self._id(seen.run.id) in again
        ]
        return sorted(due, key=lambda seen: (seen.looked_at >= 0, self._id(seen.run.id) not in on_screen))

    def _shallow(self, wanted: Sequence[str]) -> list[_Seen]:
        on_screen = set(wanted)
        shallow = [seen for seen in self._seen.values() if seen.entry is not None and not seen.is_deep]
        return sorted(shallow, key=lambda seen: self._id(seen.run.id) not in on_screen)

    def _look(self, seen: _Seen, now: float, moment: float) -> Entry | None:
        """The entry where anything of it is new; None where all is as it was."""
        first, seen.looked_at = seen.looked_at < 0, moment
        directory = _directory_stamp(seen.base)
        same = directory == seen.directory
        # What changes within the same tick of the file system's clock would go unseen.
        seen.directory = directory if now * 1e9 - directory > SETTLED_NS else -1
        if seen.entry is None:
            if (same and not first) or not is_run(seen.run.path):
                return None
            seen.entry = Entry(seen.run, place=self._place)
        elif same and not _is_watched(seen.entry):
            return None
        before = seen.entry
        seen.entry = self._refreshed(seen, before, now)
        return seen.entry if first or seen.entry != before else None

    def _refreshed(self, seen: _Seen, entry: Entry, now: float) -> Entry:
        run = seen.run
        changes: dict[str, Any] = {}
        if entry.info is None:
            changes["info"] = _info_of(run)
        if self._is_new(seen, "status.json"):
            status, changes["status_fault"] = _status_of(run)
            changes["status"] = status or entry.status
        if self._is_new(seen, "remarks.json"):
            changes["remarks"] = _remarks_of(run)
        status = changes.get("status", entry.status)
        changes["verdict"] = _verdict(run, status, now)
        size_before = _size(seen)
        if self._is_new(seen, "metrics.jsonl"):
            is_timed = changes["verdict"] is not Liveness.ENDED
            changes["figures"] = self._figures(seen, entry, size_before, is_timed=is_timed)
        if self._is_new(seen, "events.jsonl"):
            changes["alerts"] = active_alerts(end_of(f"{seen.base}/events.jsonl", EVENT_TAIL_BYTES))
        return replace(entry, **changes)

    def _figures(self, seen: _Seen, entry: Entry, size_before: int, *, is_timed: bool) -> Figures:
        """Of the log's end; of the best evaluations, what was found further back holds on."""
        told, known = directions_in(entry.config or {}), entry.figures
        # What came since the last look is read whole, so that the course has no holes.
        grown = max(0, _size(seen) - size_before) if size_before else 0
        num_bytes = min(TAIL_BYTES + grown, EVAL_TAIL_BYTES)
        lines = end_of(f"{seen.base}/metrics.jsonl", num_bytes)
        figures = figures_of(lines, told, known.course, is_timed=is_timed)
        if figures.loss is None:  # evaluations alone, long ones: no step that says where the run is
            figures = replace(figures, step=known.step, loss=known.loss, course=known.course)
        if figures.step < known.step or _size(seen) > GROWN * seen.deep_bytes + TAIL_BYTES:
            seen.is_deep = False
        if figures.step < known.step:
            return figures  # a rollback: what was best may not hold
        best = better(known.best, figures.best, told)
        return replace(figures, best=best, chosen=figures.chosen or known.chosen)

    def _is_new(self, seen: _Seen, name: str) -> bool:
        signature = _signature(f"{seen.base}/{name}")
        is_new = seen.signatures.get(name) != signature
        seen.signatures[name] = signature
        return is_new

    def _deepen(self, seen: _Seen) -> Entry:
        """Read once what costs more: the configuration, the course, the best evaluation."""
        entry = seen.entry
        if entry is None:
            raise ValueError("only what was looked at is deepened")
        size, metrics = _size(seen), f"{seen.base}/metrics.jsonl"
        is_first, seen.is_deep, seen.deep_bytes = not seen.deep_bytes, True, size
        entry = replace(entry, config=_config_of(seen.run))
        if size > TAIL_BYTES or entry.config:
            before = _course_before(metrics, size - EVAL_TAIL_BYTES) if is_first else entry.figures.course
            lines, told = end_of(metrics, EVAL_TAIL_BYTES), directions_in(entry.config or {})
            deeper = figures_of(lines, told, before, is_timed=False)
            figures = replace(entry.figures, chosen=deeper.chosen, best=deeper.best, course=deeper.course)
            if figures.loss is None:
                figures = replace(figures, step=deeper.step, loss=deeper.loss)
            entry = replace(entry, figures=figures)
        seen.entry = entry
        return entry


def _interval_s(seen: _Seen) -> float:
    return LIVE_S if seen.entry is not None and _is_watched(seen.entry) else STILL_S


def _is_watched(entry: Entry) -> bool:
    """Whether its files may change without its directory: a run that moves, or may do so on another machine."""
    return entry.may_live or bool(entry.status_fault)


def _verdict(run: RunDir, status: Status | None, now: float) -> Liveness:
    if status is None:
        return Liveness.UNKNOWN
    return Liveness.ENDED if status.state.has_ended else verdict(run, status, now)


def _directory_stamp(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _signature(path: str) -> Signature | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _size(seen: _Seen) -> int:
    """Of metrics.jsonl when it was last looked at."""
    found = seen.signatures.get("metrics.jsonl")
    return found[1] if found is not None else 0


def _info_of(run: RunDir) -> RunInfo | None:
    try:
        return read_run_info(run.run_json)
    except (OSError, msgspec.DecodeError):
        return None


def _status_of(run: RunDir) -> tuple[Status | None, str]:
    try:
        return read_status(run.status_json), ""
    except (OSError, msgspec.DecodeError) as error:
        return None, f"status.json is not readable: {error}"


def _remarks_of(run: RunDir) -> Remarks:
    try:
        return read_remarks(run.remarks_json)
    except (OSError, msgspec.DecodeError):
        return Remarks()


def _config_of(run: RunDir) -> dict[str, Any]:
    try:
        return tomllib.loads(read_regular(run.config_toml).decode())
    except (OSError, ValueError, RecursionError):
        return {}


def _course_before(path: str, stop_bytes: int) -> Course:
    """Of what stands before a byte of a log, by samples."""
    if stop_bytes <= 0:
        return Course()
    try:
        with open(open_regular(path), "rb") as file:
            starts = [i * stop_bytes // NUM_SAMPLES for i in range(NUM_SAMPLES)]
            pieces = [os.pread(file.fileno(), SAMPLE_BYTES, start) for start in starts]
    except OSError:
        return Course()
    samples = [sampled_steps(piece if i else b"\n" + piece) for i, piece in enumerate(pieces)]
    return course_of([sample for found in samples for sample in found])
