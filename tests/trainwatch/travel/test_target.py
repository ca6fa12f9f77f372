"""What is typed to go somewhere in the past, and how a place there is said."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rundir.records import LifecycleEvent
from tests.trainwatch.runs import append, make_run, step
from trainwatch.feed import read_opened
from trainwatch.travel.past import Past, read_tape
from trainwatch.travel.tape import Tape
from trainwatch.travel.target import clock, parse_speed, place_words, target

NOON = 1_764_158_400.0
"""2025-11-26 12:00:00 UTC"""


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def past(tmp_path: Path) -> Past:
    """A step every half hour, from noon for two days."""
    run = make_run(tmp_path)
    append(run.metrics, [step(i, 1.0).__class__(at=NOON + 1800 * i, attempt=1, step=i, loss=1.0) for i in range(1, 97)])
    return Past(run, read_opened(run), read_tape(run))


@pytest.fixture
def tape(past: Past) -> Tape:
    return past.tape


END = NOON + 1800 * 96
NOW = END + 3600


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("10", NOON + 18_000),
        (" step 1_0 ", NOON + 18_000),
        ("0", NOON + 1800),
        ("start", NOON + 1800),
        ("100%", END),
        ("0 %", NOON + 1800),
        ("now", None),
        ("END", None),
        ("2h ago", END - 3600),
        ("-90m", END - 1800),
        ("11:00", END - 3600),
        ("13:30:05", END - 86_400 + 5405),
        ("2025-11-27 00:10", NOON + 43_800),
        ("2025-11-27T00:10:00", NOON + 43_800),
        ("2025-11-27", NOON + 43_200),
    ],
)
def test_a_place_is_a_step_a_share_or_a_time(tape: Tape, text: str, at: float | None) -> None:
    assert target(text, tape, NOW) == at


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("97", "no step 97; its newest is 96"),
        pytest.param("9" * 399, "no step 999,", id="a step beyond all"),
        ("24:61", "no time of a day"),
        ("3000-01-01", "not past yet"),
        ("2001-01-01", "began at 2025-11-26 12:30:00"),
        ("9d ago", "began at"),
        ("yesterday", "neither a step nor a time"),
        ("", "neither a step nor a time"),
    ],
)
def test_what_is_no_place_is_refused_in_words(tape: Tape, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        target(text, tape, NOW)


def test_a_place_says_its_step_its_time_and_how_long_ago(past: Past) -> None:
    store = past.seek(END - 3600)
    assert place_words(store, past.tape, past.at, NOW) == "as of step 94 · 11:00:00 · 2 h ago"
    past.seek(NOON + 1800)
    assert clock(past.at, NOW) == "2025-11-26 12:30:00"
    assert clock(1e300, NOW) == "--:--:--"


@pytest.mark.parametrize(("text", "speed"), [("10", 10), ("×10", 10), ("x1000", 1000), ("1", 1), ("100×", 100)])
def test_a_speed_is_a_number_with_or_without_a_cross(text: str, speed: int) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["0", "1001", "-3", "fast", "", "runs/x", "1.5"])
def test_what_is_no_speed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="RUN --replay"):
        parse_speed(text)


def test_a_run_whose_times_are_damage_has_no_time_of_a_day(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.events, [LifecycleEvent(at=-1e200, attempt=1, writer="supervisor", what="spawned")])
    with pytest.raises(ValueError, match="give a step"):
        target("12:00", read_tape(run), NOW)
