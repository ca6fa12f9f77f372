"""Orders between the control files and the trainer: each is taken up once, and gets exactly one outcome.

Owns the control reader, the ids that were answered, and the orders that a trainer was handed and has not answered.
"""

from typing import Any

from rundir import checkpoint_dir
from rundir.control import ControlPosition, ControlReader, Malformed, Order, Verb
from rundir.layout import RunDir
from rundir.records import EventRecord, LifecycleEvent, OutcomeEvent
from rundir.status import State
from traind import dial, rollback
from traind.eventlog import EventLog

POLICY = "policy"
"""Who gives the orders that come of the run's own policy."""
LOST = "the run's supervisor was lost, and its trainer has left; `traind resume RUN` goes on"
WITH_TRAINER = (State.STARTING, State.RUNNING, State.PAUSED)


class OrderDesk:
    """Reads and sorts orders; what they do is the supervisor's business."""

    def __init__(self, run: RunDir, position: ControlPosition | None) -> None:
        # Read on from where the last supervisor stood, to notice a rewritten file; then anew from the start, as an
        # order that it handed to a trainer may still be without its outcome.
        onward = ControlReader(run, position)
        onward.poll()
        self._reader = ControlReader(run, ControlPosition(generation=onward.position.generation))
        self._control_name = run.control.name
        self._said_distrust: dict[str, str] = {}
        self._answered: set[str] = set()
        self.in_flight: dict[str, Order] = {}
        self.num_retreats = 0
        """Rollbacks by the run's own policy, ever."""
        self.last_retreat: dict[str, Any] | None = None
        """Arguments of the last of them."""
        self.has_extension = False
        """Whether a `set` has given the run more steps since it was last done."""

    @property
    def position(self) -> ControlPosition:
        return self._reader.position

    def note_outcomes(self, events: list[EventRecord]) -> None:
        """Learn from events.jsonl what has been answered, and whether a run that was done has been extended."""
        for event in events:
            if isinstance(event, OutcomeEvent):
                self.note_answered(event.order)
                extends = event.result == "applied" and {"epochs", "max_steps"} & (event.args or {}).keys()
                self.has_extension = self.has_extension or bool(extends)
                if event.verb == Verb.ROLLBACK and event.by == POLICY:
                    self.num_retreats, self.last_retreat = self.num_retreats + 1, dict(event.args or {})
            elif isinstance(event, LifecycleEvent) and event.what == "done":
                self.has_extension = False

    def note_answered(self, order_id: str) -> None:
        self._answered.add(order_id)
        self.in_flight.pop(order_id, None)

    def answer(self, order: Order | Malformed, events: EventLog, *, step: int, refused: str | None = None) -> None:
        """Write the outcome of an order that the supervisor answers itself."""
        events.outcome(order, step=step, refused=refused)
        self.note_answered(order.id)

    def answer_in_flight(self, events: EventLog, state: State, *, step: int, refused: str) -> None:
        """Answer what the trainer took along unanswered: what was ordered may have come about all the same."""
        came_about = {Verb.STOP: State.STOPPED, Verb.PARK: State.PARKED}
        for order in list(self.in_flight.values()):
            done = came_about.get(order.verb) is state
            self.answer(order, events, step=step, refused=None if done else refused)

    def changes_of_trust(self) -> list[tuple[str, str]]:
        """From what orders are not taken any more, or again, since the last call: a word of LIFECYCLE and the text."""
        distrust = self._reader.distrust
        changes = [
            ("control_distrusted", f"no orders are taken from {_named(place)}: {why}")
            for place, why in distrust.items()
            if self._said_distrust.get(place) != why
        ]
        for place in self._said_distrust.keys() - distrust.keys():
            text = f"{_named(place)} is in order again"
            if passed := self._reader.passed_over_bytes if place in (".", self._control_name) else 0:
                text += f"; {passed:,} bytes that others may have written are passed over: give those orders anew"
            changes.append(("control_ok", text))
        self._said_distrust = distrust
        return changes

    def arrivals(self) -> list[Order | Malformed]:
        """Orders that came and were neither answered nor handed on."""
        fresh: dict[str, Order | Malformed] = {}
        for order in self._reader.poll():
            if order.id not in self._answered and order.id not in self.in_flight:
                fresh.setdefault(order.id, order)
        return list(fresh.values())


def _named(place: str) -> str:
    return "the run directory" if place == "." else place


def refusal(
    order: Order,
    state: State,
    step: int,
    total_steps: int | None,
    steps_per_epoch: float | None,
    *,
    was_lost: bool = False,
) -> str | None:
    """Why an order cannot be taken in this state; None when it can. Pure.

    `was_lost`: nobody parked the run, it has no trainer because its supervisor was lost.
    """
    fault = argument_fault(order)
    if fault:
        return fault
    if order.verb in (Verb.NOTE, Verb.SET):
        return _set_refusal(order, state, step, total_steps, steps_per_epoch) if order.verb is Verb.SET else None
    if state is State.STOPPING:
        return None if order.verb is Verb.KILL else "the run is stopping"
    if order.verb is Verb.RESUME:
        return _resume_refusal(state, step, total_steps)
    if order.verb in (Verb.ROLLBACK, Verb.KEEP, Verb.DISCARD):
        return None  # whatever the run is: what it goes on from is chosen by the next attempt
    if state.has_ended:
        return f"the run is {state}"
    if order.verb in (Verb.STOP, Verb.KILL):
        return None
    if state is State.PARKED:
        return LOST if was_lost else "the run is parked"
    if order.verb is Verb.PAUSE and state is State.PAUSED:
        return "the run is already paused"
    return None


def argument_fault(order: Order) -> str | None:
    """Why the arguments of an order are wrong; None when they are right. Pure."""
    if order.verb is Verb.SET:
        return dial.check_args(order.args)
    if order.verb is Verb.NOTE:
        text = order.args.get("text")
        return None if isinstance(text, str) and text.strip() else "a note needs a text"
    if order.verb is Verb.ROLLBACK:
        return rollback.argument_fault(order.args)
    if order.verb in (Verb.KEEP, Verb.DISCARD):
        return checkpoint_dir.argument_fault(order.args, ("step", "kept") if order.verb is Verb.KEEP else ("step",))
    return f"{order.verb} takes no arguments" if order.args else None


def is_at_end(state: State, step: int, total_steps: int | None) -> bool:
    """Whether a run that has ended would find no step to do, going on from `step`."""
    return state.has_ended and total_steps is not None and step >= total_steps


def _set_refusal(
    order: Order, state: State, step: int, total_steps: int | None, steps_per_epoch: float | None
) -> str | None:
    """With a trainer alive, the trainer judges: it knows the step."""
    if state in WITH_TRAINER:
        return None
    if state is State.DONE and is_at_end(state, step, total_steps) and not {"epochs", "max_steps"} & order.args.keys():
        return "the run is done: no step is left to train; `traind set RUN epochs=N` first, or in the same order"
    if not steps_per_epoch:
        return None
    wanted = order.args.get("max_steps", order.args["epochs"] * steps_per_epoch if "epochs" in order.args else None)
    if wanted is not None and wanted <= step and state.has_ended:
        return f"{step} steps are already done"
    return None


def _resume_refusal(state: State, step: int, total_steps: int | None) -> str | None:
    if state in (State.RUNNING, State.STARTING, State.RESTARTING):
        return "the run is not paused: it is training"
    if state is State.DONE and is_at_end(state, step, total_steps):
        return "the run is done; `traind set RUN epochs=N` extends it"
    return None
