"""The supervisor's side: what it reads becomes messages, failures become events, and it never waits but at the end."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rundir import process
from rundir.alerts import AlertChange
from rundir.layout import RunDir
from rundir.records import EVENT_DECODER, EventRecord, LifecycleEvent, Severity, decode_lines
from tests.conftest import eventually
from tests.traind.notify.receiver import SECRET, Receiver
from tests.traind.notify.test_herald import alert, happened
from traind.config_notify import Notify
from traind.eventlog import EventLog
from traind.notify.notifier import STALE_S, Notifier

Make = Callable[..., Notifier]


@pytest.fixture
def events(run_dir: RunDir) -> Iterator[EventLog]:
    log = EventLog(run_dir.events, "supervisor", 1, run_dir.reserve)
    yield log
    log.close()


@pytest.fixture
def make(run_dir: RunDir, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setenv("MINE", receiver.url)
    return lambda **wants: Notifier(run_dir, Notify(urls_env="MINE", **wants))


def finish(notifier: Notifier, events: EventLog) -> None:
    notifier.finish(events, 7, lambda: None, lambda: False)


def written(run: RunDir) -> list[EventRecord]:
    return decode_lines(run.events.read_bytes(), EVENT_DECODER).records if run.events.exists() else []


def test_news_is_told_and_history_is_not(make: Make, events: EventLog, receiver: Receiver, run_dir: RunDir) -> None:
    notifier = make()
    notifier.learn([alert(), happened("crashed")])
    notifier.hear([alert("plateau", step=510), alert("slow-step", incident=2), happened("done")])
    finish(notifier, events)
    assert [title.partition(": ")[2] for title in receiver.titles] == [
        "warning: slow-step at step 500",
        "done at step 7",
    ]
    assert written(run_dir) == []


def test_where_the_run_is_is_told_from_the_root(
    run_dir: RunDir, events: EventLog, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", receiver.url)
    monkeypatch.chdir(run_dir.path.parent)
    notifier = Notifier(RunDir(Path(run_dir.id)), Notify(urls_env="MINE"))
    notifier.hear([happened("report", "best f1 1"), happened("done")])
    finish(notifier, events)
    (body,) = receiver.bodies
    assert body["message"] == f"best f1 1\n{process.host()}:{run_dir.path.resolve()}"


def test_a_failure_is_an_event_that_repeats_no_url(
    make: Make, events: EventLog, receiver: Receiver, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traind.notify.courier.LAST_DELAY_S", 0.01)
    receiver.answers = [500]
    notifier = make()
    notifier.hear([happened("done")])
    finish(notifier, events)
    assert [title.partition(": ")[2] for title in receiver.titles] == ["done at step 7"]
    told = [(event.what, event.message) for event in written(run_dir) if isinstance(event, LifecycleEvent)]
    assert [what for what, _ in told] == ["notify_failed", "notify_sent"]
    assert "refused with HTTP 500; tried again in 0.01 s" in told[0][1]
    assert SECRET not in run_dir.events.read_text(encoding="utf-8")


def test_quiet_hours_hold_messages_and_no_command(
    make: Make, events: EventLog, receiver: Receiver, run_dir: RunDir
) -> None:
    hook = run_dir.path / "hook"
    hook.write_text('#!/bin/sh\ncat >> "$0.got"; echo >> "$0.got"\n', encoding="utf-8")
    hook.chmod(0o700)
    notifier = make(quiet_hours="00:00-00:00", command=[str(hook)])
    notifier.hear([alert()])
    notifier.look(events, 7)
    got = run_dir.path / "hook.got"
    eventually(lambda: got.exists() and got.read_text(encoding="utf-8").endswith("\n"))
    assert '"kind":"alert"' in got.read_text(encoding="utf-8")
    assert receiver.paths == []
    notifier.hear([happened("done")])
    finish(notifier, events)
    assert [title.partition(": ")[2] for title in receiver.titles] == ["2 messages that waited"]


def test_a_hung_service_costs_the_end_a_bounded_time(
    make: Make, events: EventLog, receiver: Receiver, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traind.notify.notifier.DRAIN_S", 0.3)
    receiver.is_open.clear()
    notifier, beats = make(), [0]

    def beat() -> None:
        beats[0] += 1

    notifier.hear([happened("done")])
    notifier.finish(events, 7, beat, lambda: False)
    assert beats[0] > 3
    [event] = written(run_dir)
    assert isinstance(event, LifecycleEvent)
    assert event.message == "1 not sent within the time there was"


def best(at: float) -> AlertChange:
    given: dict[str, Any] = {"change": "raised", "severity": Severity.INFO, "message": "f1 0.5"}
    return AlertChange(rule="new-best", step=7, onset_step=7, at=at, **given)


def test_an_old_best_evaluation_is_no_news(
    make: Make, events: EventLog, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traind.notify.notifier.time.time", lambda: 10_000.0)
    notifier = make(new_best=True)
    notifier.hear_best(best(10_000.0 - STALE_S - 1.0))
    notifier.hear_best(best(9_999.0))
    finish(notifier, events)
    assert len(receiver.titles) == 1


def test_nobody_to_tell_is_nothing_to_do(run_dir: RunDir, events: EventLog) -> None:
    notifier = Notifier(run_dir, Notify())
    notifier.hear([alert(), happened("done")])
    finish(notifier, events)
    assert written(run_dir) == []
