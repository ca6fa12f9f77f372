"""Who is killed, and where: drawn by a seed, so that every run of the soak can be repeated. Pure."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from rundir.control import Verb
from tests.soak.trap import Trap, Victim

MOMENTS: dict[Victim, tuple[str, ...]] = {
    "trainer": ("any", "step", "eval", "save", "rename", "link", "prune", "order", "loading", "rollback"),
    "supervisor": ("any", "step", "eval", "save", "rename", "status", "order", "loading", "rollback"),
    "worker": ("step", "eval"),
    "rank": ("any",),
}
VICTIMS: tuple[Victim, ...] = (
    "trainer",
    "supervisor",
    "trainer",
    "supervisor",
    "trainer",
    "supervisor",
    "worker",
    "rank",
)

_TO_THE_TRAINER = (Verb.PAUSE, Verb.CHECKPOINT, Verb.EVAL, Verb.PARK)
_TO_THE_SUPERVISOR = (Verb.NOTE,)


@dataclass(frozen=True)
class Kill:
    """One kill to come."""

    victim: Victim
    moment: str
    trap: Trap | None
    """None: killed from outside, after `delay_s`."""
    delay_s: float = 0.0
    verb: Verb | None = None
    """The order that is given when the trap is set, so that it springs on it."""

    def __str__(self) -> str:
        order = f" {self.verb}" if self.verb else ""
        where = f" {self.trap.nth}. {self.trap.occasion} {self.trap.words}" if self.trap else f" {self.delay_s:.2f} s"
        return f"{self.victim}@{self.moment}{order}{where}"

    def sooner(self) -> "Kill":
        """The same for a run that was over before the occasion had come so often."""
        if self.trap is None:
            return replace(self, delay_s=self.delay_s / 2)
        return replace(self, trap=replace(self.trap, nth=max(1, self.trap.nth // 2)))


def plan(seed: str, num_kills: int, *, victims: tuple[Victim, ...], skips: tuple[str, ...], sets: bool) -> list[Kill]:
    """`victims` and moments that this kind of run has not (`skips`); `sets`: its orders turn the learning rate."""
    rng = random.Random(seed)
    kills = []
    for _ in range(num_kills):
        victim = rng.choice([each for each in VICTIMS if each in victims])
        moment = rng.choice([each for each in MOMENTS[victim] if each not in skips])
        kills.append(_kill(victim, "order" if sets and rng.random() < 0.5 else moment, rng, sets=sets))
    return kills


def _kill(victim: Victim, moment: str, rng: random.Random, *, sets: bool) -> Kill:
    if victim == "worker" and moment == "order":
        victim = "trainer"
    if moment == "any":
        return Kill(victim, moment, None, delay_s=rng.uniform(0.0, 1.0))
    if moment in ("order", "rollback"):
        return _KILLS_BY_ORDER[moment](victim, rng, sets)
    lies_in, occasion, words, most = _PLACES[moment]
    return Kill(victim, moment, Trap(lies_in, occasion, words, rng.randint(1, most), victim))


_PLACES: dict[str, tuple[str, str, str, int]] = {
    "step": ("trainer", "phase", "train", 30),
    "eval": ("trainer", "phase", "eval", 4),
    "save": ("trainer", "files", "checkpoints/", 40),
    "rename": ("trainer", "files", "os.rename checkpoints/.writing-step", 2),
    "link": ("trainer", "files", "checkpoints/.latest", 3),
    "prune": ("trainer", "files", "checkpoints/.writing-discarded", 9),
    "loading": ("trainer", "files", "runs/", 40),
    "status": ("supervise", "files", "runs/", 30),
}
"""Where the trap lies, its occasion and words, and the highest count it may wait for."""


def _by_order(victim: Victim, rng: random.Random, sets: bool) -> Kill:
    occasion = rng.choice(("before", "after"))
    if victim == "supervisor" and not sets and rng.random() < 0.3:
        verb = rng.choice(_TO_THE_SUPERVISOR)
        return Kill(victim, "order", Trap("supervise", occasion, verb, 1, victim), verb=verb)
    verb = Verb.SET if sets else rng.choice(_TO_THE_TRAINER)
    return Kill(victim, "order", Trap("trainer", occasion, verb, 1, victim), verb=verb)


def _by_rollback(victim: Victim, rng: random.Random, sets: bool) -> Kill:
    """The supervisor around the outcome, which is its own; either of them while the next trainer takes its place."""
    if victim == "supervisor" and rng.random() < 0.5:
        trap = Trap("supervise", rng.choice(("before", "after")), Verb.ROLLBACK, 1, victim)
    else:
        trap = Trap("trainer", "files", "runs/", rng.randint(1, 40), victim)
    return Kill(victim, "rollback", trap, verb=Verb.ROLLBACK)


_KILLS_BY_ORDER: dict[str, Callable[[Victim, random.Random, bool], Kill]] = {
    "order": _by_order,
    "rollback": _by_rollback,
}
