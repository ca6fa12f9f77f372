"""Which order an alert calls for: once an alert, counted over supervisors, and judged like a person's."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from rundir.control import Order, Verb
from rundir.layout import RunDir
from rundir.records import EVENT_DECODER, AlertEvent, EventRecord, LifecycleEvent, OutcomeEvent, Severity, decode_lines
from rundir.status import Intent, State
from traind.config import ConfigError, Policy, check
from traind.eventlog import EventLog
from traind.on_alert import Bindings, Wish
from traind.order_effects import OrderEffects
from traind.status_file import StatusFile
from traind.trainer_process import TrainerProcess


def alert(rule: str = "divergence", change: Any = "raised", severity: str = "warning", step: int = 50) -> AlertEvent:
    return AlertEvent(
        at=1.0,
        attempt=1,
        writer="supervisor",
        step=step,
        rule=rule,
        change=change,
        severity=Severity(severity),
        message="loss is up",
        onset_step=step - 10,
    )


def outcome(by: str, verb: str = "rollback", result: Any = "applied") -> OutcomeEvent:
    return OutcomeEvent(at=1.0, attempt=1, writer="supervisor", order="x", verb=verb, result=result, by=by)


def verbs(policy: Policy, events: list[EventRecord]) -> list[Verb]:
    bindings = Bindings(policy)
    return [wish.verb for event in events if (wish := bindings.hear(event)) is not None]


def test_nothing_is_bound_by_default() -> None:
    assert verbs(Policy(), [alert(), alert("overfitting", severity="critical")]) == []


def test_a_bound_rule_is_acted_on_once_an_alert() -> None:
    policy = Policy(on_alert={"divergence": "stop", "grad_explode": "checkpoint"})
    events: list[EventRecord] = [
        alert(severity="info"),
        alert(change="updated"),
        alert(change="updated", severity="critical"),
        alert("plateau"),
        alert("grad-explode"),
        alert(change="cleared"),
        alert(step=900),
    ]
    assert verbs(policy, events) == [Verb.STOP, Verb.CHECKPOINT, Verb.STOP]
    wish = Bindings(policy).hear(alert())
    assert wish == Wish("divergence", Verb.STOP, 50, 40, "divergence at step 50: loss is up")
    assert wish.by == "policy: divergence"


def test_rollbacks_come_to_an_end() -> None:
    """Those of a person, of the other policy, and refused ones are none of it."""
    policy = Policy(on_alert={"divergence": "rollback"}, max_rollbacks=2)
    ours = outcome("policy: divergence")
    others: list[EventRecord] = [outcome("ada"), outcome("policy"), outcome("policy: divergence", result="refused")]
    again = [alert(change="cleared"), alert()]
    events = [*others, alert(), ours, *again, ours, *again]
    assert verbs(policy, events) == [Verb.ROLLBACK, Verb.ROLLBACK, Verb.PAUSE]


@dataclass
class Supervised:
    """A supervisor's face towards orders, with a trainer that notes what it is handed."""

    status: StatusFile
    events: EventLog
    handed: list[Order] = field(default_factory=list)
    is_restarting: bool = False
    began_anew: str = ""

    @property
    def trainer(self) -> TrainerProcess:
        return cast("TrainerProcess", self)

    def order(self, order: Order) -> None:
        self.handed.append(order)

    def await_leaving(self) -> None:
        pass

    def begin_anew(self, reason: str) -> None:
        self.began_anew = reason


@pytest.fixture
def supervised(run_dir: RunDir) -> Supervised:
    status = StatusFile(run_dir)
    status.now.state, status.now.step = State.RUNNING, 57
    return Supervised(status, EventLog(run_dir.events, "supervisor", 1, run_dir.reserve))


def act(run: RunDir, on: Supervised, verb: Verb) -> list[EventRecord]:
    wish = Wish("divergence", verb, 50, 40, "divergence at step 50: loss is up")
    OrderEffects(run, cast("Any", on), 1e-3).act(wish, Policy())
    return decode_lines(run.events.read_bytes(), EVENT_DECODER).records


def test_a_stop_goes_to_the_trainer_as_a_persons_does(run_dir: RunDir, supervised: Supervised) -> None:
    [event] = act(run_dir, supervised, Verb.STOP)
    [order] = supervised.handed
    assert (order.verb, order.by) == (Verb.STOP, "policy: divergence")
    assert isinstance(event, LifecycleEvent)
    assert (event.what, event.message, event.step) == ("acted", "stop, for divergence at step 50: loss is up", 57)
    assert event.detail == {"rule": "divergence", "verb": "stop", "order": order.id, "onset_step": 40}
    assert supervised.status.now.intent is Intent.STOPPED


def test_with_no_checkpoint_from_before_the_onset_the_run_is_held(run_dir: RunDir, supervised: Supervised) -> None:
    [event] = act(run_dir, supervised, Verb.ROLLBACK)
    assert isinstance(event, LifecycleEvent)
    assert "held for a person to look at: there is no checkpoint from before step 40" in event.message
    assert [order.verb for order in supervised.handed] == [Verb.PAUSE]
    assert supervised.status.now.intent is Intent.PAUSED
    assert not supervised.began_anew


@pytest.mark.parametrize(
    ("bound", "fault"),
    [
        ({"overfit": "stop"}, "overfit: no alert rule of that name; did you mean overfitting?"),
        ({"stall": "stop"}, "stall: what follows a stall is policy.on_stall"),
        ({"plateau": "stop"}, "plateau: is never more than a mark"),
        ({"ended": "stop"}, "ended: is never more than a mark"),
        ({"grad-explode": "stop", "grad_explode": "stop"}, "grad_explode: stands there twice"),
        ({"divergence": "stop"}, "divergence: that rule is switched off; leave alerts.divergence on"),
    ],
)
def test_a_fault_names_the_key_and_its_cure(bound: dict[str, str], fault: str) -> None:
    raw = {"data": {"train": "sample:propaganda"}, "model": {"init": "scratch"}, "alerts": {"divergence": False}}
    with pytest.raises(ConfigError) as raised:
        check({**raw, "policy": {"on_alert": bound}}, "my.toml")
    assert f"my.toml: policy.on_alert.{fault}" in str(raised.value)


def test_an_unknown_order_is_refused() -> None:
    raw = {"data": {"train": "sample:propaganda"}, "model": {"init": "scratch"}}
    with pytest.raises(ConfigError, match=r"my\.toml: policy\.on_alert = .*'sleep'"):
        check({**raw, "policy": {"on_alert": {"divergence": "sleep"}}}, "my.toml")
