"""What of a run's events is worth a message: one an incident, and what happened to the run itself.

A pure function of events.jsonl, read from its start: a new supervisor knows what the one before it has told.
"""

from typing import Any

import msgspec

from rundir.alerts import AlertChange
from rundir.alerts.incident import SETTLE_STEPS
from rundir.records import AlertEvent, EventRecord, LifecycleEvent, Severity
from traind.config_notify import Notify
from traind.notify.notice import Kind, Notice

AGAIN_S = 3600.0
"""Alerts of one rule that is in no incident (a stall, a full disk) that come within so long of the last are no news."""
GRAVER_STEPS = 2 * SETTLE_STEPS
"""So long after its message an incident that has become critical is worth another, as the engine has it."""
_RANK = {severity: rank for rank, severity in enumerate(Severity)}
_OF_RUN: dict[str, tuple[Kind, Severity]] = {
    "done": ("finished", Severity.INFO),
    "stopped": ("finished", Severity.INFO),
    "failed": ("finished", Severity.CRITICAL),
    "crashed": ("crashed", Severity.CRITICAL),
    "restarting": ("restarted", Severity.WARNING),
}


class Herald:
    """Owns what has been told of each incident."""

    def __init__(self, wants: Notify, *, run: str, directory: str, host: str) -> None:
        self._wants = wants
        self._run, self._directory, self._host = run, directory, host
        self._kinds = {"finished": wants.finished, "crashed": wants.crashed, "restarted": wants.restarted}
        self._told: dict[int, tuple[Severity, int]] = {}
        """By incident: how grave it was said to be, and at which step."""
        self._told_at: dict[str, float] = {}
        """By rule, of those that are in no incident."""
        self._verdict = ""
        """What the present attempt has reported of the run's result."""

    def hear(self, event: EventRecord) -> Notice | None:
        """The message that an event is worth; feed every event once, in order."""
        if isinstance(event, AlertEvent):
            return self._of_alert(event)
        if isinstance(event, LifecycleEvent) and event.what in ("report", "spawned"):
            self._verdict = event.message if event.what == "report" else ""
        if isinstance(event, LifecycleEvent) and event.what in _OF_RUN:
            kind, severity = _OF_RUN[event.what]
            return self._of_run(event, kind, severity) if self._kinds[kind] else None
        return None

    def of_best(self, change: AlertChange) -> Notice | None:
        """The message that a new best evaluation is worth, where such are wanted."""
        if not self._wants.new_best:
            return None
        return Notice(
            kind="new-best",
            severity=Severity.INFO,
            title=f"{self._run}: new best at step {change.step:,}",
            text=change.message,
            at=change.at,
            step=change.step,
            run=self._run,
            directory=self._directory,
            host=self._host,
        )

    def _of_run(self, event: LifecycleEvent, kind: Kind, severity: Severity) -> Notice:
        at_step = "" if event.step is None else f" at step {event.step:,}"
        return Notice(
            kind=kind,
            severity=severity,
            title=f"{self._run}: {event.what}{at_step}",
            text=self._signed([line for line in (event.message, self._verdict * (kind == "finished")) if line]),
            at=event.at,
            step=event.step,
            is_last=kind == "finished",
            run=self._run,
            directory=self._directory,
            host=self._host,
        )

    def _of_alert(self, event: AlertEvent) -> Notice | None:
        floor = Severity(self._wants.severity)
        if event.change == "cleared" or _RANK[event.severity] > _RANK[floor] or not self._is_news(event):
            return None
        causes = ["Likely: " + "; ".join(event.causes)] if event.causes else []
        advice = event.fixes or ([event.advice] if event.advice else [])
        fixes = [f"{number}. {fix}" for number, fix in enumerate(advice, start=1)]
        return Notice(
            kind="alert",
            severity=event.severity,
            title=f"{self._run}: {event.severity}: {event.rule} at step {event.step or 0:,}",
            text=self._signed([event.message, *causes, *fixes]),
            at=event.at,
            step=event.step,
            alert=_plain(event),
            run=self._run,
            directory=self._directory,
            host=self._host,
        )

    def _is_news(self, event: AlertEvent) -> bool:
        """Whether nothing has been told of its incident, or it was less grave then, and that is a while ago."""
        if event.incident is None:
            last = self._told_at.get(event.rule)
            if event.change != "raised" or (last is not None and event.at - last < AGAIN_S):
                return False
            self._told_at[event.rule] = event.at
            return True
        step, told = event.step or 0, self._told.get(event.incident)
        if told is not None:
            is_graver = _RANK[event.severity] < _RANK[told[0]]
            if not is_graver or abs(step - told[1]) <= GRAVER_STEPS:
                return False
        self._told[event.incident] = event.severity, step
        return True

    def _signed(self, lines: list[str]) -> str:
        return "\n".join([*lines, f"{self._host}:{self._directory}"])


def _plain(event: AlertEvent) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(event)
    return plain
