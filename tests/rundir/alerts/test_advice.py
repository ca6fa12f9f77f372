"""What an alert is put down to, by what the records say, and which order goes with it."""

from collections.abc import Iterable

from rundir.alerts import AlertChange, Facts
from rundir.alerts.advice import ADVICE, ranked
from rundir.alerts.incident import Incident, Member
from rundir.records import AnyRecord, CheckpointEvent, LifecycleEvent, Severity
from tests.rundir.alerts.stories import evaluation, only, resume, step, tell

USUAL = {"train": {"optimizer": "adamw", "lr": 1e-4, "clip_norm": 1.0}, "task": {"kind": "sequence-classification"}}
FLAT = [0.69 + 0.01 * (n % 3) for n in range(400)]
BLOWN = [0.69, 0.7, 0.8, 2.5, 7.0, 3.0, 1.5, *FLAT]


def saved(n: int) -> CheckpointEvent:
    return CheckpointEvent(at=0.0, attempt=1, step=n, writer="trainer", path=f"checkpoints/step-{n:08d}", size_bytes=1)


def with_updates(losses: Iterable[float], ratio: float, saves: tuple[int, ...] = ()) -> Iterable[AnyRecord]:
    for n, loss in enumerate(losses, start=1):
        yield step(n, loss, lr=1e-2, grad_norm=1.0, metrics={"update_ratio": ratio} if n % 10 == 0 else None)
        if n in saves:
            yield saved(n)


def first(records: Iterable[AnyRecord], rule: str, facts: Facts | None = None) -> AlertChange:
    return tell(records, only(rule, facts=facts))[0]


def test_tiny_updates_of_a_quiet_run_mean_a_small_learning_rate() -> None:
    alert = first(with_updates(FLAT, 1e-8), "tiny-updates")
    assert alert.causes[0] == "the learning rate is far too small"
    assert alert.fixes[0] == "ten to a hundred times the learning rate"


def test_after_a_blow_up_nobody_is_told_to_raise_the_learning_rate() -> None:
    alert = first(with_updates(BLOWN, 1e-8), "tiny-updates")
    assert alert.causes[0] == "the learning rate is too high: the weights have blown up"
    assert "a tenth of the learning rate" in alert.fixes[0]
    assert alert.order is None  # there is nothing to go back to


def test_a_rollback_goes_back_to_before_the_trouble() -> None:
    sound = with_updates([0.69] * 40, 1e-3, saves=(20, 30))
    ruined = [*with_updates([0.69] * 40 + BLOWN, 1e-8, saves=(60,))][43:]
    alert = first([*sound, *ruined], "tiny-updates")
    assert alert.order == {"verb": "rollback", "args": {"step": 30, "lr_factor": 0.1}}


def test_a_standstill_from_the_start_keeps_nobody_from_going_back() -> None:
    """What was saved before a blow-up is as good as the run was then; what was saved in the midst of one is not."""
    members = {name: Member(severity=Severity.WARNING, first_step=300, onset_step=onset) for name, onset in (
        ("chance-level", 1), ("grad-explode", 301), ("non-finite", 310)
    )}  # fmt: skip
    one = Incident(
        number=1, family=0, onset_step=1, first_step=300, last_step=310, primary="non-finite", members=members
    )
    assert one.blew_up_from == 301


def test_what_was_taken_back_has_no_blow_up_in_it() -> None:
    """And no checkpoint."""
    records = [*with_updates(BLOWN[:8], 1e-3, saves=(7,)), resume(2), *with_updates(FLAT, 1e-8)]
    alert = first(records, "tiny-updates")
    assert alert.causes[0] == "the learning rate is far too small"


def test_a_mark_calls_for_no_order() -> None:
    losses = [1.0 + 0.01 * (n % 5) for n in range(100)]
    losses[90] = 1.2
    [alert, *_] = tell([step(n, loss) for n, loss in enumerate(losses, 1)] + [saved(50)], only("loss-spike"))
    assert alert.severity == "info"
    assert alert.order is None


def test_a_rate_that_nobody_uses_is_suspected_first() -> None:
    facts = Facts.of_run({}, {**USUAL, "train": {"optimizer": "adamw", "lr": 0.1}, "model": {"init": "scratch"}})
    assert facts.lr_usual == 0.02
    frozen = [step(n, 1.0, lr=0.1, metrics={"unchanged_count": 3.0}) for n in range(10, 80, 10)]
    alert = tell(frozen, only("frozen", facts=facts))[0]
    assert alert.causes[0] == "the learning rate is above what is in use for such a model"
    usual = tell(frozen, only("frozen"))[0].causes
    assert usual[0] == "the parameters were not given to the optimizer"
    assert alert.causes[0] not in usual


def test_a_slow_step_is_not_put_down_to_what_the_record_rules_out() -> None:
    took = [0.05] * 200 + [0.15] * 100
    steps = [step(n, 1.0, step_s=s, data_wait_s=0.001) for n, s in enumerate(took, 1)]
    causes = first(steps, "slow-step").causes
    assert causes[0] == "another process on the machine"
    assert "the GPU is too hot" not in causes


BASELINE = LifecycleEvent(at=0.0, attempt=1, writer="trainer", what="baseline", detail={"f1": 0.5})


def judged(scores: dict[int, float], planned: int | None = 400) -> list[AlertChange]:
    facts = Facts(eval_metric="f1", planned_steps=planned)
    return tell(
        [BASELINE, *(evaluation(n, 1.0, f1=f1) for n, f1 in scores.items())], only("below-baseline", facts=facts)
    )


def test_half_of_the_run_below_the_baseline_is_a_warning_until_it_is_not() -> None:
    raised, cleared = judged({100: 0.0, 200: 0.1, 300: 0.6})
    assert (raised.rule, raised.severity, raised.onset_step, raised.step) == ("below-baseline", "warning", 100, 200)
    assert raised.message == "no evaluation is better than the baseline: f1 0.1 at best, 0.5 without a model"
    assert (cleared.change, cleared.step) == ("cleared", 300)


def test_a_slow_start_is_given_time() -> None:
    assert judged({50: 0.0, 100: 0.0, 190: 0.4}) == []
    assert judged({100: 0.7, 300: 0.1}) == []
    assert [change.step for change in judged({50: 0.0, 100: 0.0, 150: 0.0}, planned=None)] == [150]


def test_a_run_that_was_above_the_baseline_before_it_went_back_is_not_below_it() -> None:
    """Its best of all is superseded, one that was good enough is not."""
    scores = [evaluation(n, 1.0, f1=f1) for n, f1 in ((100, 0.7), (200, 0.8), (250, 0.1), (300, 0.1))]
    records = [BASELINE, *scores[:2], resume(150), *scores[2:]]
    assert tell(records, only("below-baseline", facts=Facts(eval_metric="f1", planned_steps=400))) == []
    records = [BASELINE, *scores[:2], resume(50), *scores[2:]]
    [raised] = tell(records, only("below-baseline", facts=Facts(eval_metric="f1", planned_steps=400)))
    assert raised.step == 250


def test_of_an_error_the_lower_is_the_better() -> None:
    facts = Facts.of_run({"planned_steps": 100}, {"eval": {"metric": "mae"}})
    told = LifecycleEvent(at=0.0, attempt=1, writer="trainer", what="baseline", detail={"mae": 0.5})
    records = [told, evaluation(60, 1.0, mae=0.9), evaluation(80, 1.0, mae=0.4)]
    assert [change.change for change in tell(records, only("below-baseline", facts=facts))] == ["raised", "cleared"]


def test_gradients_that_are_known_to_be_clipped_are_no_cause() -> None:
    causes = ADVICE["divergence"].causes
    assert "gradients are not clipped" in [cause.text for cause in ranked(causes, {"lr-rose", "late", "unclipped"})]
    clipped = ranked(causes, {"lr-rose", "late", "clipped"})
    assert len(clipped) == 3
    assert "gradients are not clipped" not in [cause.text for cause in clipped]
