"""The rule `non-finite`: at once and exact on losses, patient with gradient norms, over after twenty good records."""

import math
from collections.abc import Iterable

import pytest

from rundir.alerts import AlertChange, Engine
from rundir.records import AnyRecord, Severity
from tests.rundir.alerts.stories import evaluation, only, resume, step, tell


def tell_it(records: Iterable[AnyRecord], engine: Engine | None = None) -> list[AlertChange]:
    """All changes of this rule's alerts."""
    return tell(records, engine or only("non-finite"))


GOOD = [step(n, 0.5, grad_norm=1.0) for n in range(1, 11)]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_bad_loss_is_enough(bad: float) -> None:
    [change] = tell_it([*GOOD, step(11, bad, lr=1e-3)])
    assert (change.rule, change.change, change.severity) == ("non-finite", "raised", Severity.CRITICAL)
    assert (change.step, change.onset_step) == (11, 11)
    assert f"loss is {bad} at step 11" in change.message
    assert change.evidence["value"] == str(bad)
    assert change.evidence["last_finite_step"] == 10
    assert change.evidence["lr"] == 1e-3
    assert change.advice.startswith("1. ")


def test_the_very_first_record_may_be_bad() -> None:
    [change] = tell_it([step(1, math.nan)])
    assert "last_finite_step" not in change.evidence


def test_a_trainer_that_logs_every_ten_steps_tells_the_exact_one() -> None:
    [change] = tell_it([step(10, 0.5), step(20, math.nan, metrics={"first_bad_step": 13.0})])
    assert (change.step, change.onset_step) == (20, 13)
    assert "at step 13 (seen at step 20)" in change.message


def test_a_bad_step_between_two_logged_finite_ones_counts() -> None:
    [change] = tell_it([step(10, 0.5), step(20, 0.4, metrics={"first_bad_step": 13.0})])
    assert change.onset_step == 13
    assert "loss is not finite at step 13" in change.message


def test_the_same_first_bad_step_told_for_ever_is_one_alert_and_gets_over() -> None:
    sticky = {"first_bad_step": 13.0}
    changes = tell_it([step(10, 0.5), *[step(n, 0.4, metrics=sticky) for n in range(20, 420, 10)]])
    assert [c.change for c in changes] == ["raised", "cleared"]


def test_staying_bad_is_no_news() -> None:
    assert len(tell_it([*GOOD, *[step(n, math.nan) for n in range(11, 200)]])) == 1


def test_cleared_after_exactly_twenty_finite_records() -> None:
    engine = only("non-finite")
    tell_it([*GOOD, step(11, math.nan)], engine)
    assert tell_it([step(n, 0.5) for n in range(12, 31)], engine) == []
    [change] = engine.feed(step(31, 0.5))
    assert (change.change, change.step, change.onset_step) == ("cleared", 31, 11)
    [again] = engine.feed(step(32, math.nan))
    assert (again.change, again.onset_step) == ("raised", 32)


def test_nineteen_good_records_and_a_bad_one_start_the_count_anew() -> None:
    stretch = [step(n, 0.5) for n in range(12, 31)]
    later = [step(n, 0.5) for n in range(32, 51)]
    assert len(tell_it([step(11, math.nan), *stretch, step(31, math.nan), *later])) == 1


def test_a_bad_eval_stays_until_an_eval_is_finite() -> None:
    engine = only("non-finite")
    [raised] = tell_it([*GOOD, evaluation(10, math.nan)], engine)
    assert "eval loss is nan at step 10" in raised.message
    assert tell_it([step(n, 0.5) for n in range(11, 100)], engine) == []
    [cleared] = engine.feed(evaluation(100, 0.4))
    assert cleared.change == "cleared"


def test_a_second_signal_updates_the_open_alert_and_keeps_its_onset() -> None:
    changes = tell_it([*GOOD, step(11, math.nan), evaluation(12, math.nan)])
    assert [(c.change, c.onset_step) for c in changes] == [("raised", 11), ("updated", 11)]


def test_two_bad_gradient_norms_in_a_row_are_tolerated_three_are_not() -> None:
    good = [step(n, 0.5, grad_norm=1.0) for n in range(1, 31)]
    two = [step(31, 0.5, grad_norm=math.inf), step(32, 0.5, grad_norm=math.inf), step(33, 0.5, grad_norm=1.0)]
    assert tell_it([*good, *two]) == []
    [change] = tell_it([*good, *two[:2], step(33, 0.5, grad_norm=math.nan)])
    assert (change.onset_step, change.evidence["signal"]) == (31, "gradient norm")


def test_a_scaler_that_is_not_logged_finds_its_scale_in_the_first_steps() -> None:
    bad = [step(n, 0.5, grad_norm=math.inf) for n in range(1, 11)]
    assert tell_it([*bad[:7], *(step(n, 0.5, grad_norm=1.0) for n in range(8, 60))]) == []
    assert [change.step for change in tell_it(bad)] == [8]
    once_more = [step(n, 0.5, grad_norm=math.inf if n in (1, 2, 3, 4, 5, 6, 30) else 1.0) for n in range(1, 60)]
    assert tell_it(once_more) == []


def test_more_than_five_percent_bad_gradient_norms() -> None:
    def run(every: int) -> list[int]:
        norms = [math.inf if n % every == 0 else 1.0 for n in range(1, 301)]
        return [c.step for c in tell_it(step(n, 0.5, grad_norm=norm) for n, norm in enumerate(norms, start=1))]

    assert run(25) == []
    assert run(15)[:1] == [105]  # the one at 15 is among the first, in which a scaler finds its scale


def test_fp16_scaling_is_no_fault() -> None:
    """The scaler's search at the start, and one overflow each time it tries a higher scale."""
    bad = {1, 2, 3, 4, 500, 1000, 1500, 2000}
    records = [
        step(n, 0.5, grad_norm=math.inf if n in bad else 1.0, metrics={"loss_scale": 8192.0}) for n in range(1, 2001)
    ]
    assert tell_it(records) == []


def test_fp16_that_overflows_at_every_scale_is_one() -> None:
    records = [step(n, 0.5, grad_norm=math.inf, metrics={"loss_scale": 2.0 ** (16 - n)}) for n in range(1, 10)]
    assert [c.step for c in tell_it(records)] == [8]


def test_records_without_gradient_norm_say_nothing_of_it() -> None:
    assert tell_it(step(n, 0.5) for n in range(1, 300)) == []


def test_a_resume_before_the_onset_supersedes_the_alert_and_it_may_come_again() -> None:
    engine = only("non-finite")
    tell_it([*GOOD, step(11, math.nan)], engine)
    [change] = engine.feed(resume(8))
    assert (change.change, change.onset_step) == ("cleared", 11)
    assert "superseded" in change.message
    assert engine.feed(resume(8)) == []
    assert tell_it([step(9, 0.5), step(10, 0.5)], engine) == []
    [again] = engine.feed(step(11, math.nan))
    assert again.change == "raised"
    assert again.evidence["last_finite_step"] == 10


def test_a_resume_after_the_onset_leaves_the_alert_open() -> None:
    engine = only("non-finite")
    tell_it([*GOOD, step(11, math.nan), step(12, math.nan)], engine)
    assert tell_it([resume(11), step(12, math.nan)], engine) == []
    assert tell_it([step(n, 0.5) for n in range(13, 33)], engine)[0].change == "cleared"


def test_bad_gradients_beyond_a_resume_are_forgotten() -> None:
    engine = only("non-finite")
    bad = [step(n, 0.5, grad_norm=math.inf) for n in (11, 12)]
    assert tell_it([*GOOD, *bad, resume(10), step(11, 0.5, grad_norm=math.inf)], engine) == []


def test_an_alert_noticed_beyond_a_resume_is_raised_again_though_its_onset_lies_before() -> None:
    """Readers drop the event with its step; the rule must not go on believing that it was said."""
    engine = only("non-finite")
    bad = step(14, math.nan, metrics={"first_bad_step": 11.0})
    [raised] = tell_it([*GOOD, bad], engine)
    assert (raised.step, raised.onset_step) == (14, 11)
    assert [change.change for change in engine.feed(resume(12))] == ["cleared"]
    assert [change.change for change in engine.feed(bad)] == ["raised"]
