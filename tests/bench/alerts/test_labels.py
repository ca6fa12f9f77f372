"""The rules that label a run by what became of it, each on an outcome made by hand."""

import math

import numpy as np
import pytest

from bench.alerts import outcomes
from bench.alerts.labels import NAMED_BY, OWN, RULE_OF, label
from bench.alerts.spec import FAULTS
from tests.bench.alerts.curves import falling, run, spec


def test_every_fault_has_a_problem_of_its_own_and_a_rule_that_names_it() -> None:
    assert set(OWN) == set(NAMED_BY) == set(FAULTS)
    assert {problem for problems in OWN.values() for problem in problems} <= set(RULE_OF)


def test_a_run_that_falls_is_healthy() -> None:
    assert label(spec(), run(falling(600))).verdict == "healthy"


def test_a_fault_without_damage_is_ambiguous() -> None:
    given = label(spec(fault="labels", at=300, size=0.1), run(falling(600)))
    assert given.verdict == "ambiguous"
    assert given.rules == []


@pytest.mark.parametrize(("lost", "verdict"), [(0.1, "ambiguous"), (0.35, "faulty"), (0.9, "faulty")])
def test_divergence_is_measured_in_progress_lost(lost: float, verdict: str) -> None:
    loss = falling(600)
    loss[300:] = 0.5 + lost * 1.8
    given = label(spec(fault="labels", at=301, size=1.0), run(loss))
    assert given.verdict == verdict
    if verdict == "faulty":
        assert given.problems["divergence"].size == pytest.approx(lost, abs=0.05)
        assert given.problems["divergence"].detail["sudden"] == (1.0 if lost > 0.6 else 0.0)


def test_a_slow_divergence_is_seen_where_a_quarter_is_lost() -> None:
    loss = falling(1000)
    loss[400:] += np.linspace(0.0, 1.8, 600)
    problem = outcomes.divergence(run(loss), 401)
    assert problem is not None
    assert problem.detail["sudden"] == 0.0
    assert 500 < problem.seen_at < 600


def test_a_dip_that_does_not_last_is_no_divergence() -> None:
    loss = falling(600)
    loss[300:330] = 2.0
    assert outcomes.divergence(run(loss), 301) is None


def test_a_healthy_recipe_that_diverges_is_faulty_and_organic() -> None:
    loss = falling(600)
    loss[350:] = 2.0
    given = label(spec(), run(loss))
    assert (given.verdict, given.named_by) == ("faulty", ["divergence"])
    assert 330 <= given.onset <= 352


@pytest.mark.parametrize(("sigmas", "is_spike"), [(10, False), (40, True)])
def test_a_spike_is_measured_in_noise(sigmas: float, is_spike: bool) -> None:
    loss = falling(600)
    loss[400] = np.median(loss[300:400]) + sigmas * 0.02
    problem = outcomes.spike(run(loss), 401, 1)
    assert (problem is not None) == is_spike
    if problem is not None:
        assert problem.size == pytest.approx(sigmas, rel=0.3)


def test_non_finite_losses_are_counted_from_the_first() -> None:
    loss = falling(600)
    loss[450:453] = math.nan
    given = label(spec(fault="nan-loss", at=451, size=3.0), run(loss))
    assert given.problems["non-finite"] == outcomes.Problem(size=3.0, seen_at=451)


def test_direct_causes() -> None:
    norms, lr = np.ones(600), np.full(600, 1e-3)
    norms[299:] = 0.0
    lr[299:] = 0.0
    assert label(spec(fault="detach", at=300), run(falling(600), grad_norm=norms)).rules == ["grad-zero"]
    assert label(spec(fault="lr-zero", at=300), run(falling(600), lr=lr)).rules == ["lr-zero"]


def test_a_schedule_that_ends_at_zero_is_no_zero_rate() -> None:
    lr = np.linspace(1e-3, 0.0, 600)
    assert outcomes.lr_zero(run(falling(600), lr=lr), 1) is None


def test_frozen_needs_five_samples_with_a_rate() -> None:
    unchanged = np.full(600, np.nan)
    unchanged[9::10] = 0
    unchanged[299:340:10] = 2
    problem = outcomes.frozen(run(falling(600), unchanged=unchanged), 300)
    assert problem is not None
    assert (problem.size, problem.seen_at) == (2.0, 300)
    assert outcomes.frozen(run(falling(600), unchanged=unchanged, lr=np.zeros(600)), 300) is None


def evals(*losses: float) -> list[tuple[int, float, dict[str, float]]]:
    return [(50 * (i + 1), loss, {}) for i, loss in enumerate(losses)]


@pytest.mark.parametrize(("end", "verdict"), [(0.52, "healthy"), (0.55, "ambiguous"), (0.62, "faulty")])
def test_overfitting_is_a_final_eval_over_its_minimum(end: float, verdict: str) -> None:
    losses = [1.0, 0.7, 0.5, *np.linspace(0.5, end, 9).tolist()]
    assert label(spec(), run(falling(600), evals=evals(*losses))).verdict == verdict


def test_a_run_whose_last_eval_is_its_lowest_does_not_overfit() -> None:
    losses = [1.0, *[0.5] * 3, *[0.6] * 7, 0.4]
    assert outcomes.overfitting(run(falling(600), evals=evals(*losses))) is None


def test_overfitting_is_seen_at_the_first_eval_five_percent_over() -> None:
    losses = [1.0, 0.7, 0.5, 0.51, 0.53, 0.56, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85]
    problem = outcomes.overfitting(run(falling(600), evals=evals(*losses)))
    assert problem is not None
    assert (problem.seen_at, problem.detail["best_step"]) == (250, 150)


def test_a_run_at_chance_has_never_learnt() -> None:
    loss = np.log(10) + 0.01 * np.random.default_rng(1).normal(size=600)
    given = run(loss, accuracy=np.full(600, 0.1), prior_entropy=math.log(10), majority_share=0.11, num_classes=10)
    labelled = label(spec(fault="shuffled", size=1.0), given)
    assert labelled.verdict == "faulty"
    assert labelled.problems["never-learnt"].detail["at_chance"] == 1.0


def test_a_fine_tune_that_begins_low_has_nothing_to_learn() -> None:
    loss = 0.05 + 0.001 * np.random.default_rng(1).normal(size=600)
    given = run(loss, accuracy=np.full(600, 0.98), prior_entropy=math.log(10), majority_share=0.11, num_classes=10)
    assert label(spec(hard="flat"), given).verdict == "healthy"


def test_collapse_needs_two_evals_and_labels_in_balance() -> None:
    def told(top: float, labels: float) -> list[tuple[int, float, dict[str, float]]]:
        return [(s, 1.0, {"prediction_top_share": top, "label_top_share": labels}) for s in (200, 400, 600)]

    assert outcomes.class_collapse(run(falling(600), evals=told(0.97, 0.2)), 150) is not None
    assert outcomes.class_collapse(run(falling(600), evals=told(0.97, 0.9)), 150) is None
    assert outcomes.class_collapse(run(falling(600), evals=told(0.7, 0.2)), 150) is None


def test_an_explosion_is_thirty_times_the_level_before() -> None:
    norms = np.ones(600)
    norms[400:] = 100.0
    problem = outcomes.grad_explode(run(falling(600), grad_norm=norms), 401)
    assert problem is not None
    assert (problem.size, problem.seen_at) == (100.0, 401)
    norms[400:] = 10.0
    assert outcomes.grad_explode(run(falling(600), grad_norm=norms), 401) is None


def test_a_signed_loss_neither_diverges_nor_stands_still() -> None:
    loss = np.random.default_rng(1).normal(size=600) * 0.1
    assert label(spec(hard="rl"), run(loss, is_signed=True)).verdict == "healthy"
