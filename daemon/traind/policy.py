"""When a crashed trainer is started again, and when that would be of no use. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 60.0


@dataclass(frozen=True, slots=True)
class Crash:
    """One end of a trainer without leave."""

    at: float
    """Monotonic seconds."""
    step: int | None
    """None before the trainer's first: while it loads."""
    cause: str
    is_exception: bool
    """An exception in Python: the same one at the same step twice will come a third time."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows a crash: start again after `delay_s`, or fail the run for `give_up`."""

    delay_s: float = 0.0
    give_up: str | None = None


def after_crash(crashes: Sequence[Crash], max_restarts: int, window_s: float) -> Verdict:
    """The verdict on the last of `crashes` (oldest first, never empty)."""
    last = crashes[-1]
    twins = [crash for crash in crashes[:-1] if (crash.step, crash.cause) == (last.step, last.cause)]
    if last.is_exception and twins:
        where = "while loading" if last.step is None else f"at step {last.step}"
        return Verdict(give_up=f"the same exception {where} twice: {last.cause}")
    recent = [crash for crash in crashes if last.at - crash.at <= window_s]
    if len(recent) > max_restarts:
        return Verdict(give_up=f"{len(recent)} crashes in {window_s:.0f} s, the last: {last.cause}")
    return Verdict(delay_s=min(FIRST_DELAY_S * 2 ** (len(recent) - 1), LONGEST_DELAY_S))
