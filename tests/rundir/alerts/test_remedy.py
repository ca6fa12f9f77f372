"""Which fixes are orders: every one that an alert's own order stands for, and orders that a run would take."""

import pytest

from rundir.alerts.advice import ADVICE
from rundir.alerts.remedy import REMEDIES, remedies_of, remedy_of
from rundir.orders import SETTABLE, Verb
from traind.dial import check_args
from traind.rollback import argument_fault


@pytest.mark.parametrize("rule", [rule for rule, advice in ADVICE.items() if advice.order is not None])
def test_the_order_of_an_alert_belongs_to_one_of_its_fixes(rule: str) -> None:
    advice = ADVICE[rule]
    assert advice.order is not None
    found = remedies_of(advice.fixes, advice.order)
    if advice.order["verb"] == Verb.SET:
        assert check_args(advice.order["args"]) is None
    verbs = [remedy.verb for _, remedy in found if remedy is not None]
    assert advice.order["verb"] in verbs
    assert advice.ordered in advice.fixes
    assert len(found) == len(advice.fixes)


def test_the_order_of_a_cause_belongs_to_one_of_its_fixes() -> None:
    causes = [cause for advice in ADVICE.values() for cause in advice.causes if cause.order is not None]
    assert causes
    for cause in causes:
        assert cause.order is not None
        found = remedies_of(cause.fixes, cause.order)
        assert len(found) == len(cause.fixes), cause.text
        remedy = next(remedy for _, remedy in found if remedy is not None and remedy.verb == cause.order["verb"])
        assert dict(remedy.args) == cause.order.get("args", {})
        assert cause.ordered in cause.fixes


def test_what_is_no_order_has_none() -> None:
    assert remedy_of("more or augmented data") is None
    assert remedies_of(["bf16 or fp32 instead of fp16"], None) == [("bf16 or fp32 instead of fp16", None)]


def test_a_text_with_figures_is_known_by_its_end() -> None:
    remedy = remedy_of("use the checkpoint of step 450, the best, and stop")
    assert remedy is not None
    assert remedy.verb is Verb.STOP


@pytest.mark.parametrize("order", [{"verb": "explode"}, {"verb": "stop", "args": [1]}, {}, {"verb": 3}])
def test_a_damaged_order_is_left_out(order: dict[str, object]) -> None:
    assert remedies_of(["save now"], order) == [("save now", REMEDIES["save now"])]


@pytest.mark.parametrize("text", list(REMEDIES))
def test_a_run_would_take_the_arguments(text: str) -> None:
    remedy = REMEDIES[text]
    args = dict(remedy.args)
    args |= {"lr": 1e-4} if remedy.lr_times else {}
    args |= {"step": 10} if remedy.before_onset else {}
    match remedy.verb:
        case Verb.SET:
            assert check_args(args) is None
            assert args.keys() <= {*SETTABLE, "replan"}
        case Verb.ROLLBACK:
            assert argument_fault(args) is None
        case _:
            assert not args


def test_texts_are_those_that_rules_say() -> None:
    """A fix that was reworded would silently lose its order."""
    from rundir.alerts import non_finite

    said = {fix for advice in ADVICE.values() for fix in advice.fixes}
    said |= {fix for advice in ADVICE.values() for cause in advice.causes for fix in cause.fixes}
    said |= {fix for fixes in non_finite._FIXES.values() for fix in fixes}
    assert set(REMEDIES) <= said
