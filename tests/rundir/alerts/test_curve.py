"""The rules on curves that no classic case holds: rates, parts of the network, predictions, a sibling, incidents."""

import math
import random
from collections.abc import Iterator

import pytest

from rundir.alerts import MARKS, AlertChange, Engine, Facts
from rundir.alerts.history import History
from rundir.records import AnyRecord, EvalRecord, LifecycleEvent, OutcomeEvent, Severity, StepRecord
from tests.rundir.alerts.stories import evaluation, only, step, tell


def said(changes: list[AlertChange]) -> list[tuple[str, str]]:
    return [(c.change, str(c.severity)) for c in changes]


def flat(num: int, first: int = 1, lr: float = 1e-3, seed: int = 1, **metrics: float) -> Iterator[StepRecord]:
    """A loss that stays where it is, about 1.6."""
    rng = random.Random(seed)
    for n in range(first, first + num):
        yield step(n, 1.6 + 0.02 * rng.gauss(0.0, 1.0), lr=lr, metrics=dict(metrics) or None)


def falling(num: int, tau: float = 200.0, noise: float = 0.02, seed: int = 1) -> Iterator[StepRecord]:
    rng = random.Random(seed)
    for n in range(1, num + 1):
        yield step(n, (0.3 + 2.0 * math.exp(-n / tau)) * math.exp(noise * rng.gauss(0.0, 1.0)), lr=1e-3)


# --- rates -----------------------------------------------------------------------------------------------------------


def test_a_rate_of_zero_in_mid_run_ends_when_it_is_none() -> None:
    records = [*flat(100), *flat(30, 101, lr=0.0), *flat(10, 131)]
    raised, cleared = tell(records, only("lr-zero", facts=Facts(planned_steps=1000)))
    assert (raised.onset_step, raised.step, raised.severity) == (101, 110, Severity.WARNING)
    assert (cleared.change, cleared.step) == ("cleared", 131)


def test_a_rate_of_zero_from_the_start_is_said_once_a_warm_up_would_have_begun() -> None:
    assert [c.step for c in tell(flat(100, lr=0.0), only("lr-zero"))] == [21]


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_rate_far_from_its_schedule(schedule: str) -> None:
    facts = Facts(planned_steps=1000, warmup_steps=0, lr_peak=1e-3, schedule=schedule)
    raised = tell(flat(1000, lr=1e-3), only("lr-off-schedule", facts=facts))
    assert said(raised) == [("raised", "warning")]
    assert raised[0].evidence["lr_planned"] < 0.65e-3


def test_a_rate_that_an_order_has_set_is_off_no_schedule() -> None:
    facts = Facts(planned_steps=1000, warmup_steps=50, lr_peak=1e-3, schedule="linear")
    order = OutcomeEvent(at=1.0, attempt=1, writer="trainer", order="a", verb="set", result="applied")
    assert tell([order, *flat(1000, lr=1e-3)], only("lr-off-schedule", facts=facts)) == []


def test_minute_updates_from_the_start() -> None:
    [change] = tell(flat(300, update_ratio=2e-8), only("tiny-updates"))
    assert (change.severity, change.onset_step) == (Severity.WARNING, 1)
    assert change.step <= 300


def test_minute_updates_of_a_run_that_has_learnt_are_its_end() -> None:
    records = [
        step(r.step, float(r.loss), lr=1e-3, metrics={"update_ratio": 1e-3 if r.step < 500 else 1e-8})
        for r in falling(1000)
    ]
    assert tell(records, only("tiny-updates")) == []
    assert said(tell(records[500:], only("tiny-updates"))) == [("raised", "warning")]


# --- parts of the network --------------------------------------------------------------------------------------------


def sampled(n: int, *names: str, **fields: object) -> StepRecord:
    return step(n, 1.0, lr=1e-3, metrics={"unchanged_count": float(len(names))}, unchanged=list(names), **fields)


def test_tensors_that_never_change_are_named() -> None:
    records = [sampled(n, "encoder.0.weight", "encoder.0.bias") for n in range(10, 110, 10)]
    [change] = tell(records, only("frozen"))
    assert (change.step, change.onset_step) == (50, 10)
    assert change.message.endswith("encoder.0.weight, encoder.0.bias")


def test_a_tensor_that_stands_still_now_and_then_is_not_frozen() -> None:
    records = [sampled(n, *(["bias"] if n % 20 else [])) for n in range(10, 1010, 10)]
    assert tell(records, only("frozen")) == []


def test_nothing_changes_at_a_rate_of_zero_and_that_is_another_rule() -> None:
    records = [step(n, 1.0, lr=0.0, metrics={"unchanged_count": 5.0}) for n in range(10, 200, 10)]
    assert tell(records, only("frozen")) == []


def test_units_that_died_between_two_looks() -> None:
    shares = {100: 0.1, 200: 0.7, 300: 0.8, 400: 0.2}
    records = [step(n, 1.0, metrics={"dead_relu_share": share}) for n, share in shares.items()]
    raised, cleared = tell(records, only("dead-relu"))
    assert (raised.step, raised.onset_step) == (300, 150)
    assert (cleared.change, cleared.step) == ("cleared", 400)


def test_a_loss_scale_that_collapses() -> None:
    records = [step(n, 1.0, metrics={"loss_scale": 65536.0 / 2 ** max(0, n - 100)}) for n in range(1, 130)]
    changes = tell(records, only("loss-scale-collapse"))
    assert said(changes) == [("raised", "warning"), ("updated", "critical")]
    assert changes[-1].evidence["loss_scale"] == 2.0**-5


def test_a_gradient_that_does_not_reach_the_first_layer() -> None:
    norms = {"grad_norm_first": 1e-6, "grad_norm_last": 0.1}
    records = [step(r.step, float(r.loss), metrics=norms) for r in flat(400)]
    [change] = tell(records, only("grad-vanish"))
    assert (change.step, change.severity) == (100, Severity.WARNING)


# --- predictions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_confusion", [True, False])
def test_predictions_of_one_class_alone(by_confusion: bool) -> None:
    def judged(n: int, top: int) -> EvalRecord:
        if by_confusion:
            rows = [[top, (100 - top) // 2, 100 - top - (100 - top) // 2]] * 3
            return EvalRecord(at=0.0, attempt=1, step=n, loss=1.0, confusion=rows)
        shares = {"prediction_top_share": top / 100, "prediction_entropy": 0.9, "label_top_share": 0.34}
        return evaluation(n, 1.0, **shares)

    raised, cleared = tell([judged(200, 40), judged(300, 96), judged(400, 97), judged(500, 50)], only("class-collapse"))
    assert (raised.step, raised.onset_step) == (400, 250)
    assert (cleared.change, cleared.step) == ("cleared", 500)


@pytest.mark.parametrize(
    ("top", "entropy", "label", "expected"),
    [
        (0.79, 0.17, 0.47, 0),  # spans in text of which half is outside any: what a healthy run looked like
        (0.97, 0.05, 0.47, 1),
        (1.0, 0.0, 0.79, 0),  # nearly all tokens are outside: to say so of all is where every such run begins
        (0.5, 0.28, 0.1, 1),  # two of ten classes alone
    ],
)
def test_a_class_with_much_of_the_labels_may_have_more_of_the_predictions(
    top: float, entropy: float, label: float, expected: int
) -> None:
    shares = {"prediction_top_share": top, "prediction_entropy": entropy, "label_top_share": label}
    changes = tell([evaluation(n, 2.0, **shares) for n in (200, 300, 400)], only("class-collapse"))
    assert len(changes) == expected


def test_predictions_of_one_class_say_nothing_before_the_labels_are_known_nor_while_the_rate_warms_up() -> None:
    shares = {"prediction_top_share": 1.0, "prediction_entropy": 0.0}
    assert tell([evaluation(n, 2.0, **shares) for n in (200, 300, 400)], only("class-collapse")) == []
    records = [evaluation(n, 2.0, **shares, label_top_share=0.2) for n in (200, 300, 400, 500)]
    assert [c.step for c in tell(records, only("class-collapse", facts=Facts(warmup_steps=450)))] == [500]


def test_labels_that_are_of_one_class_alone_are_predicted_so() -> None:
    rows = [[970, 0], [30, 0]]
    records = [EvalRecord(at=0.0, attempt=1, step=n, loss=0.1, confusion=rows) for n in (200, 300, 400)]
    assert tell(records, only("class-collapse")) == []


@pytest.mark.parametrize(("factor", "expected"), [(1.2, []), (3.0, ["info"]), (20.0, ["warning"])])
def test_a_first_loss_against_ln_classes(factor: float, expected: list[str]) -> None:
    event = LifecycleEvent(
        at=0.0, attempt=1, writer="trainer", what="starting_loss", detail={"ln_classes": math.log(10)}
    )
    records: list[AnyRecord] = [event, *(step(n, factor * math.log(10)) for n in range(1, 4))]
    assert [str(c.severity) for c in tell(records, only("starting-loss"))] == expected


# --- a sibling -------------------------------------------------------------------------------------------------------


def test_a_loss_above_that_of_the_run_before() -> None:
    curve = [(r.step, float(r.loss)) for r in falling(1500, seed=2)]
    facts = Facts(sibling=curve)
    assert tell(falling(1500, seed=3), only("worse-than-sibling", facts=facts)) == []
    [change] = tell(falling(1500, tau=600.0, seed=3), only("worse-than-sibling", facts=facts))
    assert change.evidence["level"] > change.evidence["sibling_level"]
    assert tell(falling(1500, tau=600.0), only("worse-than-sibling", facts=Facts(sibling=curve[:20]))) == []


# --- incidents and marks ---------------------------------------------------------------------------------------------


def test_a_cause_found_first_and_its_effects_are_one_incident_with_one_message() -> None:
    records = [
        step(r.step, float(r.loss), lr=0.0, grad_norm=1.0, metrics={"accuracy": 0.2 + 0.01 * (r.step % 3)})
        for r in flat(1200)
    ]
    history = History()
    engine = Engine(facts=Facts(num_classes=5, planned_steps=5000))
    history.take(tell(records, engine))
    [alerts] = history.incidents()
    assert alerts[0].rule == "lr-zero"
    assert [a.primary for a in alerts] == [True] + [False] * (len(alerts) - 1)
    assert {"not-learning", "chance-level"} <= {a.rule for a in alerts}
    assert [a.rule for a in history.alerts if a.news] == ["lr-zero"]
    causes = next(a for a in alerts if a.rule == "not-learning").causes
    assert causes[0] == "the learning rate is far too small, or zero"


def test_a_fault_long_after_another_is_an_incident_of_its_own() -> None:
    records: list[AnyRecord] = [*falling(300)]
    records += [step(n, 0.3 + 0.01 * (n % 3), lr=0.0) for n in range(301, 340)]
    records += [step(n, 0.3 + 0.01 * (n % 3), lr=1e-3) for n in range(340, 1000)]
    records += [step(1000, math.nan, lr=1e-3)]
    changes = [c for c in tell(records, Engine(facts=Facts(planned_steps=9999))) if c.news]
    assert [c.rule for c in changes] == ["lr-zero", "non-finite"]
    assert changes[0].incident != changes[1].incident


def test_causes_follow_the_records() -> None:
    """The same blow-up, with a rate that was raised just before and without."""

    def causes(lr: float) -> list[str]:
        records: list[AnyRecord] = [*falling(400)]
        records += [step(n, 2.5 + 0.02 * (n % 5), lr=lr) for n in range(401, 500)]
        return next(c.causes for c in tell(records, only("divergence")) if c.change == "raised")

    assert "the learning rate was raised just before" in causes(5e-2)
    assert "the learning rate was raised just before" not in causes(1e-3)


def test_marks_are_said_once_each_and_open_nothing() -> None:
    records: list[AnyRecord] = [
        EvalRecord(at=1.0, attempt=1, step=10, loss=0.5, best=True),
        EvalRecord(at=2.0, attempt=1, step=20, loss=0.6),
        LifecycleEvent(at=3.0, attempt=1, writer="supervisor", what="crashed", message="SIGSEGV", step=25),
        LifecycleEvent(at=4.0, attempt=1, writer="supervisor", what="restarting", step=25),
        LifecycleEvent(at=5.0, attempt=2, writer="trainer", what="done", step=30),
    ]
    engine = Engine()
    changes = [c for c in tell(records, engine) if c.rule in MARKS]
    assert [(c.rule, c.step, c.change) for c in changes] == [
        ("new-best", 10, "raised"),
        ("crashed", 25, "raised"),
        ("restarted", 25, "raised"),
        ("ended", 30, "raised"),
    ]
    assert all(c.incident == 0 and not c.news and c.severity is Severity.INFO for c in changes)
    assert all(engine.state()[name]["firing"] is None for name in MARKS)


def test_thresholds_can_be_changed_and_a_wrong_name_says_which_there_are() -> None:
    records = [step(n, 0.7, grad_norm=1.0 if n <= 100 else 30.0) for n in range(1, 120)]
    assert said(tell(records, Engine(thresholds={"grad_explode": {"decades": 2.0}}))) == []
    assert said(tell(records, Engine()))[0] == ("raised", "warning")
    with pytest.raises(ValueError, match="no threshold decade of alert rule grad-explode; there are decades"):
        Engine(thresholds={"grad-explode": {"decade": 2.0}})
    with pytest.raises(ValueError, match="no alert rule gone"):
        Engine(thresholds={"gone": {}})
