"""What a person types to go somewhere in the past, and how a place there is said. Pure but for the local time zone."""

import re
import time
from datetime import datetime, timedelta

from rundir.series import MAX_STEP
from trainwatch import format as fmt
from trainwatch.store import Store
from trainwatch.travel.tape import Tape

HINT = "a step 1200 · a share 50% · a time 14:03 or 2026-11-25 14:03 · 2h ago · start · now"
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_AGO = re.compile(r"-?(\d+(?:\.\d+)?)\s*([smhd])(?:\s*ago)?")
_STEP = re.compile(r"(?:step\s*)?(\d[\d,_]*)")
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


def target(text: str, tape: Tape, now: float) -> float | None:
    """The time that is meant; None for now. Raises ValueError with a reason in words."""
    typed = " ".join(text.split()).casefold()
    if typed in ("now", "end"):
        return None
    if typed == "start":
        return tape.start
    if found := _STEP.fullmatch(typed):
        return _of_step(int(found[1].replace(",", "").replace("_", "")), tape)
    if found := _SHARE.fullmatch(typed):
        index = round(min(float(found[1]), 100.0) / 100 * (len(tape.moments) - 1))
        return float(tape.moments[index])
    return _of_time(typed, tape, now)


def _of_step(step: int, tape: Tape) -> float:
    at = tape.time_of_step(float(step)) if step < MAX_STEP else None
    if at is None:
        raise ValueError(f"the run has no step {fmt.clip(f'{step:,}', 30)}; its newest is {tape.newest_step:,}")
    return at


def _of_time(typed: str, tape: Tape, now: float) -> float:
    if not tape.is_timed:
        raise ValueError("these records have no times; give a step")
    if found := _AGO.fullmatch(typed):
        at = now - float(found[1]) * _UNITS_S[found[2]]
    elif found := _CLOCK.fullmatch(typed):
        at = _newest_clock(int(found[1]), int(found[2]), int(found[3] or 0), tape.end)
    else:
        try:
            at = datetime.fromisoformat(typed.replace(" ", "T")).timestamp()
        except (ValueError, OverflowError, OSError):
            raise ValueError(f"neither a step nor a time: {fmt.clip(typed, 30)!r}; {HINT}") from None
    if at > now:
        raise ValueError("that is not past yet")
    if at < tape.start:
        raise ValueError(f"the run began at {clock(tape.start, now)}")
    return at


def _newest_clock(hour: int, minute: int, second: int, end: float) -> float:
    """The last such time of a day up to the run's last record."""
    try:
        last = datetime.fromtimestamp(end).astimezone()
    except (ValueError, OverflowError, OSError):
        raise ValueError("the times of these records are none; give a step") from None
    try:
        wanted = last.replace(hour=hour, minute=minute, second=second, microsecond=0)
    except ValueError:
        raise ValueError(f"{hour}:{minute:02d} is no time of a day") from None
    at = wanted if wanted <= last else wanted - timedelta(days=1)
    return at.timestamp()


def clock(at: float, now: float) -> str:
    """14:03:20; of another day than today's with its date."""
    try:
        then, today = time.localtime(at), time.localtime(now)
        is_today = then[:3] == today[:3]
        return time.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M:%S", then)
    except (OverflowError, ValueError, OSError):
        return "--:--:--"


def place_words(store: Store, tape: Tape, at: float, now: float) -> str:
    """as of step 1,200 of 5,000 · 14:03:20 · 2 h ago"""
    total = store.total_steps
    words = f"as of step {fmt.count(store.step)}" + (f" of {fmt.count(total)}" if total else "")
    return f"{words} · {clock(at, now)} · {fmt.age(max(0.0, now - at))} ago" if tape.is_timed else words


def parse_speed(text: str) -> int:
    """`10`, `×10` or `x10`. Raises ValueError with a reason in words."""
    digits = text.strip().lstrip("×xX").rstrip("×xX")
    if not digits.isascii() or not digits.isdecimal() or not 1 <= int(digits) <= 1000:
        raise ValueError(f"{text!r} is no speed from ×1 to ×1000; name the run first: trainwatch RUN --replay ×10")
    return int(digits)
