"""Whether the wall clock can be relied on: plausible, synchronised, running as fast as the monotonic one."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from traind.check.finding import Finding, fault, ok, warn
from traind.doctor.logout import parse_yes
from traind.doctor.shell import ask
from traind.words import duration, instant

EARLIEST_AT = 1_750_000_000.0
"""June 2025, before this was written: an earlier clock is wrong."""
STEP_S = 0.5
"""By how much the two clocks may come apart while the doctor looks."""
AHEAD_S = 5.0


@dataclass(frozen=True, slots=True)
class Moment:
    """Both clocks at once."""

    wall_at: float
    monotonic_s: float


def now() -> Moment:
    return Moment(time.time(), time.monotonic())


def parse_timedatectl(text: str | None) -> tuple[bool | None, str]:
    """Whether the clock is synchronised (None: not told) and the time zone, of `timedatectl show`."""
    values = dict(line.split("=", 1) for line in (text or "").splitlines() if "=" in line)
    return parse_yes(values.get("NTPSynchronized")), values.get("Timezone", "")


def examine_clock(
    before: Moment, after: Moment, newest_at: float | None, *, is_synchronised: bool | None, zone: str
) -> Iterator[Finding]:
    """`newest_at`: the latest instant that a run here has written down."""
    text = f"{instant(after.wall_at)}, zone {zone}"
    drift_s = (after.wall_at - before.wall_at) - (after.monotonic_s - before.monotonic_s)
    cure = "sudo timedatectl set-ntp true"
    if after.wall_at < EARLIEST_AT:
        yield fault("clock", f"{text}: it is wrong", f"{cure}, or set it with date")
    elif abs(drift_s) > STEP_S:
        yield warn("clock", f"{text}: it was put {duration(abs(drift_s))} {_way(drift_s)} while it was looked at", cure)
    elif newest_at is not None and newest_at > after.wall_at + AHEAD_S:
        ahead = duration(newest_at - after.wall_at)
        yield warn("clock", f"{text}: the newest run was written {ahead} after now, the clock was put back", cure)
    elif is_synchronised is False:
        yield warn("clock", f"{text}: not synchronised", cure)
    else:
        yield ok("clock", text + (", synchronised" if is_synchronised else ""))


def _way(drift_s: float) -> str:
    return "forward" if drift_s > 0 else "back"


def look_at_clock(before: Moment, newest_at: float | None) -> Iterator[Finding]:
    """The same of this machine, since `before`."""
    is_synchronised, zone = parse_timedatectl(ask("timedatectl", "show"))
    yield from examine_clock(
        before, now(), newest_at, is_synchronised=is_synchronised, zone=zone or time.strftime("%Z (UTC%z)")
    )
