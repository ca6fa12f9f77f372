"""Quiet hours and the limit an hour: what may go out when, and that nothing critical waits for the morning."""

import time
from datetime import datetime

import pytest

from rundir.records import Severity
from tests.traind.notify.conftest import notice
from traind.notify.gate import HOUR_S, MOST_WAITING, Gate, QuietHours


def clock(text: str) -> float:
    """UTC seconds of a time of day here, on some day."""
    return datetime.fromisoformat(f"2026-03-04T{text}:00").astimezone().timestamp()


def titles(gate: Gate, now_at: float) -> list[str]:
    return [each.title for each in gate.take(now_at)]


@pytest.mark.parametrize(
    ("span", "at", "is_quiet"),
    [
        ("22:00-07:00", "21:59", False),
        ("22:00-07:00", "22:00", True),
        ("22:00-07:00", "00:00", True),
        ("22:00-07:00", "06:59", True),
        ("22:00-07:00", "07:00", False),
        ("12:30-13:00", "12:45", True),
        ("12:30-13:00", "13:00", False),
        ("12:30-13:00", "12:29", False),
    ],
)
def test_quiet_hours_are_local_and_may_span_midnight(span: str, at: str, is_quiet: bool) -> None:
    assert QuietHours(span).has(clock(at)) is is_quiet


def test_quiet_hours_are_those_of_the_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    at = 1_772_582_400.0  # midnight in UTC
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    try:
        assert QuietHours("23:00-01:00").has(at)
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        assert not QuietHours("23:00-01:00").has(at)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_is_not_critical_waits_for_the_morning_and_comes_as_one() -> None:
    gate = Gate(20, QuietHours("22:00-07:00"))
    night, morning = clock("02:00"), clock("07:00")
    gate.offer(notice("a"))
    assert titles(gate, night) == []
    gate.offer(notice("b", severity=Severity.CRITICAL))
    gate.offer(notice("c", text="see c"))
    assert titles(gate, night) == ["b"]
    [one] = gate.take(morning)
    assert one.title == "run: 2 messages that waited"
    assert "a\ntext\n\nc\nsee c" in one.text
    assert gate.take(morning) == []


def test_the_end_of_the_run_does_not_wait() -> None:
    gate = Gate(1, QuietHours("22:00-07:00"))
    gate.offer(notice("a"))
    assert titles(gate, clock("02:00")) == []
    gate.offer(notice("b", is_last=True))
    [one] = gate.take(clock("02:00"))
    assert one.is_last
    assert one.title == "run: 2 messages that waited"


def test_what_is_over_the_limit_waits_until_an_hour_has_room() -> None:
    gate = Gate(2, None)
    sent = []
    for minute in range(130):
        gate.offer(notice(f"m{minute}"))
        sent += gate.take(60.0 * minute)
    assert [each.title for each in sent[:2]] == ["m0", "m1"]
    assert sent[2].title == f"run: {MOST_WAITING} messages that waited"
    assert max(sum(at <= each.at < at + HOUR_S for each in sent) for at in (0.0,)) <= len(sent)
    assert len(sent) == 6  # 2 at once, 2 more an hour later, 2 more after two hours


def test_a_burst_beyond_the_limit_comes_as_one() -> None:
    gate = Gate(3, None)
    for number in range(4):
        gate.offer(notice(f"m{number}"))
    assert titles(gate, 0.0) == ["run: 4 messages that waited"]


def test_of_too_many_that_wait_critical_ones_are_kept() -> None:
    gate = Gate(20, QuietHours("00:00-23:59"))
    gate.offer(notice("grave", severity=Severity.CRITICAL))
    for number in range(2 * MOST_WAITING):
        gate.offer(notice(f"m{number}"))
    assert titles(gate, clock("02:00")) == ["grave"]


def test_a_clock_that_goes_back_does_not_shut_it() -> None:
    gate = Gate(1, None)
    gate.offer(notice("a"))
    assert titles(gate, 1_000_000.0) == ["a"]
    gate.offer(notice("b"))
    assert titles(gate, 900_000.0) == ["b"]
