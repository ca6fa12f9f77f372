"""Which events are worth a message: one an incident, info never, and what happened to the run."""

from typing import Any

import pytest

from rundir.alerts import AlertChange
from rundir.records import AlertEvent, EventRecord, LifecycleEvent, NoteEvent, Severity
from traind.config_notify import Notify
from traind.notify.herald import AGAIN_S, GRAVER_STEPS, Herald
from traind.notify.notice import Notice


def herald(**wants: Any) -> Herald:
    return Herald(Notify(**wants), run="ner", directory="/runs/ner", host="node-1")


def alert(rule: str = "divergence", severity: str = "warning", **fields: Any) -> AlertEvent:
    given: dict[str, Any] = {"at": 10.0, "attempt": 1, "writer": "supervisor", "step": 500, "change": "raised"}
    given |= {"message": "loss 2.1 is over its best", "incident": 1}
    return AlertEvent(rule=rule, severity=Severity(severity), **{**given, **fields})


def happened(what: str, message: str = "", at: float = 10.0) -> LifecycleEvent:
    return LifecycleEvent(at=at, attempt=1, writer="supervisor", what=what, message=message, step=7)


def titles(one: Herald, events: list[EventRecord]) -> list[str]:
    return [told.title for event in events if (told := one.hear(event)) is not None]


def test_a_message_says_what_where_why_and_what_to_do() -> None:
    event = alert(causes=["lr too high", "bad data"], fixes=["halve lr", "look at the batch"], evidence={"lost": 0.7})
    told = herald().hear(event)
    assert told is not None
    assert told.title == "ner: warning: divergence at step 500"
    assert told.text.splitlines() == [
        "loss 2.1 is over its best",
        "Likely: lr too high; bad data",
        "1. halve lr",
        "2. look at the batch",
        "node-1:/runs/ner",
    ]
    assert (told.kind, told.severity, told.step, told.at) == ("alert", Severity.WARNING, 500, 10.0)
    assert told.alert is not None
    assert (told.alert["rule"], told.alert["evidence"]) == ("divergence", {"lost": 0.7})


def test_the_end_is_told_with_its_result() -> None:
    one = herald()
    report = happened("report", "best f1 0.93 at step 6; use checkpoints/best")
    assert one.hear(report) is None
    told = one.hear(happened("done"))
    assert told is not None
    assert told.title == "ner: done at step 7"
    assert told.text.splitlines() == ["best f1 0.93 at step 6; use checkpoints/best", "node-1:/runs/ner"]
    crashed = one.hear(happened("crashed", "it fell"))
    assert crashed is not None
    assert crashed.text == "it fell\nnode-1:/runs/ner"
    one.hear(happened("spawned", "attempt 2"))  # extended: that verdict is the last one's
    told = one.hear(happened("stopped"))
    assert told is not None
    assert told.text == "node-1:/runs/ner"


def test_an_incident_is_one_message() -> None:
    events = [
        alert(),
        alert("grad-explode", "critical", step=520),
        alert(change="updated", severity="critical", step=540),
        alert(change="cleared", step=900),
        alert("plateau", step=910),
        alert("slow-step", incident=2),
    ]
    assert titles(herald(), events) == ["ner: warning: divergence at step 500", "ner: warning: slow-step at step 500"]


def test_one_that_becomes_critical_much_later_is_told_again() -> None:
    late = 500 + GRAVER_STEPS + 1
    events: list[EventRecord] = [alert(), alert(change="updated", severity="critical", step=late)]
    events.append(alert("non-finite", "critical", step=2 * late))
    assert titles(herald(), events) == [
        "ner: warning: divergence at step 500",
        f"ner: critical: divergence at step {late}",
    ]


def test_info_is_never_told_and_the_floor_holds() -> None:
    events: list[EventRecord] = [alert(severity="info"), alert(), alert(severity="critical", change="updated")]
    assert titles(herald(), events) == ["ner: warning: divergence at step 500"]
    assert titles(herald(severity="critical"), events) == ["ner: critical: divergence at step 500"]


def test_a_new_supervisor_knows_what_the_last_one_has_told() -> None:
    one = herald()
    one.hear(alert())  # as it stands in the log
    assert titles(one, [alert("plateau", step=510)]) == []


def test_alerts_outside_any_incident_do_not_flutter() -> None:
    events = [alert("stall", "critical", incident=None, at=at) for at in (0.0, 10.0, AGAIN_S + 1.0)]
    assert len(titles(herald(), [*events])) == 2


def test_what_happens_to_the_run_is_told_as_it_is_wished() -> None:
    events = [happened("crashed", "killed by SIGKILL"), happened("restarting", "in 1.0 s"), happened("done")]
    events += [happened("paused"), happened("stopped"), happened("failed", "out of memory")]
    story: list[EventRecord] = [*events, NoteEvent(at=1.0, attempt=1, writer="supervisor", text="done")]
    told = titles(herald(), story)
    assert told == [f"ner: {what} at step 7" for what in ("crashed", "restarting", "done", "stopped", "failed")]
    assert titles(herald(finished=False, crashed=False, restarted=False), story) == []
    ends = [each.is_last for event in events if (each := herald().hear(event))]
    assert ends == [False, False, True, True, True]


def test_a_new_best_is_told_only_on_wish() -> None:
    change = AlertChange(
        rule="new-best", change="raised", severity=Severity.INFO, message="f1 0.5", step=7, onset_step=7, at=3.0
    )
    assert herald().of_best(change) is None
    told = herald(new_best=True).of_best(change)
    assert isinstance(told, Notice)
    assert (told.title, told.text) == ("ner: new best at step 7", "f1 0.5")


@pytest.mark.parametrize("change", ["updated", "cleared"])
def test_only_the_beginning_of_what_is_in_no_incident_is_told(change: Any) -> None:
    assert herald().hear(alert("storage", "critical", incident=None, change=change)) is None
