"""The content of status.json, and when it is written. Sole writer of that file; knows nothing of processes' ends."""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import assert_never

from rundir import process
from rundir.layout import RunDir
from rundir.process import ProcessId
from rundir.records import EventRecord
from rundir.status import Heart, Intent, Phase, State, Status, write_status
from traind.run_state import is_readable, status_of
from traind.wire import Beat

log = logging.getLogger(__name__)


class StatusFile:
    """Owns the status of a run while this process supervises it, and the clock of its active seconds."""

    def __init__(self, run: RunDir) -> None:
        self._path = run.status_json
        self.was_lost = run.events.is_file() and not is_readable(run)
        """Whether what is known comes from the run's events, as status.json could not be read."""
        self.now = status_of(run) or Status(run=run.id, state=State.STARTING)
        self.lost = _lost(self.now)
        """What became of an earlier supervisor that never left the run; empty where there was none."""
        self.now.host, self.now.boot_id = process.host(), process.boot_id()
        self.now.supervisor = Heart(process=process.this_process(), beat_at=time.time())
        self.now.trainer, self.now.ranks, self.now.phase = None, {}, None
        self.step_of_attempt: int | None = None
        """The last that the present trainer, or the one that has just ended, has told of."""
        self._spawned_at: float | None = None
        self._active_before_s = self.now.active_s

    def write(self, *, durable: bool = False) -> None:
        """Replace the file, this process's beat in it. A full disk is logged, and no more."""
        at = time.time()
        if self.now.supervisor is not None:
            self.now.supervisor.beat_at = at
        if self._spawned_at is not None:
            self.now.active_s = self._active_before_s + time.monotonic() - self._spawned_at
        self.now.updated_at = at
        write_or_log("status.json", partial(write_status, self._path, self.now, durable=durable))

    def intend(self, intent: Intent) -> None:
        """What the run is to be, on disk before any outcome says so."""
        self.now.intent = intent
        self.write(durable=True)

    def begin_attempt(self) -> None:
        """A trainer is about to be started. Durable: an attempt's number is never given twice."""
        self.now.attempt += 1
        self.now.state, self.now.phase = State.STARTING, None
        self.now.last_error, self.now.ended_at, self.now.is_mistake = None, None, False
        self.now.signal = self.step_of_attempt = None
        self.write(durable=True)

    def note_trainer(self, trainer: ProcessId) -> None:
        """It was started."""
        self._spawned_at = time.monotonic()
        self.now.started_at = self.now.started_at or time.time()
        self.now.trainer = Heart(process=trainer, beat_at=time.time())

    def note_rank(self, rank: int, its: ProcessId) -> None:
        """One of several processes of the trainer has come; on disk at once, for whoever must end it."""
        self.now.ranks[rank] = its
        self.write(durable=True)

    def note_beat(self, beat: Beat) -> None:
        """What the trainer said of itself; written at once where a viewer waits for it."""
        status = self.now
        if status.trainer is not None:
            status.trainer.beat_at, status.trainer.safe_points = time.time(), beat.safe_points
        is_first_step = beat.step == 1 and status.step == 0
        if beat.step is not None:
            status.step, status.epoch = beat.step, beat.epoch
            self.step_of_attempt = beat.step
        status.total_steps = beat.total_steps or status.total_steps
        status.total_epochs = beat.total_epochs or status.total_epochs
        phase = Phase.PARKING if self.is_parking else beat.phase
        changed = status.phase is not phase
        status.phase = phase
        state = _state_in(beat.phase, status.state)
        if state is not status.state or changed or is_first_step:
            status.state = state
            self.write()

    def note_reached(self, history: Sequence[EventRecord]) -> None:
        """Of a trainer that went on without supervisor, what it has written of its last steps."""
        steps = [event.step or 0 for event in history if event.attempt == self.now.attempt]
        self.now.step = max([self.now.step, *steps])

    @property
    def is_parking(self) -> bool:
        """Whether the trainer is on its way out by a park that nothing has taken back."""
        return self.now.state is State.STOPPING and self.now.intent is Intent.PARKED

    def await_leaving(self) -> None:
        """The trainer was told to leave: an order right behind this one must know."""
        self.now.state = State.STOPPING
        if self.is_parking:
            self.now.phase = Phase.PARKING
        self.write()

    def forget_trainer(self) -> None:
        """It has ended."""
        self._spawned_at, self._active_before_s = None, self.now.active_s
        self.now.trainer, self.now.ranks, self.now.phase = None, {}, None

    def end(self, state: State, error: str | None) -> None:
        """The run has ended. The caller says it in events.jsonl and writes the file."""
        self.now.state, self.now.last_error, self.now.ended_at = state, error, time.time()


def _lost(before: Status) -> str:
    """A supervisor that leaves takes its trainer out of the status: where one stands there, none has left."""
    if before.trainer is None or before.supervisor is None or before.state.has_ended:
        return ""
    why = "" if before.boot_id in ("", process.boot_id()) else ": the machine was started anew"
    return f"the supervisor (process {before.supervisor.process.pid}) was lost while the run was {before.state}{why}"


def write_or_log(what: str, write: Callable[[], None]) -> None:
    """Write something that training does not depend on: a full disk must not end the supervisor."""
    try:
        write()
    except OSError as error:
        log.error("%s could not be written: %s", what, error)


def _state_in(phase: Phase, before: State) -> State:
    """The run's state as its trainer's phase shows it."""
    match phase:
        case Phase.PAUSED:
            return State.STOPPING if before is State.STOPPING else State.PAUSED
        case Phase.LEAVING | Phase.PARKING:
            return State.STOPPING
        case Phase.LOADING | Phase.TOKENIZING | Phase.PRETRAIN:
            return before
        case Phase.TRAIN | Phase.EVAL | Phase.SAVE:
            return State.STOPPING if before is State.STOPPING else State.RUNNING
        case other:
            assert_never(other)
