"""What a check has to say, and how it is shown. Plain values; knows no check, no torch and no screen."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from rundir.text import plain
from traind.words import one_line


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """Worth a look; training would run."""
    FAULT = "fault"
    """Training would fail, or what comes of it would be worth nothing."""


MARKS = {Level.OK: "✓", Level.WARN: "!", Level.FAULT: "✗"}
_NAME_WIDTH = 18
_NUM_NAMED = 4


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row of the table."""

    level: Level
    check: str
    """What was looked at, in a word or two; the same for every outcome."""
    text: str
    """What was found, with its figures."""
    cure: str = ""
    """What to do about it; empty where nothing need be done."""


def ok(check: str, text: str) -> Finding:
    return Finding(Level.OK, check, text)


def warn(check: str, text: str, cure: str) -> Finding:
    return Finding(Level.WARN, check, text, cure)


def fault(check: str, text: str, cure: str) -> Finding:
    return Finding(Level.FAULT, check, text, cure)


def of_mistake(check: str, message: str) -> Finding:
    """A ConfigError's line, `place: what; cure`, as a finding."""
    text, _, cure = message.rpartition("; ")
    return fault(check, text or cure, cure if text else "")


def lines(finding: Finding) -> list[str]:
    """The row as text: mark, check, what was found; below it the cure."""
    first, *rest = (plain(part) for part in finding.text.split("\n"))
    indent = " " * (_NAME_WIDTH + 3)
    cure = [f"{indent}→ {plain(finding.cure)}"] if finding.cure else []
    return [f"{MARKS[finding.level]} {finding.check:{_NAME_WIDTH}} {first}", *(indent + part for part in rest), *cure]


def in_one_line(finding: Finding) -> str:
    """Check, what was found, and the cure; nothing in it steers a terminal."""
    cure = f"; {finding.cure}" if finding.cure else ""
    return plain(one_line(f"{finding.check}: {finding.text}{cure}"))


def some(names: Sequence[str]) -> str:
    """The first few of labels, places or tensors."""
    return " · ".join(names[:_NUM_NAMED]) + (" · …" if len(names) > _NUM_NAMED else "")


def count(findings: Iterable[Finding], level: Level) -> int:
    """How many are of that level."""
    return sum(finding.level is level for finding in findings)
