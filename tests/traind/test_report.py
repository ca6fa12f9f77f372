"""The last word on a run: what it calls well above, overfitting, and the epoch to use."""

import math

import pytest

from traind.report import Point, Report, report


def of(
    losses: list[float], values: list[float], baseline: dict[str, float] | None = None, metric: str = "f1"
) -> Report:
    history = [Point(epoch, loss, value) for epoch, (loss, value) in enumerate(zip(losses, values, strict=True), 1)]
    best = values.index(max(values)) if metric == "f1" else values.index(min(values))
    return report(
        metric,
        {metric: values[best]},
        losses[best],
        (best + 1) * 10,
        10,
        baseline or {},
        history,
        is_lower=metric != "f1",
    )


def test_a_good_run_that_was_still_rising() -> None:
    said = of([0.9, 0.7, 0.6], [0.4, 0.6, 0.8], {"f1": 0.3})
    assert said.message == (
        "best f1 0.8 at step 30 (epoch 3); well above the baseline (0.3, +0.5); no overfitting; "
        "use checkpoints/best, of epoch 3: it was still getting better, more epochs may help"
    )
    assert said.detail["improvement"] == pytest.approx(0.5)
    assert said.detail["overfitting"] is False


@pytest.mark.parametrize(
    ("values", "is_promising"),
    [([0.4, 0.6, 0.8], True), ([0.4, 0.8, 0.8], False), ([0.4, 0.6, 1.0], False), ([math.nan, 0.4, 0.8], True)],
)
def test_more_epochs_are_advised_where_the_score_itself_rose_and_can_rise(
    values: list[float], *, is_promising: bool
) -> None:
    history = [Point(epoch, 1 / epoch, value) for epoch, value in enumerate(values, 1)]
    said = report("f1", {"f1": values[-1]}, 1 / 3, 30, 10, {}, history, is_lower=False)
    assert ("more epochs may help" in said.message) is is_promising


def test_a_falling_perplexity_above_one_can_still_fall() -> None:
    history = [Point(1, 2.0, 7.4), Point(2, 1.5, 4.5)]
    said = report("perplexity", {"perplexity": 4.5}, 1.5, 20, 10, {}, history, is_lower=True)
    assert said.message.endswith("more epochs may help")


def test_an_overfitting_run_names_the_epoch_before_it() -> None:
    said = of([0.9, 0.5, 0.7], [0.4, 0.8, 0.7], {"f1": 0.3})
    assert "overfitting: eval loss rose 40% over its lowest, of epoch 2" in said.message
    assert said.message.endswith("use checkpoints/best, of epoch 2")


@pytest.mark.parametrize(
    ("value", "baseline", "standing"),
    [
        (0.30, 0.30, "not above the baseline"),
        (0.20, 0.30, "not above the baseline"),
        (0.33, 0.30, "barely above the baseline"),
        (0.37, 0.30, "well above the baseline"),
        (0.995, 0.99, "well above the baseline"),
        (math.nan, 0.30, "not above the baseline"),
    ],
)
def test_scores_are_held_against_the_room_there_is(value: float, baseline: float, standing: str) -> None:
    said = report("f1", {"f1": value}, 1.0, 10, 10, {"f1": baseline}, [Point(1, 1.0, value)], is_lower=False)
    assert said.detail["standing"] == standing


@pytest.mark.parametrize(
    ("value", "standing"),
    [(9.0, "well above the baseline"), (9.5, "barely above the baseline"), (11.0, "not above the baseline")],
)
def test_of_losses_and_their_like_the_lower_is_the_better(value: float, standing: str) -> None:
    history = [Point(1, 1.0, value)]
    said = report("waste", {"waste": value}, 1.0, 10, 10, {"waste": 10.0}, history, is_lower=True)
    assert said.detail["standing"] == standing


@pytest.mark.parametrize("losses", [[math.nan, 1.0, 2.0], [1.0, 2.0, math.nan]])
def test_evaluations_that_are_nan_say_nothing_about_overfitting(losses: list[float]) -> None:
    assert "eval loss rose 100% over its lowest" in of(losses, [0.5, 0.4, 0.3]).message


def test_what_has_learnt_nothing_is_not_recommended() -> None:
    said = of([0.69, 0.69, 0.69], [0.3, 0.3, 0.3], {"f1": 0.3})
    assert said.message.endswith("no overfitting; use no checkpoint of it: traind diagnose says what may be wrong")
    assert "use checkpoints/best" in of([0.9, 0.8, 0.7], [0.1, 0.2, 0.29], {"f1": 0.3}).message  # more may help


def test_without_a_baseline_nothing_is_compared() -> None:
    assert "baseline" not in of([0.9], [0.4]).message


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([0.5, 0.0, 0.25], "overfitting: eval loss rose 0.25 over its lowest, of epoch 2"),
        ([-1.0, -2.0, -1.5], "overfitting: eval loss rose 25% over its lowest, of epoch 2"),
        ([-1.0, -2.0, -2.0], "no overfitting"),
        ([0.5, 0.0, 0.0], "no overfitting"),
    ],
)
def test_the_lowest_loss_may_be_zero_or_less(losses: list[float], said: str) -> None:
    """As single precision has it of a task learnt by heart, or a loss of somebody's own."""
    assert f"; {said}; " in of(losses, [0.4, 0.8, 0.7]).message
