"""What has happened to a run since it was last looked at that a person wants to hear of who looks elsewhere. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from rundir.records import AlertEvent, Severity
from rundir.status import Liveness, State, Status
from rundir.text import plain
from trainwatch import format as fmt

LONGEST = 200
"""Characters of a message: what a desktop shows of one."""


class Means(StrEnum):
    """How the terminal is to tell."""

    NONE = "none"
    BELL = "bell"
    OSC9 = "osc9"


@dataclass(frozen=True, slots=True)
class Sight:
    """What of a run may be news once it is another."""

    run: str
    alerts: dict[str, str]
    """Rule and message of those that are active, warnings and worse."""
    ending: str = ""
    """How it has ended, crashed or died, in words; empty while it goes on."""


def sight_of(run: str, alerts: Iterable[AlertEvent], status: Status | None, verdict: Liveness) -> Sight:
    """`run`: its name for people."""
    grave = {alert.rule: alert.message for alert in alerts if alert.severity is not Severity.INFO}
    return Sight(run, grave, _ending(status, verdict))


def _ending(status: Status | None, verdict: Liveness) -> str:
    if status is None:
        return ""
    why = f": {status.last_error}" if status.last_error else ""
    if status.state.has_ended:
        return f"{status.state}{why if status.state is not State.DONE else ''}"
    if status.state is State.RESTARTING:
        return f"crashed{why}"
    if verdict in (Liveness.DEAD, Liveness.REBOOTED, Liveness.ORPHANED):
        return f"{verdict}, was {status.state}"
    return ""


def news(before: Sight | None, now: Sight) -> list[str]:
    """A message for each alert that was not there before, and for an end; none at the first sight.

    They hold no control character, and begin with a word: what begins with a number means other things to a terminal.
    """
    if before is None:
        return []
    told = [f"{rule}: {message}" for rule, message in now.alerts.items() if rule not in before.alerts]
    if now.ending and now.ending != before.ending:
        told.append(now.ending)
    return [fmt.clip(plain(f"trainwatch {now.run}: {text}"), LONGEST) for text in told]


def osc9(message: str, *, in_tmux: bool) -> str:
    """What makes a terminal show a notification (iTerm2's sequence, known to many); tmux is asked to hand it on."""
    sequence = f"\x1b]9;{plain(message)}\x07"
    if not in_tmux:
        return sequence
    doubled = sequence.replace("\x1b", "\x1b\x1b")
    return f"\x1bPtmux;{doubled}\x1b\\"
