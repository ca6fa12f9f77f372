"""What follows the end of a trainer: the run's end, another trainer, or waiting without one."""

from typing import Protocol, assert_never

from rundir.layout import RunDir
from rundir.status import Intent, State
from traind.config import Policy
from traind.crashes import Crashes
from traind.eventlog import EventLog
from traind.status_file import StatusFile
from traind.trainer_process import Ending
from traind.wire import Leave, Retreat


class Bereft(Protocol):
    """What the supervisor, without a trainer now, can do."""

    status: StatusFile
    events: EventLog

    @property
    def is_told_to_leave(self) -> bool:
        """Whether a signal has told the supervisor to leave."""

    def spawn(self, reason: str) -> None: ...

    def restart_in(self, delay_s: float) -> None: ...

    def park(self, lost: str | None = None) -> None:
        """`lost`: what the trainer could not save."""

    def end(self, state: State, error: str | None = None, *, was_killed: bool = False) -> None: ...

    def retreat(self, wish: Retreat) -> str | None:
        """Go back for bad numbers; why the run is held instead, where it did so often enough."""


class Aftermath:
    """Owns the crashes so far, and why another trainer is to follow one that is being ended."""

    def __init__(self, run: RunDir, settings: Policy, bereft: Bereft) -> None:
        self._on = bereft
        self._crashes = Crashes(run, settings)
        self.begin_anew: str | None = None
        """Why another trainer is started as soon as the one that is being ended has ended."""

    def follow(self, ending: Ending) -> None:
        """Do what the ending of the trainer calls for. After a signal to the supervisor, start none."""
        anew, self.begin_anew = self.begin_anew, None
        if anew is not None:
            self._start_over(anew, ending)
            return
        match ending.leave:
            case Leave.DONE:
                self._on.end(State.DONE)
            case Leave.PARKED:
                self._after_parking(ending)
            case Leave.STOPPED:
                self._on.end(State.STOPPED, ending.lost)
            case Leave.SIGNALLED:
                self._end_by_signal(ending)
            case Leave.MISTAKE:
                status = self._on.status
                status.now.is_mistake = status.now.attempt == 1 and status.step_of_attempt is None
                self._on.end(State.FAILED, ending.cause)
            case Leave.GAVE_UP:
                self._on.end(State.FAILED, ending.cause)
            case Leave.RETREATED:
                self._retreat(ending)
            case Leave.CRASHED | Leave.LOST | Leave.ORPHANED | None:
                self._after_crash(ending)
            case other:
                assert_never(other)

    def _may_start_another(self) -> bool:
        """Not after a signal to the supervisor, nor where the run was killed while the last one was on its way out."""
        return not self._on.is_told_to_leave and self._on.status.now.intent is not Intent.STOPPED

    def _start_over(self, reason: str, ending: Ending) -> None:
        """It was ended for another to follow: whatever its own last word was does not count."""
        if self._may_start_another():
            self._on.spawn(reason)
        else:
            self._after_crash(ending)

    def _after_parking(self, ending: Ending) -> None:
        """What was ordered while the trainer was on its way out decides."""
        match self._on.status.now.intent:
            case Intent.STOPPED:
                self._after_crash(ending)
            case Intent.RUN if self._on.is_told_to_leave:
                self._end_by_signal(ending)
            case _:
                self._on.park(ending.lost)

    def _end_by_signal(self, ending: Ending) -> None:
        """The supervisor's own signal, else the one that the trainer was sent alone."""
        status = self._on.status.now
        if status.signal is None:
            status.signal = ending.told_by or "a signal"
            status.last_error = f"{status.signal} to the trainer (process {ending.pid})"
            if ending.farewell is None or ending.farewell.error:
                status.last_error += f": {ending.cause}"
        self._on.end(State.STOPPED, status.last_error)

    def _retreat(self, ending: Ending) -> None:
        wish = ending.farewell.retreat if ending.farewell else None
        if wish is None or not self._may_start_another():
            self._after_crash(ending)
            return
        held = self._on.retreat(wish)
        if held is not None:
            self._on.events.lifecycle("held", held, step=self._on.status.now.step)
        self._on.spawn("rollback" if held is None else "restart")

    def _after_crash(self, ending: Ending) -> None:
        """What was intended decides; else the restart policy."""
        status = self._on.status.now
        if self._on.is_told_to_leave:
            self._on.end(State.STOPPED, f"{status.last_error}; its trainer: {ending.cause}", was_killed=True)
        elif status.intent is Intent.STOPPED:
            self._on.end(State.STOPPED, status.last_error, was_killed=True)
        elif ending.told_by is not None:  # it was ended as its grace was over
            self._end_by_signal(ending)
        else:
            self._restart(ending)

    def _restart(self, ending: Ending) -> None:
        status = self._on.status.now
        cause = self._crashes.tell(ending, status, self._on.events)
        if status.intent is Intent.PARKED:
            self._on.park()
            return
        verdict = self._crashes.judge(ending, cause, self._on.status.step_of_attempt)
        if verdict.give_up is not None:
            self._on.end(State.FAILED, verdict.give_up)
            return
        status.state, status.last_error = State.RESTARTING, cause
        self._on.restart_in(verdict.delay_s)
        self._on.events.lifecycle("restarting", f"in {verdict.delay_s:.1f} s", step=status.step)
