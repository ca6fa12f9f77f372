"""What a run's events come to: the status that status.json, which keeps only the newest, must have had then. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from rundir.control import Verb
from rundir.records import EventRecord, LifecycleEvent, OutcomeEvent
from rundir.status import INTENT_OF, Intent, Liveness, State, Status
from trainwatch.store import Store
from trainwatch.travel.tape import Tape, length_set

_STATES = {
    "spawned": State.STARTING,
    "training": State.RUNNING,
    "paused": State.PAUSED,
    "resumed": State.RUNNING,
    "parked": State.PARKED,
    "restarting": State.RESTARTING,
    "done": State.DONE,
    "stopped": State.STOPPED,
    "failed": State.FAILED,
}
"""What the run is after a lifecycle event."""
_LEAVING = (Verb.PARK, Verb.STOP, Verb.KILL)
"""After these the trainer is on its way out."""


@dataclass
class Course:
    """Where the events so far have led. Takes them in file order."""

    state: State = State.STARTING
    intent: Intent = Intent.RUN
    attempt: int = 0
    started_at: float | None = None
    ended_at: float | None = None
    ran_s: float = 0.0
    """Over the attempts that have ended."""
    ran_from: float | None = None
    """When the present attempt began; None where none runs."""
    heard_at: float = -math.inf
    """Of the last event."""
    last_error: str | None = None
    is_unattended: bool = False
    knows_device: bool = False
    lengths: list[tuple[str, float]] = field(default_factory=list)
    """What orders have set of how long the run is to be."""

    def take(self, events: Iterable[EventRecord]) -> None:
        for event in events:
            self.attempt = max(self.attempt, event.attempt)
            if isinstance(event, LifecycleEvent):
                self._take_lifecycle(event)
            elif isinstance(event, OutcomeEvent) and event.result == "applied":
                self._take_order(event)
            self.heard_at = max(self.heard_at, event.at)

    def _note_end(self, at: float) -> None:
        if self.ran_from is not None:
            self.ran_s, self.ran_from = self.ran_s + max(0.0, at - self.ran_from), None

    def _take_lifecycle(self, event: LifecycleEvent) -> None:
        self.state = _STATES.get(event.what, self.state)
        match event.what:
            case "supervised":
                self.is_unattended = False
                self._note_end(self.heard_at)  # of an attempt of which nobody could say that it ended
                if self.state.has_ended:
                    self.state, self.ended_at = State.STARTING, None
            case "spawned":
                self.started_at = event.at if self.started_at is None else self.started_at
                self.ended_at = self.last_error = None
                self._note_end(self.heard_at)
                self.ran_from = event.at
            case "training" if self.ran_from is None:  # of a script nobody says that it was started
                self.ran_from = event.at
            case "device":
                self.knows_device = True
            case "crashed":
                self.last_error = event.message or None
                self._note_end(event.at)
            case "unattended":
                self.is_unattended = True
            case "parked":
                self.last_error = event.message or None
                self._note_end(event.at)
            case "done" | "stopped" | "failed":
                self.ended_at, self.last_error = event.at, event.message or None
                self._note_end(event.at)
            case _:
                pass

    def _take_order(self, event: OutcomeEvent) -> None:
        if event.verb in INTENT_OF:
            self.intent = INTENT_OF[Verb(event.verb)]
        if event.verb in _LEAVING and self.state in (State.STARTING, State.RUNNING, State.PAUSED):
            self.state = State.STOPPING
        if (length := length_set(event)) is not None:
            self.lengths.append(length)

    def status(self, tape: Tape, store: Store, at: float) -> Status | None:
        """What status.json said when `store` held what was known; None of a run that has none."""
        newest = tape.status
        if newest is None:
            return None
        by_itself = store.by_script or not self.attempt  # nobody says that it was started
        state = self.state
        if by_itself and state is State.STARTING and len(store.steps):
            state = State.RUNNING
        total, total_epochs = self._length(tape, store, newest)
        epoch = store.steps.last("epoch")
        return msgspec.structs.replace(
            newest,
            state=state,
            intent=self.intent,
            attempt=self.attempt,
            step=store.last_step,
            total_steps=total,
            epoch=epoch if math.isfinite(epoch) else None,
            total_epochs=total_epochs,
            phase=None,
            device=newest.device if self.knows_device or not tape.names_device else None,
            supervisor=None,
            trainer=None,
            ranks={},
            updated_at=at,
            started_at=newest.started_at if by_itself else self.started_at,
            active_s=self.ran_s + (max(0.0, at - self.ran_from) if self.ran_from is not None else 0.0),
            ended_at=self.ended_at,
            last_error=self.last_error,
            signal=None,
            checkpoint=store.checkpoints[-1].path if store.checkpoints else None,
        )

    def _length(self, tape: Tape, store: Store, newest: Status) -> tuple[int | None, float | None]:
        """Planned steps and epochs: as they are now, unless an order has changed them since."""
        total, epochs = newest.total_steps, newest.total_epochs
        if len(self.lengths) == tape.num_lengths or not total or not epochs:
            return total, epochs
        steps_per_epoch = total / epochs
        planned = store.opened.info.planned_steps if store.opened.info is not None else None
        name, value = self.lengths[-1] if self.lengths else ("max_steps", float(planned or total))
        steps = value if name == "max_steps" else value * steps_per_epoch
        return round(steps), steps / steps_per_epoch

    def verdict(self, tape: Tape, at: float) -> Liveness:
        """Whether the run lived, as far as its own records say."""
        if tape.status is None:
            return tape.verdict
        if self.state.has_ended:
            return Liveness.ENDED
        if self.is_unattended:
            return Liveness.UNATTENDED
        if tape.is_silent(at):
            return Liveness.UNATTENDED if self.intent in (Intent.PARKED, Intent.PAUSED) else Liveness.DEAD
        return Liveness.LIVE
