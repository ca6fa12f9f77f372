"""The supervisor's own reading of the records: what the rules say is told once, whatever else stands in the events."""

import pytest

from rundir.alerts import Engine
from rundir.append import Appender
from rundir.layout import RunDir
from rundir.records import AlertEvent, Severity, StepRecord, encode
from traind.watch import RecordWatch


def alert(rule: str) -> AlertEvent:
    return AlertEvent(
        at=1.0,
        attempt=1,
        writer="supervisor",
        step=1,
        rule=rule,
        change="raised",
        severity=Severity.CRITICAL,
        message="m",
    )


@pytest.mark.parametrize(("rule", "expected"), [("stalled", ["raised"]), ("non-finite", [])])
def test_only_what_the_rules_said_counts_as_told(run_dir: RunDir, rule: str, expected: list[str]) -> None:
    """A supervisor died before it could keep alerts.json; its alert of a stall is none of the rules'."""
    Appender(run_dir.events).append(encode(alert(rule)))
    metrics = Appender(run_dir.metrics)
    metrics.append(encode(StepRecord(at=1.0, attempt=1, seq=1, step=1, loss="nan")))
    watch = RecordWatch(run_dir, Engine())
    watch.events()
    assert [change.change for change in watch.alert_changes(2.0) if change.rule == "non-finite"] == expected
