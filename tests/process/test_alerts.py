"""A run that goes wrong, with nobody watching: the supervisor says so, with the exact step."""

from pathlib import Path

import pytest

from rundir.records import AlertEvent, LifecycleEvent, OutcomeEvent, Severity, StepRecord, number
from rundir.status import State
from tests.conftest import eventually
from tests.process.test_orders import FLAT
from tests.process.tiny_run import Traind, events_of, metrics_of, status_of

NO_WAY_BACK = "policy.max_skips=100"
"""Else many bad steps in a row would lead back to before them, and clear the alert."""


@pytest.mark.slow
def test_a_loss_that_is_not_finite_is_an_alert_with_its_first_step(traind: Traind, config: Path) -> None:
    """Every third step is logged: the first bad one is known all the same."""
    run = traind.start(
        config, *FLAT, "train.lr=1e38", "train.clip_norm=0", "train.max_steps=12", "log.every=3", NO_WAY_BACK
    )
    traind.finish(run)
    told = [event for event in events_of(run) if isinstance(event, AlertEvent)]
    assert {alert.incident for alert in told} == {1}  # whatever follows from it
    alerts = [alert for alert in told if alert.rule == "non-finite"]
    assert [alert.change for alert in alerts].count("raised") == 1
    assert (alerts[0].rule, alerts[0].change, alerts[0].severity) == ("non-finite", "raised", Severity.CRITICAL)
    logged = [record for record in metrics_of(run) if isinstance(record, StepRecord)]
    bad = next(record for record in logged if not -1e300 < number(record.loss) < 1e300)
    first_bad_step = number((bad.metrics or {})["first_bad_step"])
    assert alerts[0].onset_step == first_bad_step
    assert alerts[0].step == bad.step
    assert bad.step - 3 < first_bad_step <= bad.step


@pytest.mark.slow
def test_an_alert_that_is_bound_to_an_order_gives_it(traind: Traind, config: Path) -> None:
    """A ruinous rate: back to before the first bad step with a lower one, and, ruinous still, held for a person."""
    ruinous = ("train.lr=1e38", "train.clip_norm=0", "policy.max_skips=100000", "checkpoint.every=1", "eval.every=1000")
    kept = ("checkpoint.keep_last=50",)
    bound = ("policy.on_alert.non_finite=rollback", "policy.max_rollbacks=1", "train.max_steps=100000")
    run = traind.start(config, *FLAT, *ruinous, *kept, *bound)
    eventually(lambda: status_of(run).state is State.PAUSED, 40.0)
    acted = [event for event in events_of(run) if isinstance(event, LifecycleEvent) and event.what == "acted"]
    assert [(event.detail or {})["verb"] for event in acted] == ["rollback", "pause"]
    assert all((event.detail or {})["rule"] == "non-finite" for event in acted)
    orders = [(event.detail or {})["order"] for event in acted]
    back, held = [event for event in events_of(run) if isinstance(event, OutcomeEvent)]
    assert [back.order, held.order] == orders
    assert {back.by, held.by} == {"policy: non-finite"}
    assert (back.args or {})["lr"] == pytest.approx(5e37)
    assert (back.args or {})["step"] < ((acted[0].detail or {})["onset_step"])
    traind.ok("stop")
