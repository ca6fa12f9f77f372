"""What begins slowly against what never begins, and what only looks as if it went wrong."""

import math
import random
from collections.abc import Iterator

import pytest

from rundir.alerts import Facts
from rundir.alerts.noise import lone_rise
from rundir.alerts.outlook import comes_to, slope, stretches
from rundir.records import AnyRecord, Severity, StepRecord
from tests.rundir.alerts.stories import epochs, evaluation, only, resume, step, tell

TWO = Facts(num_classes=2, planned_steps=1000)
CHANCE = math.log(2)


def two_classes(
    num: int, pace: float = 0.0, every: int = 1, noise: float = 0.05, right: float = 0.5, start: float = CHANCE
) -> Iterator[AnyRecord]:
    """A loss that falls by so much a step while the predictions are those of chance; an evaluation every 50 steps."""
    rng = random.Random(1)
    for n in range(1, num + 1):
        loss = start - pace * n
        if n % every == 0:
            accuracy = right + 0.05 * rng.gauss(0.0, 1.0)
            yield step(n, loss + noise * rng.gauss(0.0, 1.0), metrics={"accuracy": accuracy})
        if n % 50 == 0:
            yield evaluation(n, loss + 0.002 * rng.gauss(0.0, 1.0), accuracy=right)


# --- chance-level ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 5, 10])
def test_predictions_of_chance_that_nothing_makes_better(every: int) -> None:
    [change] = tell(two_classes(600, every=every, noise=0.02), only("chance-level", facts=TWO))
    assert change.severity is Severity.WARNING
    assert change.step <= 300


@pytest.mark.parametrize("every", [1, 5, 10])
def test_a_loss_that_leaves_chance_within_the_plan_is_waited_for(every: int) -> None:
    assert tell(two_classes(600, 1e-4, every), only("chance-level", facts=TWO)) == []


def test_one_that_does_not_in_what_is_left_of_the_plan_is_not() -> None:
    facts = Facts(num_classes=2, planned_steps=320)
    assert tell(two_classes(320, 1e-4), only("chance-level", facts=facts))[0].step < 300


def test_without_evaluations_the_losses_of_the_batches_say_it() -> None:
    falling = [r for r in two_classes(400, 4e-4, noise=0.02) if isinstance(r, StepRecord)]
    flat = [r for r in two_classes(400, noise=0.02) if isinstance(r, StepRecord)]
    early = [r for r in falling if r.step < 320]  # before it has left chance by itself
    assert tell(early, only("chance-level", facts=Facts(num_classes=2, planned_steps=2000))) == []
    assert [c.rule for c in tell(flat, only("chance-level", facts=TWO))] == ["chance-level"]


def test_a_fall_to_the_loss_of_chance_is_no_learning() -> None:
    """The first steps unlearn what the initialisation has said."""
    records = [r for r in two_classes(400) if isinstance(r, StepRecord)]
    records = [step(r.step, float(r.loss) + 0.5 * 0.98**r.step, metrics=r.metrics) for r in records]
    assert [c.rule for c in tell(records, only("chance-level", facts=TWO))] == ["chance-level"]


def test_a_long_plan_is_given_longer() -> None:
    facts = Facts(num_classes=2, planned_steps=3000)
    [change] = tell(two_classes(800), only("chance-level", facts=facts))
    assert 540 <= change.step <= 600


def test_chance_on_the_evaluations_alone_is_no_business_of_it() -> None:
    records = [step(n, 0.01, metrics={"accuracy": 1.0}) for n in range(1, 400)]
    judged = [evaluation(n, 2.5, accuracy=0.5) for n in range(50, 400, 50)]
    assert tell(sorted([*records, *judged], key=lambda r: r.step), only("chance-level", facts=TWO)) == []


def test_who_has_learnt_and_still_gets_more_right_is_not_at_chance() -> None:
    """A factorisation, right in three of four where two of three are guessed, whose confidence costs it the loss."""
    rng = random.Random(1)
    facts = Facts(num_classes=2, majority_share=0.66, planned_steps=2000)

    def run(right: float) -> list[AnyRecord]:
        batches = [
            step(n, 0.66 + 0.2 * rng.gauss(0.0, 1.0), metrics={"accuracy": right + 0.15 * rng.gauss(0.0, 1.0)})
            for n in range(1, 600)
        ]
        judged = [evaluation(n, 0.55 if n < 300 else 0.66, accuracy=right) for n in range(100, 600, 100)]
        return sorted([*batches, *judged], key=lambda r: r.step)

    assert tell(run(0.75), only("chance-level", facts=facts)) == []
    assert tell(run(0.66), only("chance-level", facts=facts))[0].rule == "chance-level"


def test_evaluations_that_get_more_and_more_right_are_waited_for() -> None:
    def run(gain: float) -> list[AnyRecord]:
        records = [r for r in two_classes(450) if isinstance(r, StepRecord)]
        judged = [evaluation(n, CHANCE - 2e-5 * n, accuracy=0.5 + gain * n / 50) for n in range(50, 450, 50)]
        return sorted([*records, *judged], key=lambda r: r.step)

    assert tell(run(0.02), only("chance-level", facts=TWO)) == []
    assert [c.rule for c in tell(run(0.0), only("chance-level", facts=TWO))] == ["chance-level"]


def test_one_bad_evaluation_ends_no_trend() -> None:
    records = list(two_classes(450, 6e-5, noise=0.02))
    at = max(i for i, r in enumerate(records) if not isinstance(r, StepRecord) and r.step == 400)
    records[at] = evaluation(400, CHANCE, accuracy=0.5)
    assert tell(records, only("chance-level", facts=TWO)) == []


def test_a_fall_that_comes_nowhere_is_not_learning() -> None:
    """Labels that belong to nothing: the first steps learn how frequent they are, and that is all."""
    rng = random.Random(1)

    def run(pace: float) -> list[AnyRecord]:
        return [step(n, 2.32 - pace * n + 0.02 * rng.gauss(0.0, 1.0)) for n in range(1, 400)]

    assert [c.rule for c in tell(run(2e-5), only("not-learning"))] == ["not-learning"]
    assert tell(run(2e-4), only("not-learning")) == []


def test_where_a_loss_is_heading() -> None:
    line = [(float(n), 2.0 - 0.01 * n) for n in range(10)]
    assert slope(line) == pytest.approx(-0.01)
    assert comes_to(line, 100) == pytest.approx(2.0 - 0.08 - 1.0)
    assert comes_to([(float(n), 1.0 + 0.01 * (n % 2)) for n in range(10)], 100) is None
    assert comes_to(line[:2], 100) is None
    assert stretches([1, 2, 3, 4, 5], [1.0, 1.0, 3.0, 5.0, 7.0], 2) == [(2.5, 2.0), (4.5, 6.0)]


# --- the others ------------------------------------------------------------------------------------------------------


def test_a_flat_loss_of_a_model_that_is_right_is_a_mark() -> None:
    facts = Facts(num_classes=2, planned_steps=600)
    fine_tuned = two_classes(600, right=0.75, start=0.55, noise=0.02)
    assert {c.severity for c in tell(fine_tuned, only("not-learning", facts=facts)) if c.change == "raised"} == {
        Severity.INFO
    }
    guessing = two_classes(600, noise=0.02)
    assert tell(guessing, only("not-learning", facts=facts))[0].severity is Severity.WARNING


def test_a_flat_loss_without_classes_is_a_warning_once_half_of_the_plan_is_gone() -> None:
    def flat(update_ratio: float) -> Iterator[AnyRecord]:
        for n in range(1, 1201):
            yield step(n, 0.3 + 0.001 * (n % 7), metrics={"update_ratio": update_ratio})

    facts = Facts(planned_steps=1200)
    mark, warning = tell(flat(1e-3), only("not-learning", facts=facts))
    assert (mark.severity, warning.severity) == (Severity.INFO, Severity.WARNING)
    assert 600 <= warning.step <= 700
    assert {c.severity for c in tell(flat(1e-5), only("not-learning", facts=facts))} == {Severity.INFO}


def test_outliers_before_there_is_a_window_are_remembered() -> None:
    def heavy(first: float) -> Iterator[AnyRecord]:
        for n in range(1, 60):
            yield step(n, {5: first, 40: 12.0}.get(n, 1.0 + 0.01 * (n % 7)))

    assert [c.severity for c in tell(heavy(1.0), only("loss-spike")) if c.change == "raised"] == [Severity.WARNING]
    assert tell(heavy(10.0), only("loss-spike")) == []
    assert lone_rise([1.0, 5.0, 2.0, 3.0]) == 3.0
    assert lone_rise([9.0, 5.0, 5.0]) == 4.0
    assert lone_rise([1.0, 2.0]) == 0.0


def test_predictions_of_one_class_are_how_learning_begins() -> None:
    shares = {"prediction_top_share": 0.97, "prediction_entropy": 0.1, "label_top_share": 0.2}
    losses = {200: 3.5, 300: 3.0, 400: 2.8}
    assert tell((evaluation(n, loss, **shares) for n, loss in losses.items()), only("class-collapse")) == []
    still = tell((evaluation(n, 3.5, **shares) for n in losses), only("class-collapse"))
    assert [c.step for c in still] == [300]
    ahead: list[AnyRecord] = [evaluation(100, 1.0, **shares), resume(50)]  # a loss that was superseded is no best one
    again = (evaluation(n, loss, **shares) for n, loss in losses.items())
    assert tell([*ahead, *again], only("class-collapse")) == []


def falling(num: int, level: float = 2.0, tokens: int = 512, first: int = 1, varies: bool = False) -> list[StepRecord]:
    rng = random.Random(first)
    records = []
    for n in range(first, first + num):
        size = tokens * (rng.uniform(0.5, 1.5) if varies else 1.0)
        loss = (0.3 + level * math.exp(-(n - first) / 100)) * math.exp(0.02 * rng.gauss(0.0, 1.0))
        records.append(step(n, loss, step_s=0.1, tokens_per_s=size / 0.1))
    return records


@pytest.mark.parametrize(
    ("tokens", "varies", "expected"),
    [(1024, False, []), (512, False, ["divergence"]), (1024, True, ["divergence"])],
)
def test_longer_sequences_are_another_task(tokens: int, varies: bool, expected: list[str]) -> None:
    records = [*falling(400, varies=varies), *falling(200, 1.8, tokens, first=401, varies=varies)]
    assert [c.rule for c in tell(records, only("divergence")) if c.change == "raised"] == expected


def test_a_divergence_is_told_before_it_is_infinite() -> None:
    records: list[AnyRecord] = [step(n, 0.5 + 2.0 * math.exp(-n / 50) + 0.01 * (n % 3)) for n in range(5, 400, 5)]
    records += [step(n, loss) for n, loss in ((400, 30.0), (405, 90.0), (410, 70.0), (415, math.nan))]
    [change] = tell(records, only("divergence"))
    assert (change.severity, change.step) == (Severity.CRITICAL, 410)


def test_a_run_that_goes_wrong_before_it_has_gained_anything() -> None:
    rng = random.Random(1)
    records = [step(n, 0.6 * math.exp(max(0, n - 50) / 100 + 0.05 * rng.gauss(0.0, 1.0))) for n in range(10, 400, 10)]
    [change] = tell(records, only("divergence"))
    assert change.severity is Severity.CRITICAL
    assert change.step < 300


@pytest.mark.parametrize(("every", "by"), [(1, 480), (10, 600)])
def test_a_plain_rise_of_a_fifth_is_told(every: int, by: int) -> None:
    """Far over the noise, if not much of what was gained; one that falls again is a harder task, and learnt."""
    rng = random.Random(1)

    def run(back: float) -> list[AnyRecord]:
        return [
            step(n, (0.4 + 1.8 * math.exp(-n / 40) + (0.4 * back ** (n - 400) if n > 400 else 0.0)) + noise)
            for n in range(every, 900, every)
            if (noise := 0.01 * rng.gauss(0.0, 1.0))
        ]

    [change] = tell(run(1.0), only("divergence"))
    assert change.step <= by
    assert tell(run(0.985), only("divergence")) == []


def test_what_begins_below_zero_has_no_scale() -> None:
    """A policy's loss: the return that is left to gain becomes less."""
    rng = random.Random(1)
    records = [step(n, -0.3 * math.exp(-n / 150) + 0.05 * rng.gauss(0.0, 1.0)) for n in range(1, 600)]
    assert tell(records, only("divergence", "not-learning", "plateau")) == []


def test_what_falls_through_zero_from_far_over_its_noise_has_one() -> None:
    """A likelihood of densities: it may well be below zero, and diverge from there."""
    rng = random.Random(1)
    records = [step(n, 3.0 * math.exp(-n / 80) - 1.0 + 0.05 * rng.gauss(0.0, 1.0)) for n in range(1, 400)]
    assert tell(records, only("divergence")) == []
    records += [step(n, 1.5 + 0.05 * rng.gauss(0.0, 1.0)) for n in range(400, 500)]
    assert [c.rule for c in tell(records, only("divergence"))] == ["divergence"]


def norms(*, every: int, last: list[float], first: float = 0.5, losses: list[float] | None = None) -> list[AnyRecord]:
    """Gradient norms that stay at a first level for 150 steps and fall to 0.05, and then these."""
    rng = random.Random(1)
    usual = [0.05 + first * math.exp(-max(n - 150, 0) / 20) for n in range(every, 500, every)]
    all_norms = [*(norm * math.exp(0.1 * rng.gauss(0.0, 1.0)) for norm in usual), *last]
    late = losses or [0.3] * len(last)
    all_losses = [*(0.3 + 2.0 * math.exp(-n / 80) for n in range(every, 500, every)), *late]
    pairs = zip(all_norms, all_losses, strict=True)
    return [step(every * i, loss, grad_norm=norm) for i, (norm, loss) in enumerate(pairs, start=1)]


def test_of_a_sparse_log_two_norms_are_enough_and_one_that_is_no_number_any_more() -> None:
    def told(*last: float, every: int = 10) -> list[str]:
        return [c.rule for c in tell(norms(every=every, last=list(last)), only("grad-explode"))]

    assert told(40.0, 60.0) == ["grad-explode"]
    assert told(40.0, math.nan) == ["grad-explode"]
    assert told(40.0, 60.0, every=1) == []
    assert told(40.0) == told(math.nan, math.nan) == told(40.0, math.nan, math.nan, every=1) == []


def test_one_gap_in_a_log_makes_it_no_sparse_one() -> None:
    usual = [step(n, 0.3, grad_norm=0.05) for n in (*range(1, 200), 230)]
    engine = only("grad-explode")
    assert tell(usual, engine) == []
    assert len(engine.state()["grad-explode"]["window"]) == 128


def test_norms_that_were_usual_at_first_count_where_the_loss_goes_with_them() -> None:
    last = [1.3, 1.4, 1.3, 1.4]
    flat = norms(every=5, last=last, first=0.9)
    lost = norms(every=5, last=last, first=0.9, losses=[2.0] * 4)
    assert tell(flat, only("grad-explode")) == []
    assert [c.rule for c in tell(lost, only("grad-explode"))] == ["grad-explode"]


def test_a_metric_that_only_creeps_no_longer_excuses_the_loss() -> None:
    falling_train = [0.9**n for n in range(20)]
    rising = [2.0, 1.9, *(1.9 + 0.1 * n for n in range(1, 19))]
    records: list[AnyRecord] = []
    quality = [0.30, 0.34, 0.38, 0.40, *(0.402 + 0.0025 * n for n in range(16))]
    for n, (train, loss, f1) in enumerate(zip(falling_train, rising, quality, strict=True), start=1):
        records += [*(step(10 * n - 9 + k, train) for k in range(10)), evaluation(10 * n, loss, f1=f1)]
    worst = [c for c in tell(records, only("overfitting")) if c.severity is Severity.WARNING]
    assert worst[0].step <= 80


def test_a_rise_far_below_what_was_gained_is_none() -> None:
    train = [0.5 * 0.8**n for n in range(12)]
    evals = [0.1, 0.02, 0.005, *(0.006 + 0.001 * n for n in range(9))]
    assert tell(epochs(train, evals), only("overfitting", facts=Facts(num_classes=10))) == []
    assert tell(epochs(train, [40 * e for e in evals]), only("overfitting"))[0].severity is Severity.WARNING
