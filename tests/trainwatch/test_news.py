"""What is told of a run to whoever looks elsewhere: what is new, once, and nothing that steers a terminal."""

import pytest

from rundir.records import AlertEvent, Severity
from rundir.status import Liveness, State, Status
from trainwatch.news import LONGEST, Sight, news, osc9, sight_of


def alert(rule: str, severity: Severity = Severity.WARNING, message: str = "look") -> AlertEvent:
    return AlertEvent(
        at=1.0, attempt=1, writer="supervisor", step=1, rule=rule, change="raised", severity=severity, message=message
    )


def sight(
    *alerts: AlertEvent, state: State = State.RUNNING, verdict: Liveness = Liveness.LIVE, error: str = ""
) -> Sight:
    return sight_of("ner", alerts, Status(run="ner", state=state, last_error=error or None), verdict)


def test_what_was_there_at_the_first_sight_is_no_news() -> None:
    assert news(None, sight(alert("plateau"), state=State.FAILED)) == []


def test_an_alert_is_told_once_and_again_only_when_it_comes_again() -> None:
    calm, alarmed = sight(), sight(alert("plateau"))
    assert news(calm, alarmed) == ["trainwatch ner: plateau: look"]
    assert news(alarmed, alarmed) == []
    worse = sight(alert("plateau", Severity.CRITICAL, "worse"), alert("nan"))
    assert news(alarmed, worse) == ["trainwatch ner: nan: look"]
    assert news(alarmed, calm) == []
    assert news(calm, alarmed) == ["trainwatch ner: plateau: look"]


def test_a_mark_is_no_news() -> None:
    assert news(sight(), sight(alert("best", Severity.INFO))) == []
    assert news(sight(alert("x", Severity.INFO)), sight(alert("x"))) == ["trainwatch ner: x: look"]


@pytest.mark.parametrize(
    ("state", "verdict", "error", "told"),
    [
        (State.DONE, Liveness.ENDED, "", "done"),
        (State.STOPPED, Liveness.ENDED, "SIGTERM", "stopped: SIGTERM"),
        (State.FAILED, Liveness.ENDED, "no memory", "failed: no memory"),
        (State.RESTARTING, Liveness.LIVE, "SIGKILL", "crashed: SIGKILL"),
        (State.RUNNING, Liveness.DEAD, "", "dead, was running"),
        (State.RUNNING, Liveness.REBOOTED, "", "rebooted, was running"),
    ],
)
def test_an_end_is_told_once(state: State, verdict: Liveness, error: str, told: str) -> None:
    over = sight(state=state, verdict=verdict, error=error)
    assert news(sight(), over) == [f"trainwatch ner: {told}"]
    assert news(over, over) == []


@pytest.mark.parametrize("state", [State.STARTING, State.PAUSED, State.PARKED, State.STOPPING])
def test_what_goes_on_is_no_end(state: State) -> None:
    assert news(sight(), sight(state=state)) == []
    assert news(sight(), sight_of("ner", [], None, Liveness.UNKNOWN)) == []


def test_nothing_that_a_run_writes_steers_the_terminal() -> None:
    odd = "\x1b]0;title\x07\x9b31m\n\u202e" + "x" * 500
    (message,) = news(sight(), sight(alert("\x1b[2J", message=odd)))
    assert message.isprintable()
    assert len(message) <= LONGEST
    for sequence, ends in (
        (osc9(message, in_tmux=False), ("\x1b]9;", "\x07")),
        (osc9(odd, in_tmux=True), ("\x1bPtmux;", "\x1b\\")),
    ):
        assert sequence.startswith(ends[0])
        assert sequence.endswith(ends[1])
    assert osc9(odd, in_tmux=False).count("\x1b") == 1
    assert osc9("a", in_tmux=True) == "\x1bPtmux;\x1b\x1b]9;a\x07\x1b\\"
