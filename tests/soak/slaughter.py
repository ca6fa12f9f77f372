"""Killing a run as planned, and seeing that it goes on each time: whoever looks after it only says `resume`."""

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rundir import process
from rundir.control import Order, Verb, new_order_id, send
from rundir.layout import RunDir
from rundir.process import ProcessId
from rundir.status import Liveness, State, Status, liveness
from tests.process.tiny_run import status_of
from tests.soak import trap
from tests.soak.farm import Farm
from tests.soak.kill_plan import Kill
from tests.soak.trap import Victim
from traind.launch import LaunchError

PATIENCE_S = 120.0


class LostRunError(AssertionError):
    """A run that neither ends nor goes on."""


@dataclass(frozen=True)
class Hit:
    """A kill that was done."""

    victim: Victim
    moment: str
    place: str
    """The call, phase or verb at which it died."""

    def __str__(self) -> str:
        return f"{self.victim} at {self.moment}: {self.place}"


@dataclass
class Slaughter:
    """One run, those who die in it, and where they did."""

    farm: Farm
    run: RunDir
    directory: Path
    rng: random.Random
    hits: list[Hit] = field(default_factory=list)

    def kill_all(self, kills: list[Kill]) -> list[Kill]:
        """One after the other; returns those for which the run had ended too early."""
        for i, kill in enumerate(kills):
            if not self._kill(kill):
                return [kill.sooner(), *kills[i + 1 :]]
        return []

    def _kill(self, kill: Kill) -> bool:
        """False when the run has ended first."""
        if not self._until_it_trains():
            return False
        if kill.trap is None:
            time.sleep(kill.delay_s)
            return self._kill_from_outside(kill.victim)
        trap.set_trap(self.directory, kill.trap)
        if kill.moment == "loading" and not self._kill_from_outside("trainer"):  # so that another one has to load
            return False
        if kill.verb is not None:
            self._give(kill.verb)
        return self._await_sprung(kill)

    def _kill_from_outside(self, victim: Victim) -> bool:
        status = status_of(self.run)
        target = self._target(status, victim)
        if status.state.has_ended or target is None:
            return False
        try:
            os.kill(target.pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        self._until(lambda: not process.is_alive(target), "a process does not die")
        self.hits.append(Hit(victim, "any", "from outside"))
        return True

    def _target(self, status: Status, victim: Victim) -> ProcessId | None:
        if victim == "rank":
            return self.rng.choice(list(status.ranks.values())) if status.ranks else None
        heart = status.trainer if victim == "trainer" else status.supervisor
        return None if heart is None else heart.process

    def _give(self, verb: Verb) -> None:
        args: dict[str, object] = {}
        if verb is Verb.NOTE:
            args = {"text": "still here"}
        elif verb is Verb.SET:
            args = {"lr": round(self.rng.uniform(5e-4, 4e-3), 6)}
        send(self.run, Order(verb=verb, id=new_order_id(), args=args, at=time.time(), by="soak"))

    def _await_sprung(self, kill: Kill) -> bool:
        def is_over() -> bool:
            return trap.sprung(self.directory) is not None or self._look_after()

        self._until(is_over, f"no occasion for {kill}")
        sprung = trap.sprung(self.directory)
        if sprung is None:
            trap.take_away(self.directory)
            return False
        self._until(lambda: process.identify(sprung["pid"]) is None, "a process does not die")
        self.hits.append(Hit(kill.victim, kill.moment, sprung["place"]))
        return True

    # --- going on ------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        trap.take_away(self.directory)
        self._until(self._look_after, "does not end")

    def _until_it_trains(self) -> bool:
        """Whether it does; else it has ended."""

        def trains_or_ended() -> bool:
            has_ended = self._look_after()
            status = status_of(self.run)
            return has_ended or (status.state is State.RUNNING and status.step > 0 and _is_whole(status))

        self._until(trains_or_ended, "does not train")
        return not status_of(self.run).state.has_ended

    def _look_after(self) -> bool:
        """What a person would do who finds the run not training: resume it. True once it has ended."""
        status = status_of(self.run)
        if status.state.has_ended:
            return True
        waits = status.state in (State.PAUSED, State.PARKED)
        if waits or liveness(status, time.time()) in (Liveness.DEAD, Liveness.UNATTENDED):
            try:
                self.farm.order(self.run, Verb.RESUME)
            except LaunchError:  # the supervisor that was called died of the trap, or another one lives already
                time.sleep(0.05)
        return False

    def _until(self, is_so: Callable[[], bool], trouble: str) -> None:
        give_up_at = time.monotonic() + PATIENCE_S
        while not is_so():
            if time.monotonic() > give_up_at:
                raise LostRunError(f"{self.run.path}: {trouble}: {status_of(self.run)}")
            time.sleep(0.01)


def _is_whole(status: Status) -> bool:
    """Whether all whom a status names are alive: it may not know yet of the last death."""
    hearts = [heart.process for heart in (status.supervisor, status.trainer) if heart is not None]
    return len(hearts) == 2 and all(map(process.is_alive, [*hearts, *status.ranks.values()]))
