"""Where to go in a log: a line, a share, a step, or a moment, as typed; and which bytes were written at a moment.

Nothing in console.log itself says when: libraries print what they like. The supervisor notes how long the file was with
every sample of the machine (`console_bytes`); of a run without that, time stamps in the lines themselves may do.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from rundir.layout import RunDir
from rundir.records import SYSTEM_DECODER, SystemRecord
from trainwatch.consolelog.lines import Line, LineFile

_NEAR_BYTES = 64 * 1024
"""So little is read line by line."""
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_STEP = re.compile(r"(?:s|step) *(\d{1,15})")


class Kind(StrEnum):
    """What a place is named by."""

    LINE = "line"
    SHARE = "share"
    STEP = "step"
    MOMENT = "moment"


@dataclass(frozen=True, slots=True)
class Place:
    """A line's number, a share of 0 to 1, a step, or UTC seconds."""

    kind: Kind
    value: float


def parse_place(text: str, now: float) -> Place:
    """A place as typed. A time of day is the last such time before `now`. Raises ValueError, with what there is."""
    text = text.strip().lower()
    if text.isdecimal() and len(text) < 16:
        return Place(Kind.LINE, int(text))
    if match := _STEP.fullmatch(text):
        return Place(Kind.STEP, int(match[1]))
    if text.endswith("%") and text[:-1].strip().isdecimal() and int(text[:-1]) <= 100:
        return Place(Kind.SHARE, int(text[:-1]) / 100)
    if match := _CLOCK.fullmatch(text):
        return Place(Kind.MOMENT, _last_time(int(match[1]), int(match[2]), int(match[3] or 0), now))
    try:
        if not _DATE.match(text):
            raise ValueError(text)
        return Place(Kind.MOMENT, datetime.fromisoformat(text.upper()).timestamp())
    except (ValueError, OverflowError, OSError):
        raise ValueError("a line 1234, a share 50%, a step s400, a time 14:30 or 2026-11-26 14:30:05") from None


def _last_time(hour: int, minute: int, second: int, now: float) -> float:
    day = datetime.fromtimestamp(now)  # noqa: DTZ006 — as clocks on walls here show it
    try:
        at = day.replace(hour=hour, minute=minute, second=second, microsecond=0).timestamp()
    except ValueError:
        raise ValueError(f"{hour}:{minute:02d}: no time of day") from None
    return at if at <= now else at - 86400


def offset_at(run: RunDir, file: LineFile, at: float) -> int | None:
    """Where the log was at a moment, roughly; None where nothing tells. Raises OSError."""
    noted = _noted_start(run, file, at)
    return noted if noted is not None else _before(file, _stamped, at)


def end_at(run: RunDir, file: LineFile, at: float) -> int | None:
    """Where the log ended at a moment, roughly: what begins there or behind it came later. None where nothing tells.

    Raises OSError.
    """
    noted = _noted_start(run, file, at)
    if noted is not None:
        return noted
    start = _before(file, _stamped, at)
    if start is None:
        return None
    lines = file.after(start, 4000)
    later = (line.start for line in lines if (then := _stamped(line.text)) is not None and then > at)
    return next(later, lines[-1].end if lines else start)


def sample_at(run: RunDir, at: float) -> SystemRecord | None:
    """The newest sample of the machine at a moment; None where there was none yet. Raises OSError."""
    record = next((_sample(line.text) for line in _samples(run, at, 1)), None)
    return record if record is not None and record.at <= at else None


def _noted_start(run: RunDir, file: LineFile, at: float) -> int | None:
    """The line at which the console ended at the last sample before a moment, or at the first one after it."""
    records = (_sample(line.text) for line in _samples(run, at, 3))
    noted = next((record.console_bytes for record in records if record and record.console_bytes is not None), None)
    return None if noted is None else file.start_of(max(file.begin, min(noted, file.size)))


def _samples(run: RunDir, at: float, num: int) -> list[Line]:
    """Lines of system.jsonl from the newest sample at a moment on; empty where there was none yet. Raises OSError."""
    try:
        system = LineFile(run.system)
    except FileNotFoundError:
        return []
    try:
        start = _before(system, _sampled_at, at)
        return [] if start is None else list(system.after(start, num))
    finally:
        system.close()


def _sample(text: str) -> SystemRecord | None:
    try:
        return SYSTEM_DECODER.decode(text.encode("utf-8", "surrogateescape"))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _sampled_at(text: str) -> float | None:
    record = _sample(text)
    return None if record is None else record.at


def _stamped(text: str) -> float | None:
    """The moment that a line names, by the clock here; None where it names none."""
    match = _STAMP.search(text, 0, 80)
    if match is None:
        return None
    try:
        return time.mktime(time.strptime(match[1].replace("T", " "), "%Y-%m-%d %H:%M:%S"))
    except (ValueError, OverflowError):
        return None


def _before(file: LineFile, moment_of: Callable[[str], float | None], at: float) -> int | None:
    """The last line from before a moment, else the first that has one, by bisection; None where no line has any."""
    low, high = file.begin, file.size
    while high - low > _NEAR_BYTES:
        middle = file.start_of((low + high) // 2)
        found = next(
            ((line, then) for line in file.after(middle, 100) if (then := moment_of(line.text)) is not None), None
        )
        if middle <= low or found is None or found[0].start >= high or found[1] > at:
            high = max(low, middle)
        else:
            low = found[0].start
    best: int | None = None
    for line in file.after(low, 4000):
        then = moment_of(line.text)
        if then is not None and (best is None or then <= at):
            best = line.start
        if then is not None and then > at:
            break
    return best
