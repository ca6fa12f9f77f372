"""The supervisor process: holds the run's lock, keeps a trainer alive as intended, answers orders, and says how it is.

Small on purpose: it outlives what kills training. Never imports torch. This is its course from one tick to the next;
what orders do is in `order_effects`, what status.json says in `status_file`, what is done every so often in `rounds`.
"""

import os
import select
import time
from functools import partial

from rundir import process
from rundir.layout import RunDir
from rundir.records import EventRecord
from rundir.size import size_of
from rundir.status import HEARTBEAT_S, Intent, State
from traind import identity
from traind.aftermath import Aftermath
from traind.config import Config
from traind.eventlog import EventLog
from traind.on_alert import Bindings, Wish
from traind.order_desk import WITH_TRAINER
from traind.order_effects import OrderEffects
from traind.ranked_trainer import start_trainer
from traind.rounds import Rounds
from traind.signals import Signals
from traind.status_file import StatusFile, write_or_log
from traind.trainer_process import Ending, TrainerProcess
from traind.vigil import Vigil, clear_left_open
from traind.wire import Beat, Facts, Here, Retreat

TICK_S = 0.05


class Supervisor:
    """Owns the trainer process and what is to become of it, from taking the run's lock to leaving it."""

    def __init__(self, run: RunDir, config: Config, lock_fd: int, argv: list[str]) -> None:
        self.run = run
        self.config = config
        self._lock_fd = lock_fd
        self._argv = argv
        self.status = StatusFile(run)
        self.trainer: TrainerProcess | None = None
        self._rounds = Rounds(run, config, self.status.now)
        self._orders = OrderEffects(run, self, config.train.lr)
        history = self._rounds.read_events()
        self._orders.note_outcomes(history)
        self._bindings = Bindings(config.policy)
        self._heed_alerts(history)
        last_seq = max((event.seq for event in history if event.writer == "supervisor"), default=0)
        self.events = EventLog(run.events, "supervisor", self.status.now.attempt, run.reserve, last_seq=last_seq)
        if self.status.lost:
            self.status.note_reached(history)
            self.events.lifecycle("supervisor_lost", self.status.lost)
        clear_left_open(history, self.events, self.status.now.step)
        self._aftermath = Aftermath(run, config.policy, self)
        self._vigil: Vigil | None = None
        self._restart_at: float | None = None
        self._signals = Signals()
        self._beat_due_at = 0.0
        self._was_started = False
        """Whether this supervisor ever had a trainer; one called for a single order leaves after it."""

    # --- its course ----------------------------------------------------------------------------------------------

    def announce(self) -> None:
        """Put this process into status.json: from here on the run is attended."""
        self.status.write(durable=True)

    def supervise(self, reason: str, order_id: str | None) -> State:
        """Until the run has ended, or needs no supervisor. `order_id`: the one old order that is not expired."""
        self._signals.listen()
        if reason == "start":
            self.spawn("start")
        elif reason == "take-up":
            self._take_up()
        self._orders.take_up_old(order_id)
        while self._has_work() or self._takes_last_orders():
            self._tick()
        self._close()
        return self.status.now.state

    def _take_up(self) -> None:
        """Go on as the run was intended to be when its last supervisor was lost. Not an order: the intent stays."""
        match self.status.now.intent:
            case Intent.RUN | Intent.PAUSED:
                self.spawn("restart")
            case Intent.PARKED:
                self.park()
            case Intent.STOPPED:
                self.end(State.STOPPED)

    def _has_work(self) -> bool:
        state = self.status.now.state
        is_waiting = state is State.PARKED and self._was_started and not self._signals.num_noted
        waits = self.is_restarting or is_waiting
        return self.trainer is not None or (waits and not state.has_ended)

    def _takes_last_orders(self) -> bool:
        """Answer what came while the run ended; a resume among it is work again. After a signal, leave at once."""
        if not self._signals.num_noted:
            self._orders.take_arrivals()
        return self._has_work()

    def _tick(self) -> None:
        self._wait()
        self._heed_signals()
        now = time.monotonic()
        self._hear_trainer()
        if self._rounds.is_watch_due(now):
            self._act_on_alerts(self._read_records())
            self._rounds.look_at_sinks(self.events)
            self._rounds.tell(self.events)
        self._orders.take_arrivals()
        if self.trainer is not None and (ending := self.trainer.ended()) is not None:
            self._on_ending(self.trainer, ending)
        if self._vigil is not None:
            self._vigil.look(self.status.now, self.events)
        if self._restart_at is not None and now >= self._restart_at:
            self._restart_at = None
            self.spawn("restart")
        self._rounds.write_what_is_due(now, [] if self.trainer is None else self.trainer.pids)
        self._beat()

    def _beat(self) -> None:
        now = time.monotonic()
        if now >= self._beat_due_at:
            self._beat_due_at = now + HEARTBEAT_S
            self.status.write()

    def _wait(self) -> None:
        fds = [self.trainer.report_fd] if self.trainer is not None else []
        select.select(fds, [], [], TICK_S)

    def _heed_signals(self) -> None:
        """Checkpoint and leave; a second one: leave now. The intent stays, so that the run can be taken up again."""
        has_come, is_first = self._signals.heed()
        if not has_come:
            return
        status, text = self.status.now, f"{self._signals.name} to the supervisor (process {os.getpid()})"
        if status.state is State.PARKED:
            self.events.lifecycle("unattended", text, step=status.step)
            return
        status.signal, status.last_error = self._signals.name, text
        if self.trainer is None:
            self.end(State.STOPPED, text)
        elif is_first:
            self.trainer.terminate()
            self.await_leaving()
        else:
            self.trainer.kill()

    def _read_records(self) -> list[Wish]:
        """What the new records come to; the orders that alerts among them call for."""
        events = self._rounds.read_events()
        self._orders.note_outcomes(events)
        wishes = self._heed_alerts(events)
        self._rounds.read_metrics(self.events)
        return wishes

    def _heed_alerts(self, events: list[EventRecord]) -> list[Wish]:
        return [wish for event in events if (wish := self._bindings.hear(event)) is not None]

    def _act_on_alerts(self, wishes: list[Wish]) -> None:
        """While it trains: what a run that has ended would have called for, nobody is to undo its end for."""
        for wish in wishes:
            if self.trainer is not None and self.status.now.state in WITH_TRAINER:
                self._orders.act(wish, self.config.policy)

    def _close(self) -> None:
        self._read_records()
        self._rounds.keep_alerts()
        self.status.write(durable=True)
        self._rounds.tell_the_last(self.events, self._beat, lambda: self.is_told_to_leave)
        write_or_log("events.jsonl", self.events.sync)
        self.events.close()

    # --- the trainer ---------------------------------------------------------------------------------------------

    @property
    def is_restarting(self) -> bool:
        return self._restart_at is not None

    def await_leaving(self) -> None:
        """The trainer is told to leave: it is ended unless it does within `grace_s`."""
        if self._vigil is not None:
            self._vigil.await_leaving()

    def begin_anew(self, reason: str) -> None:
        """End the trainer at once: what it has done since the last checkpoint is not wanted. Then start another."""
        if self.trainer is not None:
            self._aftermath.begin_anew = reason
            self.trainer.kill()

    def spawn(self, reason: str) -> None:
        """Start a trainer as the run is intended to be."""
        if not self._was_started:
            lost = "; status.json could not be read, and was made anew from the events" if self.status.was_lost else ""
            self.events.lifecycle("supervised", f"process {os.getpid()} on {process.host()}{lost}")
        self.status.begin_attempt()
        attempt = self.events.attempt = self.status.now.attempt
        paused = self.status.now.intent is Intent.PAUSED
        try:
            trainer = start_trainer(
                self.run,
                self.config,
                attempt=attempt,
                reason=reason,
                paused=paused,
                lock_fd=self._lock_fd,
                oom_kills=self.status.now.oom_kills,
            )
        except OSError as error:  # no memory or no process left for it, a read-only disk: a crash before it began
            cause = f"the trainer could not be started: {error}"
            self._aftermath.follow(Ending(None, cause, console_begin=size_of(self.run.console)))
            return
        self.trainer = trainer
        self._vigil = Vigil(self.run, self.config.policy, trainer)
        self._was_started = True
        self._rounds.start_sinks()
        self.status.note_trainer(trainer.id)
        self.events.lifecycle("spawned", f"attempt {attempt}, process {trainer.id.pid}: {reason}")
        self._orders.hand_on_again(trainer)
        self.status.write(durable=True)

    def _hear_trainer(self) -> None:
        if self.trainer is None:
            return
        for report in self.trainer.reports():
            match report:
                case Beat():
                    self.status.note_beat(report)
                    if report.signal is not None and self._vigil is not None:
                        self._vigil.await_leaving()
                case Facts():
                    self._note_facts(report)
                case Here():
                    self.status.note_rank(report.rank, report.process)
                case _:
                    pass  # the farewell is read with the ending

    def _note_facts(self, facts: Facts) -> None:
        status = self.status.now
        status.device = facts.device
        write = partial(identity.write_run_json, self.run, self.config, self._argv, status.started_at, facts)
        write_or_log("run.json", write)

    # --- its end -------------------------------------------------------------------------------------------------

    def _on_ending(self, trainer: TrainerProcess, ending: Ending) -> None:
        self._hear_trainer()
        trainer.close()
        if self._vigil is not None:
            self._vigil.close(self.status.now, self.events)
        self.trainer = self._vigil = None
        self.status.forget_trainer()
        self._read_records()
        self._aftermath.follow(ending)
        self.status.write(durable=True)

    @property
    def is_told_to_leave(self) -> bool:
        return self._signals.num_noted > 0

    def restart_in(self, delay_s: float) -> None:
        """Start another trainer then."""
        self._restart_at = time.monotonic() + delay_s

    def retreat(self, wish: Retreat) -> str | None:
        """Go back for bad numbers; why the run is held instead, where it did so often enough."""
        return self._orders.retreat(wish, self.config.policy)

    def park(self, lost: str | None = None) -> None:
        """No trainer any more, by order. `lost`: what it could not save."""
        self._restart_at = None
        self.status.now.state = State.PARKED
        self.status.now.last_error = lost
        self.events.lifecycle("parked", lost or "", step=self.status.now.step)
        self._orders.answer_in_flight("the run was parked first")
        if self.status.now.intent is Intent.RUN:  # resumed while the trainer was leaving
            self.spawn("resume")

    def end(self, state: State, error: str | None = None, *, was_killed: bool = False) -> None:
        """The run has ended."""
        # Before the end is said: who waits for it may read them.
        self._rounds.finish_sinks(self.events, self._beat, lambda: was_killed or self._signals.num_noted > 1)
        self.status.end(state, error)
        self._restart_at = None
        self._orders.answer_in_flight(f"the run ended first: {state}")
        self.events.lifecycle(str(state), error or "", step=self.status.now.step)
