"""One recorded run through the rules as the supervisor runs them: records in order, ticks in between, alerts out."""

import time
from typing import Any

import msgspec

from bench.alerts.store import Case
from rundir.alerts import Engine
from rundir.alerts.facts import Facts
from rundir.records import Severity

TICK_EVERY_S = 30.0
MOST_TICKS = 1000
"""Between two records: longer silences are looked at more seldom."""
RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


class Alert(msgspec.Struct, kw_only=True):
    """One alert from its raising to its end."""

    rule: str
    raised_step: int
    onset_step: int
    warned_step: int | None = None
    """Where it first was a warning or worse; None if it never was."""
    severity: Severity
    """The worst it came to."""
    cleared_step: int | None = None
    incident: int = 0


class Replayed(msgspec.Struct, kw_only=True):
    """What the rules said about one run."""

    alerts: list[Alert] = []
    primary: dict[int, str] = {}
    """The primary rule of each incident, as called last."""
    messages: list[int] = []
    """The step of each message that a person would have been sent."""
    num_records: int = 0
    feed_s: float = 0.0
    """Seconds of processor time spent in the rules."""


class _Log:
    """Turns changes into alerts."""

    def __init__(self) -> None:
        self.said = Replayed()
        self._open: dict[str, Alert] = {}

    def take(self, changes: list[Any]) -> None:
        """The changes of one record or tick."""
        for change in changes:
            alert = self._open.get(change.rule)
            if alert is None or change.change == "raised":
                alert = Alert(
                    rule=change.rule,
                    raised_step=change.step,
                    onset_step=change.onset_step,
                    severity=change.severity,
                )
                self._open[change.rule] = alert
                self.said.alerts.append(alert)
            self._update(alert, change)

    def _update(self, alert: Alert, change: Any) -> None:
        if RANK[change.severity] > RANK[alert.severity]:
            alert.severity = change.severity
        if alert.warned_step is None and change.change != "cleared" and RANK[change.severity] > 0:
            alert.warned_step = change.step
        alert.incident = change.incident or alert.incident
        if change.news:
            self.said.messages.append(change.step)
        if change.change == "cleared":
            alert.cleared_step = change.step
            del self._open[change.rule]


def _ticks(before: float, now: float, *, jumps: bool = False) -> list[float]:
    """The moments of a silence at which the supervisor looks. A clock that jumps is seen once, after the jump."""
    if jumps and now - before > TICK_EVERY_S:
        return [now]
    gap = max(TICK_EVERY_S, (now - before) / MOST_TICKS)
    return [before + gap * i for i in range(1, max(0, int((now - before) / gap)) + 1)]


def replay(case: Case) -> Replayed:
    """All rules at their defaults over one run."""
    engine = Engine(None, facts=msgspec.convert(case.facts, Facts))
    log = _Log()
    last = case.records[0].at
    jumps = case.stream is not None and case.stream["kind"] == "clock-jump"
    began = time.process_time()
    for record in case.records:
        for now_at in _ticks(last, record.at, jumps=jumps):
            log.take(engine.tick(now_at))
        if changes := engine.feed(record):
            log.take(changes)
            log.said.primary.update(engine.primaries())
        last = record.at
    for now_at in _ticks(last, case.ends_at or last):
        log.take(engine.tick(now_at))
    log.said.primary.update(engine.primaries())
    log.said.feed_s = time.process_time() - began
    log.said.num_records = len(case.records)
    return log.said
