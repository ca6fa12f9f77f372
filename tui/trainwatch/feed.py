"""Reads a run directory, a bounded batch at a time: bytes to columns and records. Runs in a worker thread.

Owns the file positions and nothing else; a batch is immutable and is asked for only when the last one was applied.
"""

import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rundir.control import ControlPosition, ControlReader, Malformed, Order
from rundir.direction import directions_in
from rundir.layout import LATEST, RunDir, is_run
from rundir.records import (
    EVENT_DECODER,
    SYSTEM_DECODER,
    EventRecord,
    SystemRecord,
    decode_lines,
)
from rundir.regular import read_regular
from rundir.section import section
from rundir.series import Block
from rundir.status import Liveness, RunInfo, Status, read_run_info, read_status
from rundir.tail import Chunk, Tail
from trainwatch.foreign.points import Points
from trainwatch.foreign.source import Source
from trainwatch.format import as_float
from trainwatch.longlog.pieces import MetricsPiece
from trainwatch.longlog.reader import MetricsReader, Portion
from trainwatch.machine import Sampling
from trainwatch.remote.run import home_of, reference_of, verdict

if TYPE_CHECKING:
    from trainwatch.bystander import Bystander
    from trainwatch.diagnosis import Found

SHOWN_FIELDS = ("loss", "grad_norm", "lr", "tokens_per_s", "gpu_mem_allocated_bytes")
"""Columns that some pane shows: each costs a twentieth of the time of opening a long run."""

CONSOLE_BYTES = 64 * 1024
"""How much of the end of console.log is read when a run is opened."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one poll found, in file order."""

    now: float
    metrics: tuple[MetricsPiece, ...] = ()
    metrics_restarted: bool = False
    events: tuple[EventRecord, ...] = ()
    events_restarted: bool = False
    system: tuple[Block, ...] = ()
    system_restarted: bool = False
    machine: SystemRecord | None = None
    """The newest sample; None where none came."""
    console: str = ""
    orders: tuple[Order | Malformed, ...] = ()
    status: Status | None = None
    status_fault: str = ""
    verdict: Liveness = Liveness.UNKNOWN
    newer: str = ""
    """Id of the run that `latest` points to, when that is a newer one."""
    skipped: int = 0
    """Lines that were no record of this format."""
    progress: float = 1.0
    """Share of metrics.jsonl that has been read."""
    found: "Found | None" = None
    """What the alert rules say that run here; None where none do, or not yet."""

    @property
    def at_end(self) -> bool:
        return self.progress >= 1.0


@dataclass(frozen=True, slots=True)
class Opened:
    """What is read once, when a run is opened."""

    reference: str
    """What the command line understands as this run, from where the viewer was started."""
    info: RunInfo | None
    lr: float | None
    """The configured peak learning rate."""
    task: str = ""
    """The configured kind of task."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """The whole configuration."""
    directions: Mapping[str, bool] = field(default_factory=dict)
    """Of the metric whose direction is configured: whether the lower is better."""
    host: str = ""
    """Where it is, if not here."""
    far_path: str = ""
    """Its path there."""
    source: str = ""
    """What another program has written, which can only be read; empty for a run."""


def read_opened(run: RunDir) -> Opened:
    """The files that are written once. A missing or unreadable one is None: the dashboard does without."""
    source = foreign_source(run)
    if source is not None:
        described = RunInfo(
            id=run.id, name=run.id, task=source.kind, created_at=0.0, planned_steps=source.planned_steps
        )
        return Opened(_reference(run), described, None, source=source.kind)
    try:
        info = read_run_info(run.run_json)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        info = None
    try:
        configured = tomllib.loads(read_regular(run.config_toml).decode())
    except (OSError, ValueError, RecursionError):
        configured = {}
    lr, task = section(configured, "train").get("lr"), section(configured, "task").get("kind")
    return Opened(
        _reference(run),
        info,
        as_float(lr) if isinstance(lr, int | float) else None,
        task if isinstance(task, str) else (info.task if info is not None else ""),
        configured,
        directions_in(configured),
        *home_of(run),
    )


def _reference(run: RunDir) -> str:
    path, here = run.path.resolve(), Path.cwd()
    return reference_of(run) or str(path.relative_to(here) if path.is_relative_to(here) else path)


def foreign_source(run: RunDir) -> Source | None:
    """What reads a path that is no run but what another program has written; None for a run."""
    if is_run(run.path) or not run.path.exists():
        return None
    from trainwatch.foreign.find import source_at  # a run does without

    return source_at(run.path)


class Feed:
    """Owns the read positions in one run's files. Used by one thread at a time.

    What was read before a later file could not be is held for the next poll: no record is lost with the error.
    """

    def __init__(
        self,
        run: RunDir,
        fields: Sequence[str] = SHOWN_FIELDS,
        bystander: "Bystander | None" = None,
        *,
        whole_machine: bool = False,
    ) -> None:
        """`fields`: of a step record, those that become columns; what is in `metrics` always does. `whole_machine`: of
        a sample of the machine all does, else the memory alone.

        `bystander`: runs the alert rules where no supervisor does, once all was read.
        """
        self.run = run
        self._bystander = bystander
        self._sampling = Sampling(whole=whole_machine)
        self._source = foreign_source(run)
        self._points = Points()
        self._was_at_end = False
        """Whether all of a source of another program has been handed out once."""
        # The first read is small: a short or live run is on screen at once; a long one is behind, and chunks grow.
        self._metrics = MetricsReader(run.metrics, fields)
        self._events = Tail(run.events)
        self._system = Tail(run.system)
        self._held: dict[Tail, Chunk] = {}
        self._held_metrics: Portion | None = None
        """What was read and is in no batch yet."""
        self._console: Tail | None = None
        # Orders without an id are known by the control file's generation, which the supervisor counts.
        try:
            status, *_ = self._status(time.time())
        except OSError:
            status = None  # the first poll says so
        position = status.control if status is not None else None
        self._control = ControlReader(run, ControlPosition(generation=position.generation if position else 0))

    def poll(self) -> Batch:
        """Read at most one chunk of each file. Raises OSError where one cannot be read now; may be called again."""
        now = time.time()
        batch = self._poll_run(now) if self._source is None else self._poll_source(self._source, now)
        return batch if self._bystander is None else replace(batch, found=self._bystander.look(batch, self._source))

    def _poll_run(self, now: float) -> Batch:
        status, fault, verdict = self._status(now)
        metrics = self._held_metrics = self._held_metrics or self._metrics.poll()
        events_chunk, system_chunk = map(self._read, (self._events, self._system))
        console = self._read_console()
        self._held.clear()  # from here on nothing raises
        self._held_metrics = None
        events = decode_lines(events_chunk.lines, EVENT_DECODER)
        system = decode_lines(system_chunk.lines, SYSTEM_DECODER)
        ends = (metrics.at_end, events_chunk.at_end, system_chunk.at_end)
        progress = 1.0 if all(ends) else min(0.999, metrics.share)
        return Batch(
            now=now,
            metrics=metrics.pieces,
            metrics_restarted=metrics.restarted,
            events=tuple(events.records),
            events_restarted=events_chunk.restarted,
            system=self._sampling.blocks(system.records, restarted=system_chunk.restarted),
            system_restarted=system_chunk.restarted,
            machine=system.records[-1] if system.records else None,
            console=console,
            orders=tuple(self._control.poll()),
            newer=self._newer(),
            status=status,
            status_fault=fault,
            verdict=verdict,
            skipped=metrics.skipped + events.skipped + system.skipped,
            progress=progress,
        )

    def begin(self) -> None:
        """Open a long log, which takes a while, before anybody polls: for a thread of its own. Raises nothing."""
        self._metrics.begin()

    def close(self) -> None:
        """Let go of what reading a long log takes."""
        self._metrics.close()

    def _poll_source(self, source: Source, now: float) -> Batch:
        """What another program has written since. All that is there at first comes at once: its order is its own."""
        polled = source.poll(self._points)
        if polled.progress < 1.0:
            return Batch(now=now, status_fault=polled.fault, progress=polled.progress)
        # Of the newest step of a live log more may come; a poll that finds nothing new has all of it.
        taken = self._points.take(hold_newest=self._was_at_end)
        self._was_at_end = True
        return Batch(now=now, metrics=taken.pieces, metrics_restarted=taken.restarted, status_fault=polled.fault)

    def polled(self) -> Batch | OSError:
        """`poll`, or what it raises: for a thread whose result a screen takes."""
        try:
            return self.poll()
        except OSError as error:
            return error

    def _status(self, now: float) -> tuple[Status | None, str, Liveness]:
        try:
            status = read_status(self.run.status_json)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return None, f"status.json is not readable: {error}", Liveness.UNKNOWN
        return status, "", verdict(self.run, status, now) if status is not None else Liveness.UNKNOWN

    def _newer(self) -> str:
        try:
            latest = str((self.run.path.parent / LATEST).readlink())
        except OSError:
            return ""
        return latest if latest > self.run.id and "/" not in latest else ""

    def _read(self, tail: Tail) -> Chunk:
        if tail not in self._held:
            self._held[tail] = tail.poll()
        return self._held[tail]

    def _read_console(self) -> str:
        if self._console is None:
            try:
                size = self.run.console.stat().st_size
            except OSError:
                return ""
            self._console = Tail(self.run.console, offset=max(0, size - CONSOLE_BYTES))
        chunk = self._console.poll()
        while not chunk.at_end:  # a flood of output: only its end can be shown
            chunk = self._console.poll()
        return chunk.lines[-CONSOLE_BYTES:].decode("utf-8", "replace")
