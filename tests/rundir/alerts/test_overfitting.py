"""The rule `overfitting`: the cases everybody knows, honesty on few evals, and silence where it is not the fault."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest

from rundir.alerts import AlertChange, Engine
from rundir.alerts.overfitting import EVALS_KEPT, TRAIN_KEPT
from rundir.records import AnyRecord, EpochRecord, EvalRecord, Severity
from tests.rundir.alerts.stories import epochs, evaluation, only, resume, step, tell


def tell_it(records: Iterable[AnyRecord], engine: Engine | None = None) -> list[AlertChange]:
    """All changes of this rule's alerts."""
    return tell(records, engine or only("overfitting"))


FALLING = [1.0 * 0.9**n for n in range(60)]


def u_curve(rise: float, best_at: int = 5, num_evals: int = 30) -> list[float]:
    """An eval loss that falls to 1.0 and then rises by so much of it at each eval."""
    return [1.0 + 0.3 * max(0, best_at - n) + rise * max(0, n - best_at) for n in range(num_evals)]


def test_a_slight_rise_over_three_epochs_is_silent() -> None:
    assert tell_it(epochs([0.68, 0.28, 0.20], [0.3922, 0.2929, 0.2952])) == []


def test_a_severe_rise_over_three_epochs_is_a_warning_by_the_third_eval() -> None:
    [change] = tell_it(epochs([0.45, 0.20, 0.08], [0.48, 0.55, 0.72]))
    assert (change.rule, change.change, change.severity) == ("overfitting", "raised", Severity.WARNING)
    assert (change.step, change.onset_step) == (30, 20)
    assert change.evidence == {
        "best_eval_step": 10,
        "best_eval_loss": 0.48,
        "eval_step": 30,
        "eval_loss": 0.72,
        "rise_percent": 50.0,
        "train_loss_at_best": 0.45,
        "train_loss": 0.08,
    }
    assert "50% over its best 0.48 at step 10" in change.message
    assert "checkpoint of step 10" in change.advice


@pytest.mark.parametrize(
    ("train", "evals", "why"),
    [
        ([0.45, 0.20], [0.48, 0.96], "a single rise, however high"),
        ([0.45, 0.20, 0.08], [0.48, 0.50, 0.72], "two rises, one of them within noise"),
        ([0.45, 0.20, 0.08], [0.48, 0.54, 0.60], "two rises that make less than 30 %"),
        ([0.45, 0.42, 0.40], [0.48, 0.55, 0.72], "the train loss hardly fell"),
        ([0.45, 0.20, 0.08], [0.48, 0.72, 0.55], "already on its way back"),
    ],
)
def test_few_evals_convict_only_on_strong_evidence(train: list[float], evals: list[float], why: str) -> None:
    assert tell_it(epochs(train, evals)) == [], why


def test_a_cleared_alert_needs_a_new_trend_not_one_eval() -> None:
    engine = only("overfitting")
    assert len(tell_it(epochs(FALLING[:14], u_curve(0.03, num_evals=14)), engine)) == 1
    assert [c.change for c in engine.feed(evaluation(150, 1.01))] == ["cleared"]
    for n, loss in [(160, 1.3), (170, 1.35), (180, 1.4)]:
        engine.feed(step(n - 5, FALLING[n // 10]))
        assert engine.feed(evaluation(n, loss)) == []
    engine.feed(step(185, FALLING[19]))
    assert [c.change for c in engine.feed(evaluation(190, 1.45))] == ["raised"]


def test_the_same_told_by_epoch_records_alone() -> None:
    changes = []
    engine = only("overfitting")
    for n, (train, loss) in enumerate([(0.45, 0.48), (0.20, 0.55), (0.08, 0.72)], start=1):
        changes += engine.feed(evaluation(n * 10, loss))
        changes += engine.feed(EpochRecord(at=0.0, attempt=1, step=n * 10, epoch=n, loss=train))
    [change] = changes
    assert change.evidence["train_loss_at_best"] == 0.45


@pytest.mark.parametrize("rise", [0.01, 0.02, 0.03, 0.05, 0.08])
def test_a_rise_beyond_noise_is_found_within_six_evals(rise: float) -> None:
    curve = u_curve(rise)
    first_above = next(n for n, loss in enumerate(curve) if n > 5 and loss >= 1.05)
    raised = [c for c in tell_it(epochs(FALLING[:30], curve)) if c.change == "raised"]
    [change] = raised
    assert change.step // 10 - 1 - first_above <= 6
    assert change.evidence["best_eval_step"] == 60


@pytest.mark.parametrize("seed", range(8))
def test_a_noisy_rise_is_found_and_not_before_it_begins(seed: int) -> None:
    generator = np.random.default_rng(seed)
    curve = np.array(u_curve(0.03)) * np.exp(0.01 * generator.standard_normal(30))
    [change] = [c for c in tell_it(epochs(FALLING[:30], curve.tolist())) if c.change == "raised"]
    assert 60 < change.step <= (7 + 6 + 2) * 10


@pytest.mark.parametrize("noise", [0.005, 0.02, 0.05])
def test_a_noisy_flat_eval_is_silent(noise: float) -> None:
    generator = np.random.default_rng(7)
    alerted = 0
    for _ in range(20):
        curve = np.exp(noise * generator.standard_normal(30))
        alerted += bool(tell_it(epochs(FALLING[:30], curve.tolist(), steps=2)))
    assert alerted == 0


def test_a_divergence_is_none_of_its_business() -> None:
    curve = u_curve(0.05)
    assert tell_it(epochs(curve, curve)) == []


def test_a_flat_train_loss_is_silent() -> None:
    assert tell_it(epochs([0.5] * 30, u_curve(0.05))) == []


def test_a_large_gap_that_does_not_grow_is_silent() -> None:
    assert tell_it(epochs(FALLING[:30], [1.0 - 0.005 * n for n in range(30)])) == []


def test_a_single_spike_is_silent() -> None:
    curve = [1.0 - 0.01 * n for n in range(30)]
    curve[15] = 5.0
    assert tell_it(epochs(FALLING[:30], curve)) == []


def test_a_converged_run_whose_loss_creeps_up_near_zero_is_silent() -> None:
    down = [2.0 * 0.3**n for n in range(13)]
    creeping = [down[-1] * (1.0 + 0.1 * n) for n in range(1, 48)]
    assert tell_it(epochs([2.0 * 0.3**n for n in range(60)], down + creeping)) == []


def test_a_step_up_that_comes_down_again_by_itself_is_silent() -> None:
    curve = [1.2, 1.1, 1.0, 1.0, 1.0, *[1.12 - 0.005 * n for n in range(13)]]
    assert tell_it(epochs(FALLING[:18], curve)) == []


def test_an_early_stumble_does_not_blind_the_rule() -> None:
    curve = [2.0, 1.4, 1.9, 1.8, 1.2, 1.1, 1.0, *[1.0 + 0.03 * n for n in range(1, 10)]]
    [change] = [c for c in tell_it(epochs(FALLING[:16], curve)) if c.change == "raised"]
    assert change.evidence["best_eval_step"] == 70
    assert change.step <= (7 + 2 + 6) * 10


def test_losses_that_may_be_negative_are_silent() -> None:
    assert tell_it(epochs(FALLING[:30], [loss - 2.0 for loss in u_curve(0.05)])) == []


def test_cleared_within_two_percent_of_the_best_and_not_before() -> None:
    engine = only("overfitting")
    assert [c.change for c in tell_it(epochs(FALLING[:14], u_curve(0.03, num_evals=14)), engine)] == ["raised"]
    assert engine.feed(evaluation(150, 1.03)) == []
    [change] = engine.feed(evaluation(160, 1.015))
    assert (change.change, change.step) == ("cleared", 160)
    assert change.evidence["rise_percent"] == 1.5


def test_an_alert_that_doubles_is_said_again_a_creeping_one_is_not() -> None:
    changes = tell_it(epochs(FALLING[:30], u_curve(0.03)))
    assert [c.change for c in changes] == ["raised", "updated", "updated"]
    rises = [c.evidence["rise_percent"] for c in changes]
    assert all(later >= 2 * earlier for earlier, later in pairwise(rises))


def test_over_confidence_is_a_mark_and_becomes_a_warning_when_the_metric_falls() -> None:
    curve = u_curve(0.04)
    quality = [0.5 + 0.01 * n for n in range(20)] + [0.65] * 10
    engine = only("overfitting")
    changes = []
    for n in range(30):
        changes += tell_it([step(n * 10 + k, FALLING[n]) for k in range(1, 11)], engine)
        changes += engine.feed(evaluation((n + 1) * 10, curve[n], f1=quality[n]))
    assert changes[0].severity is Severity.INFO
    assert changes[0].message.startswith("over-confident")
    [warning] = [c for c in changes if c.severity is Severity.WARNING]
    assert (warning.change, warning.step) == ("updated", 210)


def test_an_eval_before_the_first_step_can_be_the_best() -> None:
    records = [evaluation(0, 0.48), *[step(n, 0.45) for n in range(1, 11)], evaluation(10, 0.55)]
    records += [*[step(n, 0.10) for n in range(11, 21)], evaluation(20, 0.80)]
    [change] = tell_it(records)
    assert change.evidence["best_eval_step"] == 0


def test_one_step_judged_twice_is_one_eval() -> None:
    """An eval by order at a step that also has one by schedule: not a rise of two evals."""
    engine = only("overfitting")
    tell_it(epochs([0.45, 0.20], [0.48, 0.72]), engine)
    assert engine.feed(EvalRecord(at=0.0, attempt=1, step=20, loss=0.72, trigger="order")) == []


def test_non_finite_evals_neither_fire_nor_poison() -> None:
    engine = Engine({"non-finite": False})
    curve = u_curve(0.03)
    curve[8] = float("nan")
    assert [c.change for c in tell_it(epochs(FALLING[:30], curve), engine)][:1] == ["raised"]


def test_a_resume_before_the_onset_supersedes_and_the_curve_is_judged_anew() -> None:
    engine = only("overfitting")
    story = list(epochs(FALLING[:14], u_curve(0.03, num_evals=14)))
    assert [c.change for c in tell_it(story, engine)] == ["raised"]
    [cleared] = engine.feed(resume(60))
    assert cleared.change == "cleared"
    later = [r for r in story if getattr(r, "step", 0) > 60]
    assert [c.change for c in tell_it(later, engine)] == ["raised"]


def test_memory_is_bounded() -> None:
    engine = only("overfitting")
    tell_it(epochs([0.5] * (3 * EVALS_KEPT), [1.0] * (3 * EVALS_KEPT), steps=2), engine)
    tell_it((step(10_000 + n, 0.5) for n in range(3 * TRAIN_KEPT)), engine)
    state = engine.state()["overfitting"]
    assert (len(state["evals"]), len(state["train"])) == (EVALS_KEPT, TRAIN_KEPT)


def test_a_best_that_left_the_window_is_still_the_best() -> None:
    generator = np.random.default_rng(3)
    wobble = [1.1 + 0.05 * generator.standard_normal() for _ in range(2 * EVALS_KEPT)]
    engine = only("overfitting")
    tell_it(epochs([0.5] * len(wobble), [0.9, 0.4, 0.9, *wobble[3:]], steps=2), engine)
    assert engine.state()["overfitting"]["older_best"]["loss"] == 0.4


def test_a_resume_far_back_leaves_too_little_to_judge_and_no_error() -> None:
    engine = only("overfitting")
    tell_it(epochs([0.5] * (2 * EVALS_KEPT), [1.0, 0.4, *[1.1] * (2 * EVALS_KEPT - 2)], steps=2), engine)
    assert tell_it([resume(6), step(7, 0.4), evaluation(8, 0.9), step(9, 0.3), evaluation(10, 0.95)], engine) == []
