"""From changes to alerts: each with its whole life, as far as it has gone. For reports, and for viewers."""

from collections.abc import Iterable
from typing import Any

import msgspec

from rundir.alerts.base import AlertChange
from rundir.alerts.engine import MARKS
from rundir.records import Severity

_GRAVE = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}


class Alert(msgspec.Struct, kw_only=True):
    """One alert from being raised to being cleared."""

    rule: str
    severity: Severity
    """The gravest it came to."""
    onset_step: int
    detected_step: int
    cleared_step: int | None
    """None while it is open."""
    incident: int
    primary: bool
    message: str
    """Of its gravest state."""
    evidence: dict[str, Any]
    causes: list[str]
    fixes: list[str]
    order: dict[str, Any] | None
    detected_at: float
    onset_at: float | None
    cleared_at: float | None = None
    news: bool = False
    """Whether it was worth a message."""


class History:
    """The alerts of one run, in the order in which they were raised; marks apart."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.marks: list[AlertChange] = []
        self._open: dict[str, Alert] = {}
        self._primary: dict[int, str] = {}

    def take(self, changes: Iterable[AlertChange]) -> None:
        """What an engine has said next."""
        for change in changes:
            if change.rule in MARKS:
                self.marks.append(change)
            elif change.change == "cleared":
                if (alert := self._open.pop(change.rule, None)) is not None:
                    alert.cleared_step, alert.cleared_at = change.step, change.at
            else:
                self._note(change)

    def _note(self, change: AlertChange) -> None:
        if change.primary:
            self._primary[change.incident] = change.rule
        alert = self._open.get(change.rule)
        if alert is None:
            alert = self._open[change.rule] = Alert(
                rule=change.rule,
                severity=change.severity,
                onset_step=change.onset_step,
                detected_step=change.step,
                cleared_step=None,
                incident=change.incident,
                primary=False,
                message=change.message,
                evidence=change.evidence,
                causes=change.causes,
                fixes=change.fixes,
                order=change.order,
                detected_at=change.at,
                onset_at=change.onset_at,
                news=change.news,
            )
            self.alerts.append(alert)
        elif _GRAVE[change.severity] <= _GRAVE[alert.severity]:
            alert.severity, alert.message, alert.evidence = change.severity, change.message, change.evidence
            alert.causes, alert.fixes, alert.onset_step = change.causes, change.fixes, change.onset_step
        alert.news |= change.news
        for each in self.alerts:
            if each.incident == change.incident:
                each.primary = self._primary.get(each.incident) == each.rule

    def incidents(self) -> list[list[Alert]]:
        """The alerts by incident, in order; in each the primary first, then the graver, then the earlier."""
        grouped: dict[int, list[Alert]] = {}
        for alert in self.alerts:
            grouped.setdefault(alert.incident, []).append(alert)
        return [
            sorted(alerts, key=lambda a: (not a.primary, _GRAVE[a.severity], a.detected_step))
            for alerts in grouped.values()
        ]
