"""A run directory written by any script: some five calls, and its run is watched and steered like any other.

Owns the run's lock, logs and status, and a thread that beats once a second. Guarantees: what `log` and `eval` have
returned from is not lost with the process; every order that is read gets exactly one outcome, written before the
script hears of it; a script that dies is seen as dead. One thread calls it; forked children must not.
"""

import atexit
import contextlib
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, SupportsFloat

from rundir import layout, process
from rundir.append import Appender
from rundir.control import ControlPosition, ControlReader, Malformed, Order, Verb
from rundir.layout import RunDir
from rundir.orders import MAX_REASON_LENGTH
from rundir.records import (
    EVENT_DECODER,
    CheckpointEvent,
    EvalRecord,
    EventRecord,
    LifecycleEvent,
    MetricsRecord,
    NoteEvent,
    OutcomeEvent,
    ResumeEvent,
    ResumeRecord,
    StepRecord,
    SystemRecord,
    decode_lines,
    encode,
)
from rundir.script import check_takes, must_number, number, numbers, refusal
from rundir.script_dir import RunBusyError, describe, last_status, lock
from rundir.secret import redact, redact_fields
from rundir.size import size_of
from rundir.status import HEARTBEAT_S, INTENT_OF, Heart, Intent, Phase, State, write_status
from rundir.tail import Tail

__all__ = ["RunBusyError", "RunWriter"]

SAMPLE_BEATS = 5
"""Heartbeats from one sample of the memory to the next."""
HOLD_S = 0.1
"""Between two looks for orders while the run is paused."""


class RunWriter:
    """A run of one script. `with RunWriter("runs", name="mine", total_steps=1000) as run:`."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        name: str = "",
        task: str = "script",
        total_steps: int | None = None,
        config: Mapping[str, Any] | None = None,
        takes: Collection[str] = (),
        from_step: int | None = None,
    ) -> None:
        """Make a run, or go on with one.

        With a `name`, `path` is a directory of runs, in which a new one is made; without, it is the run directory
        itself: one that is there goes on as a new attempt. `config` is written down as TOML; `[train] lr` is known to
        viewers as the peak learning rate. `takes` names what the script does when it is told, besides to stop:
        `checkpoint`, `eval`, and of what can be set `lr`, `max_steps`, …. All else is refused on its behalf.
        `from_step`: of a run that goes on, the last step that holds; absent: the one before the first that is logged.

        Raises ValueError for a word in `takes` that is none, RunBusyError, OSError.
        """
        self.takes = check_takes(takes)
        self.dir = layout.create(Path(path).absolute(), name, time.time()) if name else RunDir(Path(path).absolute())
        self.dir.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_fd = lock(self.dir)
        self._status = last_status(self.dir)
        self._lock = threading.Lock()
        """Of the status: the beating thread reads what the script's changes."""
        self._seq = 0
        self._step: int | None = None
        self._logged = -1
        """The last step that `log` was called for: an evaluation may come before it."""
        self._began, self._active_before_s = time.monotonic(), self._status.active_s
        self._from_step = from_step
        self._begin_attempt(total_steps)
        describe(self.dir, name or self.dir.id, task, total_steps, config)
        if name:
            layout.point_latest(self.dir)
        self._metrics, self._events = Appender(self.dir.metrics, sole_writer=True), Appender(self.dir.events)
        self._system = Appender(self.dir.system, sole_writer=True)
        self._found: deque[Order | Malformed] = deque()
        """Orders that were read and not yet answered: a script may leave the loop over them at any."""
        self._reader, self._answered = self._read_earlier_orders()
        self._say("supervised", "a script writes this run")
        self._write_status(durable=True)
        self._closing = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="rundir-beat", daemon=True)
        self._beating.start()
        self._pid = os.getpid()
        atexit.register(self._end_with_process)

    def _begin_attempt(self, total_steps: int | None) -> None:
        now, this = time.time(), process.this_process()
        status = self._status
        status.run, status.state, status.intent, status.phase = self.dir.id, State.STARTING, Intent.RUN, None
        status.attempt += 1
        status.total_steps, status.takes = total_steps, sorted(self.takes)
        status.step = status.step if self._from_step is None else self._from_step
        status.last_error = status.ended_at = status.signal = None
        status.host, status.boot_id, status.started_at = process.host(), process.boot_id(), status.started_at or now
        status.supervisor, status.trainer = Heart(process=this, beat_at=now), Heart(process=this, beat_at=now)

    def _read_earlier_orders(self) -> tuple[ControlReader, set[str]]:
        """Orders that nobody has answered, from before this attempt, have expired."""
        events = Tail(self.dir.events)
        answered: set[str] = set()
        while not (chunk := events.poll()).at_end or chunk.lines:
            found = decode_lines(chunk.lines, EVENT_DECODER).records
            answered |= {event.order for event in found if isinstance(event, OutcomeEvent)}
        known = self._status.control
        reader = ControlReader(self.dir, ControlPosition(generation=known.generation if known else 0))
        while orders := reader.poll():
            for order in orders:
                if order.id not in answered:
                    self._answer(order, answered, "expired: it was given before the script began")
        return reader, answered

    # --- what a script says -----------------------------------------------------------------------------------------

    def log(
        self,
        step: int,
        /,
        *,
        loss: SupportsFloat,
        lr: SupportsFloat | None = None,
        grad_norm: SupportsFloat | None = None,
        epoch: SupportsFloat | None = None,
        **metrics: SupportsFloat,
    ) -> None:
        """What was measured at a step, which counts from 1 and must rise; not every step need be logged.

        Numbers may be tensors or arrays of one element. Raises ValueError for what is no number, or no later step.
        """
        if step <= self._logged or step < self.step:
            raise ValueError(f"step {step} after step {self.step}: steps rise, and one call takes all of a step")
        at_epoch = number("epoch", epoch)
        record = StepRecord(
            at=0,
            attempt=0,
            step=int(step),
            loss=must_number("loss", loss),
            lr=number("lr", lr),
            grad_norm=number("grad_norm", grad_norm),
            epoch=at_epoch,
            metrics=numbers(metrics),
        )
        self._reach(step, at_epoch)
        self._logged = int(step)
        self._measured(record)

    def eval(
        self, step: int, /, loss: SupportsFloat, *, epoch: SupportsFloat | None = None, **metrics: SupportsFloat
    ) -> None:
        """An evaluation made after so many steps; again at the same step, the later holds. Raises ValueError."""
        at_epoch = number("epoch", epoch)
        record = EvalRecord(
            at=0, attempt=0, step=int(step), loss=must_number("loss", loss), epoch=at_epoch, metrics=numbers(metrics)
        )
        self._reach(step, at_epoch)
        self._measured(record)

    def saved(self, step: int, path: str | os.PathLike[str], *, reason: str = "schedule", best: bool = False) -> None:
        """The script has written a checkpoint, a file or a directory. `reason`: schedule, order, best, end or stop."""
        place = Path(path).absolute()
        files = [each for each in place.rglob("*") if each.is_file()] if place.is_dir() else [place]
        size_bytes = sum(map(size_of, files))
        inside = place.relative_to(self.dir.path) if place.is_relative_to(self.dir.path) else place
        self._event(
            CheckpointEvent(
                at=0, attempt=0, writer="trainer", step=int(step), path=str(inside), size_bytes=size_bytes,
                reason=reason, best=best,
            )
        )  # fmt: skip
        with self._lock:
            self._status.checkpoint = str(inside)

    @property
    def step(self) -> int:
        """The last of which this attempt has said anything; 0 before."""
        return self._step or 0

    @property
    def is_paused(self) -> bool:
        """Whether `orders` holds, or would."""
        return self._status.state is State.PAUSED

    def orders(self, step: int | None = None, *, hold: bool = True) -> Iterator[Order]:
        """The orders that the script has said it takes, since it last asked: to be asked for between two steps.

        `stop`, `checkpoint`, `eval`, or `set` with what to set in `args`: their outcome is written, do them now. A
        pause holds here until it is over (without `hold`, see `is_paused`); a note is written down; what is not taken
        is refused, unheard. `step` is the number of steps done, where the last one has not been logged.
        """
        self.beat()
        if step is not None:
            with self._lock:
                self._status.step = max(int(step), self._status.step)
        yield from self._take_up()
        while hold and self.is_paused:
            select.select([], [], [], HOLD_S)
            self.beat()
            yield from self._take_up()

    def beat(self) -> None:
        """The script moves on: for long stretches without any other call, such as a long evaluation."""
        with self._lock:
            if self._status.trainer is not None:
                self._status.trainer.beat_at = time.time()
                self._status.trainer.safe_points += 1

    def close(self, error: str = "", *, state: State | None = None) -> None:
        """The run has ended: by an `error`, by the order to stop, or as planned. A second call does nothing."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._beating.join()
        status = self._status
        for order in (each for each in self._found if each.id not in self._answered):
            self._answer(order, self._answered, "expired: the script has ended")
        ended = state or (State.FAILED if error else State.STOPPED if status.state is State.STOPPING else State.DONE)
        self._say(ended.value, error)
        status.last_error, status.state, status.ended_at, status.phase = error or None, ended, time.time(), None
        for log in (self._metrics, self._events, self._system):
            log.flush()
            with contextlib.suppress(OSError):  # a full disk: what could be written is
                log.sync()
            log.close()
        self._write_status(durable=True)
        os.close(self._lock_fd)
        atexit.unregister(self._end_with_process)

    def _end_with_process(self) -> None:
        """Python ends and nobody has closed the run: by the exception that ends it, or without a word."""
        if os.getpid() != self._pid:
            return  # a forked child's end
        error = getattr(sys, "last_value", None)
        if error is None:
            self.close("the script ended without closing the run")
        else:
            self.__exit__(type(error), error, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or (isinstance(error, SystemExit) and not error.code):
            self.close()
        elif isinstance(error, KeyboardInterrupt):
            self._status.signal = "SIGINT"
            self.close("KeyboardInterrupt", state=State.STOPPED)
        else:
            self.close(redact(f"{type(error).__name__}: {error}", os.environ))

    # --- orders -----------------------------------------------------------------------------------------------------

    def _take_up(self) -> Iterator[Order]:
        self._found.extend(self._reader.poll())
        with self._lock:
            self._status.control = self._reader.position
        while self._found:
            order = self._found.popleft()
            if order.id in self._answered:
                continue
            if isinstance(order, Malformed):
                self._answer(order, self._answered, order.reason)
                continue
            why_not = refusal(order, self._status.state, self.takes, os.getpid())
            if why_not is None and order.verb in INTENT_OF:
                self._intend(INTENT_OF[order.verb])  # on disk before the outcome
            self._answer(order, self._answered, why_not)
            if why_not is None:
                yield from self._carry_out(order)

    def _carry_out(self, order: Order) -> Iterator[Order]:
        match order.verb:
            case Verb.PAUSE:
                self._move_to(State.PAUSED, Phase.PAUSED)
                self._say("paused")
            case Verb.RESUME:
                self._move_to(State.RUNNING, Phase.TRAIN)
                self._say("resumed")
            case Verb.NOTE:
                text = str(order.args["text"]).strip()
                self._event(NoteEvent(at=0, attempt=0, writer="trainer", step=self._step, text=text, by=order.by))
            case Verb.STOP:
                self._move_to(State.STOPPING, Phase.LEAVING)
                yield order
            case _:
                yield order

    def _answer(self, order: Order | Malformed, answered: set[str], refused: str | None) -> None:
        answered.add(order.id)
        self._event(
            OutcomeEvent(
                at=0, attempt=0, writer="trainer", step=self._status.step, order=order.id, verb=str(order.verb),
                result="applied" if refused is None else "refused", reason=(refused or "")[:MAX_REASON_LENGTH],
                args=order.args or None if isinstance(order, Order) else None, by=order.by,
            )
        )  # fmt: skip

    # --- files ------------------------------------------------------------------------------------------------------

    def _reach(self, step: int, epoch: float | None) -> None:
        """The status of a step; before the first of a later attempt, that what lies beyond holds no more."""
        if self._closing.is_set():
            raise ValueError(f"step {step}: the run has ended")
        is_first = self._step is None
        if is_first:
            if self._status.attempt > 1:
                holds = int(step) - 1 if self._from_step is None else self._from_step
                self._status.step = holds
                self._measured(ResumeRecord(at=0, attempt=0, step=holds, reason="resume", exact=False))
                self._event(ResumeEvent(at=0, attempt=0, writer="trainer", step=holds, reason="resume", exact=False))
            self._say("training")
        self._step = max(int(step), self._step or 0)
        self.beat()
        with self._lock:
            self._status.step = self._step if is_first else max(self._step, self._status.step)
            self._status.epoch = self._status.epoch if epoch is None else epoch
        if is_first:
            self._move_to(State.RUNNING, Phase.TRAIN)

    def _measured(self, record: MetricsRecord) -> None:
        self._stamp(record)
        self._metrics.append(encode(record))

    def _event(self, event: EventRecord) -> None:
        redact_fields(event, os.environ)
        self._stamp(event)
        self._events.append(encode(event))

    def _stamp(self, record: MetricsRecord | EventRecord) -> None:
        self._seq += 1
        record.at, record.attempt, record.seq = time.time(), self._status.attempt, self._seq

    def _say(self, what: str, message: str = "") -> None:
        self._event(
            LifecycleEvent(at=0, attempt=0, writer="trainer", step=self._status.step, what=what, message=message)
        )

    def _move_to(self, state: State, phase: Phase) -> None:
        with self._lock:
            self._status.state, self._status.phase = state, phase
        self._write_status()

    def _intend(self, intent: Intent) -> None:
        with self._lock:
            self._status.intent = intent
        self._write_status(durable=True)

    def _beat(self) -> None:
        num_beats = 0
        while not self._closing.wait(HEARTBEAT_S):
            self._write_status()
            if num_beats % SAMPLE_BEATS == 0:
                self._sample(num_beats // SAMPLE_BEATS + 1)
            num_beats += 1

    def _sample(self, seq: int) -> None:
        rss_bytes = process.rss_bytes()
        if rss_bytes is not None:
            sample = SystemRecord(at=time.time(), attempt=self._status.attempt, seq=seq, run_rss_bytes=rss_bytes)
            self._system.append(encode(sample))

    def _write_status(self, *, durable: bool = False) -> None:
        with self._lock:
            now = self._status.updated_at = time.time()
            self._status.active_s = self._active_before_s + time.monotonic() - self._began
            if self._status.supervisor is not None:
                self._status.supervisor.beat_at = now
            with contextlib.suppress(OSError):  # a full disk, a directory that was removed: the next beat tries again
                write_status(self.dir.status_json, self._status, durable=durable)
