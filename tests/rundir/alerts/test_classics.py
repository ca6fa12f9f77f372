"""Runs that everybody who trains has seen: what the rules must say of them, and what they must not."""

import math
import random
from collections.abc import Iterator

import pytest

from rundir.alerts import AlertChange, Engine, Facts
from rundir.records import AnyRecord, EpochRecord, EvalRecord, ResumeRecord, Severity, StepRecord
from tests.rundir.alerts.stories import epochs, evaluation, step, tell

TWO_CLASSES = Facts(num_classes=2)


def raised(changes: list[AlertChange], least: Severity = Severity.WARNING) -> dict[str, AlertChange]:
    """The first change of each rule that is at least so grave."""
    grave = {Severity.WARNING: (Severity.WARNING, Severity.CRITICAL), Severity.CRITICAL: (Severity.CRITICAL,)}
    found: dict[str, AlertChange] = {}
    for change in changes:
        if change.change != "cleared" and (least is Severity.INFO or change.severity in grave[least]):
            found.setdefault(change.rule, change)
    return found


def epoch(n: int, loss: float, steps: int = 100, **metrics: float) -> EpochRecord:
    return EpochRecord(at=0.0, attempt=1, step=n * steps, epoch=n, loss=loss, metrics=dict(metrics) or None)


def test_a_slight_rise_after_three_epochs_is_a_mark_at_most() -> None:
    assert raised(tell(epochs([0.68, 0.28, 0.20], [0.3922, 0.2929, 0.2952], steps=100))) == {}


def test_severe_overfitting_over_three_epochs_is_said_by_the_third() -> None:
    found = raised(tell(epochs([0.45, 0.20, 0.08], [0.48, 0.55, 0.72], steps=100)))
    assert found.keys() == {"overfitting"}
    assert found["overfitting"].step == 300
    assert found["overfitting"].order == {"verb": "stop"}


def test_a_gradient_norm_of_1_6_that_becomes_150_300_310_explodes() -> None:
    rng = random.Random(1)
    norms = [1.6 + rng.gauss(0.0, 0.1) for _ in range(100)] + [150.0, 300.0, 310.0]
    found = raised(tell(step(n, 0.7, grad_norm=norm) for n, norm in enumerate(norms, start=1)))
    assert found.keys() == {"grad-explode"}
    change = found["grad-explode"]
    assert (change.onset_step, change.step) == (101, 103)
    assert change.order == {"verb": "set", "args": {"clip_norm": 1.0}}
    assert change.primary


def test_half_right_on_two_classes_three_times_is_chance() -> None:
    found = raised(tell([epoch(n, 0.69, accuracy=0.50) for n in (1, 2, 3)], Engine(facts=TWO_CLASSES)))
    assert "chance-level" in found
    assert found["chance-level"].evidence["chance"] == 0.5


def test_the_same_by_evaluations() -> None:
    records = [evaluation(n * 100, 0.69, accuracy=0.50) for n in (1, 2, 3)]
    assert "chance-level" in raised(tell(records, Engine(facts=TWO_CLASSES)))


def test_better_than_chance_is_none() -> None:
    records = [epoch(n, 0.6, accuracy=accuracy) for n, accuracy in ((1, 0.50), (2, 0.55), (3, 0.66))]
    assert "chance-level" not in raised(tell(records, Engine(facts=TWO_CLASSES)))


@pytest.mark.parametrize("facts", [None, TWO_CLASSES])
def test_a_loss_of_0_690_0_689_0_691_over_epochs_is_not_learning(facts: Facts | None) -> None:
    found = raised(tell([epoch(n, loss) for n, loss in ((1, 0.690), (2, 0.689), (3, 0.691))], Engine(facts=facts)))
    assert found.keys() == {"not-learning"}
    assert "0.691" in found["not-learning"].message


def test_a_flat_fine_tuning_that_begins_better_than_chance_is_a_mark() -> None:
    changes = tell([epoch(n, loss) for n, loss in ((1, 0.1900), (2, 0.1895), (3, 0.1905))], Engine(facts=TWO_CLASSES))
    assert [(c.rule, c.severity) for c in changes] == [("not-learning", Severity.INFO)]


def test_one_step_of_540_seconds_where_6_are_usual() -> None:
    times = [6.0 + 0.1 * (n % 5) for n in range(60)] + [540.0] + [6.0] * 10
    records = [step(n, 2.0 - 0.01 * n, step_s=step_s) for n, step_s in enumerate(times, start=1)]
    changes = [c for c in tell(records) if c.rule == "slow-step"]
    assert [(c.change, c.step) for c in changes] == [("raised", 61), ("cleared", 66)]
    assert "took 540 s" in changes[0].message


# --- what must stay silent -------------------------------------------------------------------------------------------


def learning(
    num: int = 2000, noise: float = 0.1, seed: int = 1, every: int = 1, start: float = 2.3, end: float = 0.3
) -> Iterator[StepRecord]:
    """A healthy run: the loss falls by exponential decay with noise that is in proportion to it."""
    rng = random.Random(seed)
    for n in range(every, num + 1, every):
        level = end + (start - end) * math.exp(-n / 300)
        yield step(
            n, level * math.exp(noise * rng.gauss(0.0, 1.0)), grad_norm=math.exp(0.2 * rng.gauss(0.0, 1.0)), lr=1e-3
        )


@pytest.mark.parametrize("every", [1, 10])
@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_healthy_run_is_silent(noise: float, seed: int, every: int) -> None:
    assert raised(tell(learning(noise=noise, seed=seed, every=every))) == {}


def test_warm_restarts_are_no_divergence() -> None:
    records: list[AnyRecord] = []
    rng = random.Random(2)
    for n in range(1, 1501):
        phase = (n - 1) % 300 / 300
        level = 0.4 + 1.9 * math.exp(-n / 200) + 0.35 * (1.0 - phase) * (n > 300)
        records.append(step(n, level + 0.03 * rng.gauss(0, 1), lr=1e-3 * 0.5 * (1.0 + math.cos(math.pi * phase))))
    assert raised(tell(records)) == {}


def test_a_jump_of_the_rate_beyond_its_peak_is_one() -> None:
    """The same rise, but the rate was never that high: nothing excuses it."""
    records: list[AnyRecord] = list(learning(600, noise=0.05))
    records += [step(n, 2.0 + 0.01 * (n % 7), lr=3e-2) for n in range(601, 700)]
    assert raised(tell(records))["divergence"].step <= 660


def test_a_loss_of_either_sign_is_not_judged_by_its_level() -> None:
    rng = random.Random(3)
    records = [step(n, rng.gauss(-0.01, 0.2) + (0.5 if n > 900 else 0.0)) for n in range(1, 1500)]
    engine = Engine(facts=Facts(signed_loss=True))
    assert raised(tell(records, engine)) == {}
    assert "may be negative" in engine.silent()["divergence"]


def test_an_fp16_scaler_that_finds_its_scale_is_silent() -> None:
    records = []
    for n, record in enumerate(learning(1500, noise=0.05), start=1):
        scale = 65536.0 / 2 ** min(n // 2, 6)
        norm: object = "inf" if n in (2, 4, 6, 8, 10, 12, 700, 1300) else record.grad_norm
        records.append(step(n, float(record.loss), grad_norm=norm, metrics={"loss_scale": scale}))
    assert raised(tell(records)) == {}


def test_a_rate_that_decays_to_zero_at_the_end_is_silent() -> None:
    records = [
        step(n, float(r.loss), lr=1e-3 * max(0.0, 1.0 - n / 2000))
        for n, r in enumerate(learning(2040, noise=0.05), start=1)
    ]
    facts = Facts(planned_steps=2040)
    assert raised(tell(records, Engine(facts=facts))) == {}
    assert raised(tell(records)) == {}


def test_a_resume_whose_loss_goes_on_is_silent() -> None:
    records: list[AnyRecord] = [*learning(1000, noise=0.05)]
    resumed = [r for r in learning(2000, noise=0.05, seed=9) if r.step > 800]
    records += [ResumeRecord(at=0.0, attempt=2, step=800), *resumed]
    assert raised(tell(records)) == {}


def test_noise_that_wanders_slowly_is_silent() -> None:
    """AR(0.9) about a falling level, 8,000 records."""
    rng, wander, records = random.Random(4), 0.0, []
    for n in range(1, 8001):
        wander = 0.9 * wander + math.sqrt(1 - 0.81) * rng.gauss(0.0, 1.0)
        records.append(step(n, 1.0 + 2.0 * math.exp(-n / 1500) + 0.05 * wander))
    assert raised(tell(records)) == {}


def test_evals_below_the_train_loss_are_a_mark_at_most() -> None:
    records: list[AnyRecord] = []
    for record in learning(1000, noise=0.05):
        records.append(record)
        if record.step % 100 == 0:
            records.append(EvalRecord(at=0.0, attempt=1, step=record.step, loss=0.4 * float(record.loss)))
    changes = tell(records)
    assert raised(changes) == {}
    assert "eval-better-than-train" in raised(changes, Severity.INFO)


@pytest.mark.parametrize("seed", range(6))
def test_losses_of_four_examples_differ_tenfold_and_mean_nothing(seed: int) -> None:
    """Squared errors of four examples a batch, the first of them small by chance."""
    rng = random.Random(seed)
    records = []
    for n in range(1, 600):
        level = 0.15 + 0.8 * math.exp(-n / 100)
        loss = level * sum(rng.gauss(0.0, 1.0) ** 2 for _ in range(4)) / 4
        records.append(step(n, 0.11 if n == 1 else max(loss, 0.17 if n < 40 else 0.0), lr=1e-3))
    assert raised(tell(records)) == {}


def test_first_updates_that_ruin_a_run_are_a_divergence() -> None:
    rng = random.Random(5)
    records = [
        step(1, 2.28),
        step(2, 1.3e8),
        *(step(n, 9.0 * math.exp(0.3 * rng.gauss(0, 1)) + 5.0) for n in range(3, 100)),
    ]
    assert raised(tell(records))["divergence"].step <= 60


def test_a_label_noise_that_costs_a_third_for_good_is_a_warning() -> None:
    rng = random.Random(6)
    records = [*learning(800, noise=0.1)]
    records += [step(n, 1.0 + 0.15 * rng.gauss(0.0, 1.0), lr=1e-3) for n in range(801, 1300)]
    assert raised(tell(records))["divergence"].severity is Severity.WARNING


def test_a_harder_task_that_is_learnt_is_no_divergence() -> None:
    """A curriculum: the loss jumps by a fifth of what was gained, and falls again."""
    rng = random.Random(7)
    records = [*learning(800, noise=0.05)]
    records += [
        step(n, (0.35 + 0.45 * math.exp(-(n - 800) / 60)) * math.exp(0.05 * rng.gauss(0, 1)), lr=1e-3)
        for n in range(801, 1500)
    ]
    assert raised(tell(records)) == {}


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_loss_that_never_moved_may_rise(level: float) -> None:
    """Neither progress nor noise to measure the rise in."""
    found = raised(tell([*(step(n, level) for n in range(1, 301)), *(step(n, level + 1.0) for n in range(301, 401))]))
    assert found["loss-spike"].step == 301
