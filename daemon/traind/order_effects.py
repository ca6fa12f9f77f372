"""What an order does to a run: judged, answered ahead of its effect, and handed to the trainer or carried out here."""

import time
from typing import Any, Protocol, assert_never

import msgspec

from rundir import checkpoint_dir
from rundir.control import Malformed, Order, Verb, new_order_id
from rundir.layout import RunDir
from rundir.records import EVENT_DECODER, EventRecord, NoteEvent, decode_lines
from rundir.status import Intent, State
from traind import lineage, rollback
from traind.config import Policy
from traind.eventlog import EventLog
from traind.journal import peak_lr, read_journal
from traind.on_alert import Wish
from traind.order_desk import POLICY, OrderDesk, argument_fault, is_at_end, refusal
from traind.room import refusal_to_park
from traind.status_file import StatusFile
from traind.trainer_process import TrainerProcess
from traind.wire import Retreat

_FOR_THE_SUPERVISOR = (Verb.NOTE, Verb.KILL, Verb.ROLLBACK, Verb.KEEP, Verb.DISCARD)
"""What a trainer is never handed, though there is one."""


class Ordered(Protocol):
    """What the supervisor lets orders do."""

    status: StatusFile
    events: EventLog
    trainer: TrainerProcess | None

    @property
    def is_restarting(self) -> bool:
        """Whether a trainer is about to be started after a crash."""

    def spawn(self, reason: str) -> None: ...

    def park(self) -> None:
        """The trainer has left, or there is none left to leave."""

    def end(self, state: State, error: str | None = None) -> None: ...

    def await_leaving(self) -> None:
        """The trainer is told to leave: end it unless it does within `grace_s`."""

    def begin_anew(self, reason: str) -> None:
        """End the trainer at once, and start another."""


class OrderEffects:
    """Owns the order desk: what came, what a trainer was handed and has not answered."""

    def __init__(self, run: RunDir, ordered: Ordered, lr: float) -> None:
        """`lr`: the peak learning rate of the configuration."""
        self._run, self._on, self._lr = run, ordered, lr
        self._desk = OrderDesk(run, ordered.status.now.control)
        ordered.status.now.control = self._desk.position

    def note_outcomes(self, events: list[EventRecord]) -> None:
        self._desk.note_outcomes(events)

    def take_arrivals(self) -> None:
        """Everything that came since the last call."""
        for order in self._arrivals():
            self._take(order)

    def take_up_old(self, order_id: str | None) -> None:
        """Orders from before this supervisor are expired, but for the one that called it."""
        while orders := self._arrivals():
            for order in orders:
                if order.id == order_id:
                    self._take(order)
                elif order.id not in self._desk.in_flight:
                    self._answer(order, "expired: given before this supervisor started")

    def _arrivals(self) -> list[Order | Malformed]:
        orders = self._desk.arrivals()
        for what, message in self._desk.changes_of_trust():
            self._on.events.lifecycle(what, message, step=self._on.status.now.step)
        self._on.status.now.control = self._desk.position
        return orders

    def hand_on_again(self, trainer: TrainerProcess) -> None:
        """To a new trainer, what the last one took along unanswered.

        But for pause and resume: it has been started held or not, as the last of them intended.
        """
        for order in list(self._desk.in_flight.values()):
            if order.verb in (Verb.PAUSE, Verb.RESUME):
                self._apply_at_next_start(order)
            else:
                trainer.order(order)

    def answer_in_flight(self, why: str) -> None:
        status = self._on.status.now
        self._desk.answer_in_flight(self._on.events, status.state, step=status.step, refused=why)

    # --- one order -----------------------------------------------------------------------------------------------

    def _take(self, order: Order | Malformed) -> None:
        if isinstance(order, Malformed):
            self._answer(order, order.reason)
            return
        trainer, state = self._on.trainer, self._state()
        if trainer is not None and self._on.status.is_parking and order.verb is Verb.RESUME:
            self._on.status.intend(Intent.RUN)
            self._answer(order, None)
            return
        refused = self._refusal(order, state)
        if refused is not None:
            self._answer(order, refused)
        elif trainer is not None and order.verb not in _FOR_THE_SUPERVISOR:
            self._hand_on(order, trainer)
        else:
            self._obey(order)

    def _state(self) -> State:
        """The state by which an order is judged: without a trainer, what one would find that was started."""
        status = self._on.status.now
        if self._on.trainer is not None or status.state.has_ended:
            return status.state
        if not self._on.is_restarting:
            return State.PARKED
        return State.PAUSED if status.intent is Intent.PAUSED else status.state

    def _refusal(self, order: Order, state: State) -> str | None:
        if self._on.trainer is not None and order.verb in (Verb.PAUSE, Verb.RESUME) and state is not State.STOPPING:
            return argument_fault(order)  # whether it holds is known to the trainer alone
        status = self._on.status.now
        per_epoch = status.total_steps / status.total_epochs if status.total_steps and status.total_epochs else None
        step = self._next_start() if order.verb is Verb.SET and self._on.trainer is None else status.step
        was_lost = state is State.PARKED and status.state is not State.PARKED
        refused = refusal(order, state, step, self._planned_steps, per_epoch, was_lost=was_lost)
        if refused is None and order.verb is Verb.PARK and self._on.trainer is not None:
            return refusal_to_park(self._run)
        return refused

    @property
    def _planned_steps(self) -> int | None:
        """Unknown once a `set` has extended a run that had ended."""
        return None if self._desk.has_extension else self._on.status.now.total_steps

    def _hand_on(self, order: Order, trainer: TrainerProcess) -> None:
        """The intent is on disk before the trainer can answer."""
        status = self._on.status
        intent = {
            Verb.PAUSE: Intent.PAUSED,
            Verb.PARK: Intent.PARKED,
            Verb.RESUME: Intent.RUN,
            Verb.STOP: Intent.STOPPED,
        }.get(order.verb)
        if intent is not None and intent is not status.now.intent:
            status.intend(intent)
        if order.verb in (Verb.PARK, Verb.STOP):
            self._on.await_leaving()
            status.await_leaving()
        self._desk.in_flight[order.id] = order
        trainer.order(order)

    def _obey(self, order: Order) -> None:
        """Orders that need no trainer, or of which there is none."""
        match order.verb:
            case Verb.NOTE:
                self._answer(order, None)
                self._note(order)
            case Verb.RESUME:
                self._resume(order)
            case Verb.STOP | Verb.KILL:
                self._end(order)
            case Verb.PARK:  # between a crash and its restart: there is nothing left to leave
                self._on.status.intend(Intent.PARKED)
                self._answer(order, None)
                self._on.park()
            case Verb.ROLLBACK:
                self._roll_back(order)
            case Verb.KEEP | Verb.DISCARD:
                self._answer(order, self._tidied(order))
            case Verb.SET:
                self._apply_at_next_start(order)
            case Verb.PAUSE:  # between a crash and its restart: the next trainer starts held
                self._on.status.intend(Intent.PAUSED)
                self._apply_at_next_start(order)
            case Verb.CHECKPOINT | Verb.EVAL:  # the next trainer gets it
                self._desk.in_flight[order.id] = order
            case other:
                assert_never(other)

    def _end(self, order: Order) -> None:
        self._on.status.intend(Intent.STOPPED)
        self._answer(order, None)
        cause = "killed by order" if order.verb is Verb.KILL else None
        if self._on.trainer is None:
            self._on.end(State.STOPPED, cause)
        else:
            self._on.status.now.last_error = cause
            self._on.status.now.state = State.STOPPING  # an order right behind this one must know
            self._on.trainer.kill()

    def _resume(self, order: Order) -> None:
        status = self._on.status.now
        if self._on.is_restarting:  # the next trainer, which was to start held, is on its way
            self._on.status.intend(Intent.RUN)
            self._apply_at_next_start(order)
            return
        reason = "extend" if status.state is State.DONE else "resume"
        status.step = self._next_start()
        # Before the outcome, so that nobody takes the old end for a new one.
        status.state, status.ended_at = State.STARTING, None
        self._on.status.intend(Intent.RUN)
        self._answer(order, None)
        self._on.spawn(reason)

    def _roll_back(self, order: Order) -> None:
        """Every trainer from here on begins at that checkpoint: the outcome says so to whichever is the next."""
        status = self._on.status.now
        try:
            args = rollback.resolve(self._run, order.args, from_step=status.step, lr=self._peak_lr())
        except rollback.NoTargetError as error:
            self._answer(order, str(error))
            return
        if self._on.trainer is None and is_at_end(status.state, args["step"], self._planned_steps):
            earlier = [str(step) for step in lineage.steps(self._run) if step < args["step"]]
            cure = f"give an earlier step ({', '.join(earlier)}), or extend the run" if earlier else "extend the run"
            why = f"step {args['step']} is the end of the run: no step is left to train from there"
            self._answer(order, f"{why}; {cure} first: `traind set RUN epochs=N`")
            return
        self._go_back(msgspec.structs.replace(order, args=args))
        if self._on.trainer is not None:
            self._on.begin_anew("rollback")

    def _go_back(self, order: Order) -> None:
        status = self._on.status.now
        self._answer(order, None)
        status.step = order.args["step"]
        if status.state is State.DONE:  # it is no longer: a resume has steps to do
            status.state = State.STOPPED

    def _tidied(self, order: Order) -> str | None:
        """Keep or remove a checkpoint. Why not, where it was not: only the doing tells, so that it comes first."""
        step = order.args["step"]
        try:
            if order.verb is Verb.KEEP:
                kept = order.args.get("kept", True)
                checkpoint_dir.mark(self._run, step, kept=kept, at=time.time(), by=order.by or "")
            else:
                at_most = read_journal(self._past()).rollback_to
                # Of a run that has ended none is, unless it was told from which it would go on.
                is_over = self._on.status.now.state.has_ended and at_most is None
                needed = set[int]() if is_over else checkpoint_dir.needed(self._run, at_most=at_most)
                checkpoint_dir.discard(self._run, step, needed=needed)
        except (checkpoint_dir.NotDoneError, OSError) as error:
            return str(error)
        return None

    def _peak_lr(self) -> float:
        return peak_lr(self._past(), self._lr)

    def _apply_at_next_start(self, order: Order) -> None:
        """What lies beyond that step is done again, as the order has it."""
        self._desk.answer(order, self._on.events, step=self._next_start())

    def _next_start(self) -> int:
        return lineage.next_start(self._run, at_most=read_journal(self._past()).rollback_to)

    def _past(self) -> list[EventRecord]:
        try:
            return decode_lines(self._run.events.read_bytes(), EVENT_DECODER).records
        except FileNotFoundError:
            return []

    def retreat(self, wish: Retreat, policy: Policy) -> str | None:
        """Go back as the run's own policy asks. Why the run is held instead, where it went back often enough."""
        args = rollback.resolve_retreat(self._run, wish, factor=policy.rollback_lr_factor, last=self._desk.last_retreat)
        if self._desk.num_retreats >= policy.max_rollbacks:
            self._on.status.intend(Intent.PAUSED)
            return (
                f"{wish.cause} again at step {wish.skip_from} after {self._desk.num_retreats} rollbacks: held for a "
                "person to look at; `resume` goes on, `rollback` goes back further"
            )
        self._go_back(Order(verb=Verb.ROLLBACK, id=new_order_id(), args=args, by=POLICY))
        return None

    def act(self, wish: Wish, policy: Policy) -> None:
        """Give an order that an alert calls for, as if a person had given it; an event says which rule it was.

        Where there is nothing to go back to, the run is paused.
        """
        verb, why, args = wish.verb, wish.why, dict[str, Any]()
        if verb is Verb.ROLLBACK:
            before = rollback.newest_before(self._run, wish.onset_step)
            args = {"step": before, "lr_factor": policy.rollback_lr_factor}
            if before is None:
                verb, args = Verb.PAUSE, {}
                why += f"; held for a person to look at: there is no checkpoint from before step {wish.onset_step:,}"
        order = Order(verb=verb, id=new_order_id(), args=args, by=wish.by)
        detail = {"rule": wish.rule, "verb": str(verb), "order": order.id, "onset_step": wish.onset_step}
        self._on.events.lifecycle("acted", f"{verb}, for {why}", step=self._on.status.now.step, detail=detail)
        self._take(order)

    def _note(self, order: Order) -> None:
        text = str(order.args["text"])
        step = self._on.status.now.step
        self._on.events.write(NoteEvent(at=0, attempt=0, writer="supervisor", text=text, by=order.by, step=step))

    def _answer(self, order: Order | Malformed, refused: str | None) -> None:
        self._desk.answer(order, self._on.events, step=self._on.status.now.step, refused=refused)
