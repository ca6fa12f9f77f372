"""Orders at safe points: hears them, answers each ahead of its effect, and holds, leaves or hands them to the loop.

Safe points are everywhere in the trainer: while tokenising, between micro-batches and between evaluation batches. Of
several ranks the first hears the orders; at a safe point all meet, and so all act on the same ones at the same place.
"""

import faulthandler
import os
import signal
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import msgspec

from rundir.control import Order, Verb
from rundir.status import Phase
from traind.eventlog import EventLog
from traind.leash import Leash
from traind.ranks import Point, Ranks, Seat
from traind.wire import Leave, Pipe, Pulse, Retreat

SAME_SIGNAL_S = 2.0
"""A second signal to leave means "now" only after so long: what ends a session sends it to supervisor and trainer, and
the supervisor sends it on.
"""
T = TypeVar("T")
_LEAVES = (None, Leave.SIGNALLED, Leave.ORPHANED)
"""Why a rank wants to leave, by the number it says so with. The highest of all ranks holds."""
_ORDERS = msgspec.json.Decoder(list[Order])


class Leaving(Exception):  # noqa: N818
    """Unwinds the trainer to its last step boundary, from where it checkpoints and leaves."""

    def __init__(self, reason: Leave, error: str | None = None, *, retreat: Retreat | None = None) -> None:
        """`error` says why where nobody ordered it; `retreat` what a rollback is to leave out."""
        super().__init__(reason)
        self.reason, self.error, self.retreat = reason, error, retreat


class Steered(Protocol):
    """What the loop lets orders do. Every method is called at a safe point."""

    def settle(self) -> None:
        """Write what is on its way from the device."""

    def refuse_set(self, args: dict[str, Any]) -> str | None: ...

    def apply_set(self, order_id: str, args: dict[str, Any]) -> None: ...

    def save_for_order(self) -> None: ...

    def refuse_eval(self) -> str | None: ...

    def eval_for_order(self) -> None: ...


class Steering:
    """Owns the trainer's end of the order pipe, the hold, and the orders that wait for the loop to begin."""

    def __init__(
        self, pipe: Pipe | Leash, pulse: Pulse, events: EventLog, *, paused: bool, ranks: Ranks | None = None
    ) -> None:
        self._pipe = pipe
        self._ranks = ranks or Ranks(Seat())
        self._pulse = pulse
        self._events = events
        self._loop: Steered | None = None
        self._early: list[Order] = []
        self.signal: str | None = None
        """The name of the one that told this process to leave."""
        self._signalled_at = 0.0
        self.hold_at_start = paused
        self.is_holding = False
        self._in_hold = False
        self._obstacle: str | None = None
        """Why the run holds by itself, nobody having told it to."""
        self.held_s = 0.0
        """Seconds spent holding, ever: they are no part of a step's time."""

    def hear_signals(self) -> None:
        """SIGTERM, SIGINT and SIGUSR1 (Slurm's warning) mean: checkpoint and leave. SIGHUP means nothing."""
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(signum, self._on_signal)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        # In C, since Python's own handlers wait for a main thread that may hang.
        faulthandler.register(signal.SIGUSR2, file=2, all_threads=True)

    def _on_signal(self, signum: int, frame: object) -> None:  # noqa: ARG002
        now = time.monotonic()
        if self.signal is None:
            self.signal, self._signalled_at = signal.Signals(signum).name, now
            self._pulse.told_to_leave(self.signal)
        elif now - self._signalled_at > SAME_SIGNAL_S:
            self._pulse.farewell(Leave.SIGNALLED, "told twice: left without a checkpoint")
            os._exit(0)

    def attach(self, loop: Steered) -> None:
        """The loop is about to begin: hold if the run was paused, then obey what waited for it."""
        self._loop = loop
        early, self._early = self._early, []
        for order in early:
            self._obey(order)
        self.is_holding, self.hold_at_start = self._is_paused, False
        self.safe_point()

    def safe_point(self) -> None:
        """Beat, and act on every order that has come. Raises Leaving. Costs one read of a pipe when there is none."""
        self._pulse.safe_point()
        self._hear()
        self._hold_if_told()

    def _hold_if_told(self) -> None:
        if self.is_holding and not self._in_hold:  # an evaluation ordered while holding goes through
            self._hold(lambda: self.is_holding, "")

    def hold_until(self, is_over: Callable[[], bool], obstacle: str) -> None:
        """Hold for a reason of the run's own, until it is over. Orders are heard meanwhile. Raises Leaving."""
        if self._ranks.leaders(is_over()):
            return
        self._obstacle = obstacle
        try:
            self._hold(lambda: not self._ranks.leaders(is_over()), obstacle)
        finally:
            self._obstacle = None

    def hold(self, why: str) -> None:
        """Hold from here on, by the run's own policy, until somebody orders a resume. Raises Leaving."""
        self.is_holding = True
        self._hold(lambda: self.is_holding, why)

    def alone(self, work: Callable[[], T]) -> T | None:
        """Have the leader do something with safe points of its own, and every other rank obey at them. None there."""
        if self._ranks.is_leader:
            done = work()
            if not self._ranks.is_alone:
                self._hear(is_done=True)
            return done
        while not self._hear():
            self._hold_if_told()
        return None

    def first(self, work: Callable[[Callable[[], None]], T]) -> T:
        """Have the leader do something, given its safe point, then all others, who find what it left on the disk."""
        done = self.alone(lambda: work(self.safe_point))
        return work(self._pulse.safe_point) if done is None else done

    @property
    def _is_paused(self) -> bool:
        return self.is_holding or self.hold_at_start

    def _hear(self, *, is_done: bool = False) -> bool:
        """Obey what has come. Whether the leader is done with what it does alone."""
        orders, leave = self._pipe.orders(), self._why_leave()
        if not self._ranks.is_alone:
            said = self._ranks.meet(Point.HEAR, len(orders), _LEAVES.index(leave), is_done)
            leave = _LEAVES[max(int(row[1]) for row in said)]
            is_done = bool(said[0][2])
            if said[0][0]:
                orders = _ORDERS.decode(self._ranks.share(msgspec.json.encode(orders)))
        for order in orders:
            self._obey(order)
        if leave is not None:
            if leave is Leave.ORPHANED:
                self._events.lifecycle("orphaned", "the supervisor is gone", step=self._pulse.step)
            raise Leaving(leave)
        return is_done

    def _why_leave(self) -> Leave | None:
        if self._pipe.ended:  # first: on a host that has joined, its end comes as a signal as well
            return Leave.ORPHANED
        return Leave.SIGNALLED if self.signal is not None else None

    def _hold(self, must_hold: Callable[[], bool], why: str) -> None:
        began = time.monotonic()
        phase = self._pulse.phase
        if self._loop is not None:
            self._loop.settle()
        self._events.lifecycle("paused", why, step=self._pulse.step)
        self._pulse.enter(Phase.PAUSED)
        self._in_hold = True
        try:
            while must_hold():
                self._pipe.wait(0.2)
                self._pulse.safe_point()
                self._hear()
        finally:
            self._in_hold = False
            self.held_s += time.monotonic() - began
        self._events.lifecycle("resumed", step=self._pulse.step, message=f"after {time.monotonic() - began:.1f} s")
        self._pulse.enter(phase)

    def _obey(self, order: Order) -> None:
        match order.verb:
            case Verb.PAUSE:
                self._answer(order, "already paused" if self._is_paused else None)
                self.is_holding = True
            case Verb.RESUME:
                going = f"it goes on by itself: {self._obstacle}" if self._obstacle else "it is training"
                self._answer(order, None if self._is_paused else f"the run is not paused: {going}")
                self.is_holding = self.hold_at_start = False
            case Verb.PARK | Verb.STOP:
                self._answer(order, None)
                raise Leaving(Leave.PARKED if order.verb is Verb.PARK else Leave.STOPPED)
            case Verb.CHECKPOINT | Verb.EVAL | Verb.SET:
                if self._loop is None:
                    self._early.append(order)
                else:
                    self._steer(order, self._loop)
            case _:
                self._answer(order, f"{order.verb} is the supervisor's to answer")

    def _steer(self, order: Order, loop: Steered) -> None:
        if order.verb is Verb.SET:
            refused = loop.refuse_set(order.args)
            self._answer(order, refused)
            if refused is None:
                loop.apply_set(order.id, order.args)
        elif order.verb is Verb.EVAL:
            refused = loop.refuse_eval()
            self._answer(order, refused)
            if refused is None:
                loop.eval_for_order()
        else:
            self._answer(order, None)
            loop.save_for_order()

    def _answer(self, order: Order, refused: str | None) -> None:
        self._events.outcome(order, step=self._pulse.step, refused=refused)
