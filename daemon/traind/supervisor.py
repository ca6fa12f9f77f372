"""The supervisor process: holds the run's lock, keeps a trainer alive as intended, answers orders, and says how it is.

Small on purpose: it outlives what kills training. Never imports torch. Sole writer of status.json, run.json and
system.jsonl.
"""

import logging
import os
import select
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import assert_never

from rundir import process
from rundir.append import Appender
from rundir.control import Malformed, Order, Verb
from rundir.layout import RunDir
from rundir.records import NoteEvent, encode
from rundir.status import HEARTBEAT_S, Heart, Intent, Phase, State, Status, read_status, write_status
from traind import identity, policy
from traind.config import Config
from traind.eventlog import EventLog
from traind.machine import Machine
from traind.order_desk import OrderDesk, argument_fault, refusal
from traind.sink_process import Failure, Sinks
from traind.sinks.catalog import wanted
from traind.trainer_process import Ending, TrainerProcess
from traind.watch import RecordWatch, last_console_lines, newest_checkpoint
from traind.wire import Beat, Facts, Leave

TICK_S = 0.05
WATCH_S = 0.25
KEEP_S = 5.0

log = logging.getLogger(__name__)


class Supervisor:
    """Owns the status of one run from taking its lock to leaving it."""

    def __init__(self, run: RunDir, config: Config, lock_fd: int, argv: list[str]) -> None:
        self.run = run
        self.config = config
        self._lock_fd = lock_fd
        self._argv = argv
        previous = read_status(run.status_json)
        self.status = previous or Status(run=run.id, state=State.STARTING)
        self.status.host, self.status.boot_id = process.host(), process.boot_id()
        self.status.supervisor = Heart(process=process.this_process(), beat_at=time.time())
        self.status.trainer = None
        self._system = Appender(run.system, sole_writer=True)
        self._machine = Machine(run.path)
        self._watch = RecordWatch(
            run, {"non_finite": config.alerts.non_finite, "overfitting": config.alerts.overfitting}
        )
        self._sinks = Sinks(run, wanted(config.log))
        self._desk = OrderDesk(run, self.status.control)
        history = self._watch.events()
        self._desk.note_outcomes(history)
        self.status.checkpoint = newest_checkpoint(history) or self.status.checkpoint
        last_seq = max((event.seq for event in history if event.writer == "supervisor"), default=0)
        self._events = EventLog(run.events, "supervisor", self.status.attempt, run.reserve, last_seq=last_seq)
        self._trainer: TrainerProcess | None = None
        self._crashes: list[policy.Crash] = []
        self._restart_at: float | None = None
        self._leave_by: float | None = None
        self._signals = self._signals_heeded = 0
        self._signal_name = ""
        self._due = dict.fromkeys(("watch", "keep", "system", "status"), 0.0)
        self._spawned_at = 0.0
        self._active_before_s = self.status.active_s

    # --- its course ----------------------------------------------------------------------------------------------

    def announce(self) -> None:
        """Put this process into status.json: from here on the run is attended."""
        self._write_status(durable=True)

    def supervise(self, reason: str, order_id: str | None) -> State:
        """Until the run has ended, or needs no supervisor. `order_id`: the one old order that is not expired."""
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(signum, self._on_signal)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if reason == "start":
            self._spawn("start")
        self._take_up_old_orders(order_id)
        while self._has_work() or self._takes_last_orders():
            self._tick()
        self._close()
        return self.status.state

    def _has_work(self) -> bool:
        waits = self._restart_at is not None or (self.status.state is State.PARKED and self._was_started)
        return self._trainer is not None or (waits and not self.status.state.has_ended)

    def _takes_last_orders(self) -> bool:
        """Answer what came while the run ended; a resume among it is work again. After a signal, leave at once."""
        if not self._signals:
            for order in self._desk.arrivals():
                self._take(order)
        return self._has_work()

    @property
    def _was_started(self) -> bool:
        """Whether this supervisor ever had a trainer; one called for a single order leaves after it."""
        return self._spawned_at > 0

    def _tick(self) -> None:
        self._wait()
        self._heed_signals()
        now = time.monotonic()
        self._hear_trainer()
        if self._is_due("watch", WATCH_S, now):
            self._read_records()
            self._note_sinks(self._sinks.look())
        for order in self._desk.arrivals():
            self._take(order)
        if self._trainer is not None and (ending := self._trainer.ended()) is not None:
            self._on_ending(self._trainer, ending)
        if self._restart_at is not None and now >= self._restart_at:
            self._restart_at = None
            self._spawn("restart")
        if self._leave_by is not None and now >= self._leave_by and self._trainer is not None:
            log.warning("the trainer did not leave within %.0f s; ending it", self.config.policy.grace_s)
            self._trainer.kill()
            self._leave_by = None
        if self._is_due("system", self.config.log.system_every_s, now):
            self._sample()
        if self._is_due("keep", KEEP_S, now):
            self._attempt("alerts.json", self._watch.keep)
        self._beat()

    def _beat(self) -> None:
        if self._is_due("status", HEARTBEAT_S, time.monotonic()):
            self._write_status()

    def _attempt(self, what: str, write: Callable[[], None]) -> None:
        """Write something that training does not depend on: a full disk must not end the supervisor."""
        try:
            write()
        except OSError as error:
            log.error("%s could not be written: %s", what, error)

    def _wait(self) -> None:
        fds = [self._trainer.report_fd] if self._trainer is not None else []
        select.select(fds, [], [], TICK_S)

    def _is_due(self, what: str, every_s: float, now: float) -> bool:
        if now < self._due[what]:
            return False
        self._due[what] = now + every_s
        return True

    def _on_signal(self, signum: int, frame: object) -> None:  # noqa: ARG002
        """Only notes it: wherever the supervisor was interrupted, it acts on its next tick."""
        self._signals += 1
        self._signal_name = signal.Signals(signum).name

    def _heed_signals(self) -> None:
        """Checkpoint and leave; a second one: leave now. The intent stays, so that the run can be taken up again."""
        if self._signals == self._signals_heeded:
            return
        is_first, self._signals_heeded = self._signals_heeded == 0 and self._signals == 1, self._signals
        self.status.last_error = f"ended by {self._signal_name}"
        if self._trainer is None:
            self._end(State.STOPPED, self.status.last_error)
        elif is_first:
            self._trainer.terminate()
            self._leave_by = time.monotonic() + self.config.policy.grace_s
        else:
            self._trainer.kill()

    # --- the trainer ---------------------------------------------------------------------------------------------

    def _spawn(self, reason: str) -> None:
        if not self._was_started:
            self._events.lifecycle("supervised", f"process {os.getpid()} on {process.host()}")
        self.status.attempt += 1
        self._events.attempt = self.status.attempt
        self.status.state, self.status.phase = State.STARTING, None
        self.status.last_error, self.status.ended_at, self.status.is_mistake = None, None, False
        self._active_before_s = self.status.active_s
        self._write_status(durable=True)  # an attempt's number is never given twice
        paused = self.status.intent is Intent.PAUSED
        self._trainer = TrainerProcess(
            self.run, attempt=self.status.attempt, reason=reason, paused=paused, lock_fd=self._lock_fd
        )
        self._sinks.start()
        self._spawned_at = time.monotonic()
        self.status.started_at = self.status.started_at or time.time()
        self.status.trainer = Heart(process=self._trainer.id, beat_at=time.time())
        self._events.lifecycle("spawned", f"attempt {self.status.attempt}, process {self._trainer.id.pid}: {reason}")
        for order in self._desk.in_flight.values():
            self._trainer.order(order)
        self._write_status(durable=True)

    def _hear_trainer(self) -> None:
        if self._trainer is None:
            return
        for report in self._trainer.reports():
            match report:
                case Beat():
                    self._note_beat(report)
                case Facts():
                    self.status.device = report.device
                    write = partial(
                        identity.write_run_json, self.run, self.config, self._argv, self.status.started_at, report
                    )
                    self._attempt("run.json", write)
                case _:
                    pass  # the farewell is read with the ending

    def _note_beat(self, beat: Beat) -> None:
        status = self.status
        if status.trainer is not None:
            status.trainer.beat_at, status.trainer.safe_points = time.time(), beat.safe_points
        is_first_step = beat.step == 1 and status.step == 0
        if beat.step is not None:
            status.step, status.epoch = beat.step, beat.epoch
        status.total_steps = beat.total_steps or status.total_steps
        status.total_epochs = beat.total_epochs or status.total_epochs
        changed = status.phase is not beat.phase
        status.phase = beat.phase
        state = _state_in(beat.phase, status.state)
        if state is not status.state or changed or is_first_step:
            status.state = state
            self._write_status()

    def _on_ending(self, trainer: TrainerProcess, ending: Ending) -> None:
        self._hear_trainer()
        trainer.close()
        self._trainer, self._leave_by = None, None
        self.status.trainer, self.status.phase = None, None
        self._active_before_s = self.status.active_s
        self._read_records()
        match ending.farewell.reason if ending.farewell else None:
            case Leave.DONE:
                self._end(State.DONE)
            case Leave.PARKED:
                self._park()
            case Leave.STOPPED:
                self._end(State.STOPPED)
            case Leave.SIGNALLED:
                self._end(State.STOPPED, self.status.last_error or "the trainer was told to leave by a signal")
            case Leave.MISTAKE:
                self.status.is_mistake = True
                self._end(State.FAILED, ending.cause)
            case Leave.CRASHED | Leave.ORPHANED | None:
                self._after_crash(ending)
            case other:
                assert_never(other)
        self._write_status(durable=True)

    def _after_crash(self, ending: Ending) -> None:
        """What was intended decides; else the restart policy."""
        if self.status.intent is Intent.STOPPED or self._signals:
            self._end(State.STOPPED, self.status.last_error, was_killed=True)
            return
        step = self.status.step
        self._events.lifecycle("crashed", ending.cause, step=step, detail={"console": last_console_lines(self.run)})
        if self.status.intent is Intent.PARKED:
            self._park()
            return
        self._crashes.append(
            policy.Crash(time.monotonic(), step, ending.cause, is_exception=ending.farewell is not None)
        )
        verdict = policy.after_crash(
            self._crashes, self.config.policy.max_restarts, self.config.policy.restart_window_s
        )
        if verdict.give_up is not None:
            self._end(State.FAILED, verdict.give_up)
            return
        self.status.state, self.status.last_error = State.RESTARTING, ending.cause
        self._restart_at = time.monotonic() + verdict.delay_s
        self._events.lifecycle("restarting", f"in {verdict.delay_s:.1f} s", step=step)

    def _park(self) -> None:
        self.status.state = State.PARKED
        self._events.lifecycle("parked", step=self.status.step)
        self._answer_in_flight("the run was parked first")
        if self.status.intent is Intent.RUN:  # resumed while the trainer was leaving
            self._spawn("resume")

    def _end(self, state: State, error: str | None = None, *, was_killed: bool = False) -> None:
        ended_at = time.time()
        # Before the end is said: who waits for it may read them.
        self._note_sinks(self._sinks.finish(self._beat, lambda: was_killed or self._signals > 1))
        self.status.state, self.status.last_error, self.status.ended_at = state, error, ended_at
        self._restart_at = None
        self._answer_in_flight(f"the run ended first: {state}")
        self._events.lifecycle(str(state), error or "", step=self.status.step)

    # --- orders --------------------------------------------------------------------------------------------------

    def _take_up_old_orders(self, order_id: str | None) -> None:
        while orders := self._desk.arrivals():
            for order in orders:
                if order.id == order_id:
                    self._take(order)
                elif order.id not in self._desk.in_flight:
                    self._answer(order, "expired: given before this supervisor started")

    def _take(self, order: Order | Malformed) -> None:
        if isinstance(order, Malformed):
            self._answer(order, order.reason)
            return
        status = self.status
        per_epoch = status.total_steps / status.total_epochs if status.total_steps and status.total_epochs else None
        is_dead = self._trainer is None and self._restart_at is None and not status.state.has_ended
        state = State.PARKED if is_dead else status.state
        is_parking = state is State.STOPPING and status.intent is Intent.PARKED
        if is_parking and order.verb is Verb.RESUME:
            self._intend(Intent.RUN)
            self._answer(order, None)
            return
        if self._trainer is not None and order.verb in (Verb.PAUSE, Verb.RESUME) and state is not State.STOPPING:
            refused = argument_fault(order)  # whether it holds is known to the trainer alone
        else:
            refused = refusal(order, state, status.step, self._planned_steps(), per_epoch)
        if refused is not None:
            self._answer(order, refused)
        elif self._trainer is not None and order.verb not in (Verb.NOTE, Verb.KILL):
            self._hand_on(order, self._trainer)
        else:
            self._obey(order)

    def _planned_steps(self) -> int | None:
        """Steps the run is planned for; unknown once a `set` has extended a run that had ended."""
        return None if self._desk.has_extension else self.status.total_steps

    def _hand_on(self, order: Order, trainer: TrainerProcess) -> None:
        """The intent is on disk before the trainer can answer."""
        intent = {
            Verb.PAUSE: Intent.PAUSED,
            Verb.PARK: Intent.PARKED,
            Verb.RESUME: Intent.RUN,
            Verb.STOP: Intent.STOPPED,
        }.get(order.verb)
        if intent is not None and intent is not self.status.intent:
            self._intend(intent)
        if order.verb in (Verb.PARK, Verb.STOP):
            self._leave_by = time.monotonic() + self.config.policy.grace_s
            self.status.state = State.STOPPING  # an order right behind this one must know
        self._desk.in_flight[order.id] = order
        trainer.order(order)

    def _obey(self, order: Order) -> None:
        """Orders that need no trainer, or of which there is none."""
        match order.verb:
            case Verb.NOTE:
                self._answer(order, None)
                text = str(order.args["text"])[:2000]
                self._events.write(
                    NoteEvent(at=0, attempt=0, writer="supervisor", text=text, by=order.by, step=self.status.step)
                )
            case Verb.RESUME:
                reason = "extend" if self.status.state is State.DONE else "resume"
                # Before the outcome, so that nobody takes the old end for a new one.
                self.status.state, self.status.ended_at = State.STARTING, None
                self._intend(Intent.RUN)
                self._answer(order, None)
                self._spawn(reason)
            case Verb.STOP | Verb.KILL:
                self._intend(Intent.STOPPED)
                self._answer(order, None)
                if self._trainer is None:
                    self._end(State.STOPPED)
                else:
                    self._trainer.kill()
            case Verb.PARK:  # between a crash and its restart: there is nothing left to leave
                self._intend(Intent.PARKED)
                self._answer(order, None)
                self._restart_at = None
                self._park()
            case Verb.SET:
                self._answer(order, None)
            case Verb.PAUSE | Verb.CHECKPOINT | Verb.EVAL:  # between a crash and its restart
                if order.verb is Verb.PAUSE:
                    self._intend(Intent.PAUSED)
                self._desk.in_flight[order.id] = order  # the next trainer gets it
            case other:
                assert_never(other)

    def _intend(self, intent: Intent) -> None:
        """What the run is to be, on disk before any outcome says so."""
        self.status.intent = intent
        self._write_status(durable=True)

    def _answer(self, order: Order | Malformed, refused: str | None) -> None:
        self._desk.answer(order, self._events, step=self.status.step, refused=refused)

    def _answer_in_flight(self, why: str) -> None:
        self._desk.answer_in_flight(self._events, self.status.state, step=self.status.step, refused=why)

    # --- what it writes ------------------------------------------------------------------------------------------

    def _read_records(self) -> None:
        events = self._watch.events()
        self._desk.note_outcomes(events)
        self.status.checkpoint = newest_checkpoint(events) or self.status.checkpoint
        for change in self._watch.alert_changes():
            self._events.write(change.as_event(at=0, attempt=0))

    def _note_sinks(self, failures: list[Failure]) -> None:
        for failure in failures:
            detail = {"sink": str(failure.name), "reason": failure.reason}
            self._events.lifecycle(
                "sink_failed", f"{failure.name}: {failure.reason}", step=self.status.step, detail=detail
            )

    def _sample(self) -> None:
        pids = [os.getpid()] + ([self._trainer.id.pid] if self._trainer is not None else [])
        record = self._machine.sample(pids)
        record.at, record.attempt = time.time(), self.status.attempt
        self._system.append(encode(record))

    def _write_status(self, *, durable: bool = False) -> None:
        now = time.time()
        if self.status.supervisor is not None:
            self.status.supervisor.beat_at = now
        if self._trainer is not None:
            self.status.active_s = self._active_before_s + time.monotonic() - self._spawned_at
        self.status.updated_at = now
        self.status.control = self._desk.position
        self._attempt("status.json", partial(write_status, self.run.status_json, self.status, durable=durable))

    def _close(self) -> None:
        self._read_records()
        self._attempt("alerts.json", self._watch.keep)
        self._write_status(durable=True)
        self._attempt("events.jsonl", self._events.sync)
        self._events.close()


def _state_in(phase: Phase, before: State) -> State:
    """The run's state as its trainer's phase shows it."""
    match phase:
        case Phase.PAUSED:
            return State.STOPPING if before is State.STOPPING else State.PAUSED
        case Phase.LEAVING:
            return State.STOPPING
        case Phase.LOADING | Phase.TOKENIZING | Phase.PRETRAIN:
            return before
        case Phase.TRAIN | Phase.EVAL | Phase.SAVE:
            return State.STOPPING if before is State.STOPPING else State.RUNNING
        case other:
            assert_never(other)
