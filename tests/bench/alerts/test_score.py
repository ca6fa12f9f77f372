"""What becomes of a detector that always speaks, of one that never does, and of one that is right."""

import math
from typing import Any

import pytest

from bench.alerts import bars, report, score
from bench.alerts.labels import Label
from bench.alerts.outcomes import Problem
from bench.alerts.replay import Alert, Replayed
from bench.alerts.score import Scored, clopper_pearson, quantile
from bench.alerts.store import read
from rundir.records import Severity
from tests.bench.alerts.curves import SAMPLE, spec

STEPS = 600


def alert(rule: str, at: int, severity: Severity = Severity.WARNING, **given: Any) -> Alert:
    warned = None if severity is Severity.INFO else at
    return Alert(rule=rule, raised_step=at, onset_step=at, warned_step=warned, severity=severity, **given)


def healthy(*alerts: Alert) -> Scored:
    return Scored(
        name="h",
        family="mlp",
        label=Label(verdict="healthy", onset=1),
        said=Replayed(alerts=list(alerts), messages=[a.raised_step for a in alerts]),
        num_steps=STEPS,
        spec=spec(),
    )


def diverging(*alerts: Alert, primary: str = "") -> Scored:
    problem = Problem(size=0.9, seen_at=310, detail={"sudden": 1.0})
    return Scored(
        name="f",
        family="mlp",
        label=Label(
            verdict="faulty",
            onset=300,
            problems={"divergence": problem},
            rules=["divergence"],
            asked=["divergence"],
            named_by=["divergence"],
        ),
        said=Replayed(
            alerts=list(alerts), messages=[a.raised_step for a in alerts], primary={1: primary} if primary else {}
        ),
        num_steps=STEPS,
        spec=spec(fault="labels", at=300, size=1.0),
    )


def verdict(runs: list[Scored], start: str) -> bool | None:
    return next(bar.met for bar in bars.every_bar(runs) if bar.name.startswith(start))


def test_one_that_never_speaks_misses_all_and_alarms_none() -> None:
    runs = [healthy(), diverging()]
    assert verdict(runs, "healthy runs with a warning") is True
    assert verdict(runs, "divergence, ≥ 60%") is False
    assert score.delay(runs[1], ("divergence",), 300) == math.inf
    assert score.named(runs[1]) == []


def test_one_that_always_speaks_pays_for_it() -> None:
    always = [alert("divergence", step, incident=i) for i, step in enumerate(range(10, STEPS, 10), 1)]
    runs = [healthy(*always), diverging(*always)]
    assert verdict(runs, "healthy runs with a warning") is False
    assert verdict(runs, "faulty runs warned before onset") is False
    assert verdict(runs, "messages per incident") is False
    assert verdict(runs, "divergence, ≥ 60%") is True
    assert len(score.early(runs[1])) == 29


def test_one_that_is_right_meets_the_bars() -> None:
    runs = [healthy(), diverging(alert("divergence", 340, incident=1), primary="divergence")]
    for name in ("healthy runs", "divergence, ≥ 60%", "— sudden", "primary kind", "messages per", "faulty runs warned"):
        assert verdict(runs, name) is True, name


def test_an_alert_raised_before_the_onset_is_no_hit() -> None:
    assert verdict([diverging(alert("divergence", 200))], "divergence, ≥ 60%") is False


def test_a_late_alert_is_a_hit_but_not_in_time() -> None:
    runs = [diverging(alert("divergence", 400))]
    assert verdict(runs, "divergence, ≥ 60%") is True
    assert verdict(runs, "— sudden") is False


def test_a_mark_is_no_warning() -> None:
    runs = [healthy(alert("plateau", 500, Severity.INFO)), diverging(alert("divergence", 310, Severity.INFO))]
    assert verdict(runs, "healthy runs with a warning") is True
    assert verdict(runs, "divergence, ≥ 60%") is False


def test_the_primary_of_the_incident_is_what_counts() -> None:
    alerts = [alert("loss-spike", 301, incident=1), alert("divergence", 330, incident=1)]
    assert score.named(diverging(*alerts, primary="divergence"))[0] == "divergence"
    wrong = diverging(*alerts, primary="loss-spike")
    assert score.named(wrong) == ["loss-spike", "divergence"]
    assert verdict([wrong], "primary kind") is False
    assert verdict([wrong], "right one among three") is True


def test_a_measured_fact_of_a_healthy_run_is_no_false_alarm() -> None:
    run = healthy(alert("dead-relu", 200))
    run.label = Label(verdict="healthy", onset=1, rules=["dead-relu"])
    assert score.false_alarms(run) == []


@pytest.mark.parametrize(
    ("hits", "num", "low", "high"),
    [(0, 63, 0.0, 0.0569), (63, 63, 0.9431, 1.0), (9, 10, 0.5550, 0.9975), (111, 112, 0.9513, 0.9998)],
)
def test_clopper_pearson(hits: int, num: int, low: float, high: float) -> None:
    assert clopper_pearson(hits, num) == (pytest.approx(low, abs=2e-4), pytest.approx(high, abs=2e-4))


def test_misses_are_infinite_delays() -> None:
    assert quantile([3.0, math.inf, 1.0, 2.0], 0.5) == 2.0
    assert quantile([3.0, math.inf, 1.0, 2.0], 0.9) == math.inf


def test_a_dose_fits_a_rising_curve() -> None:
    assert score.isotonic([(4, 0.0), (4, 0.5), (4, 0.25), (4, 1.0)]) == [0.0, 0.375, 0.375, 1.0]


def test_the_report_tells_hits_false_alarms_and_misses() -> None:
    hit, missed = diverging(alert("divergence", 340, incident=1), primary="divergence"), diverging()
    missed.name = "missed"
    runs = [healthy(alert("loss-spike", 50)), hit, missed]
    rows = {line.split("|")[1].strip(): line for line in report.by_rule(runs).splitlines()}
    assert "1/2 [1, 99]%" in rows["divergence"]
    assert "∞" in rows["divergence"]
    assert rows["loss-spike"].split("|")[6].strip() == "1"
    assert [line.split()[0] for line in report.misses(runs).splitlines()] == ["FALSE", "MISS"]
    assert "1/2" in report.attribution(runs)


@pytest.fixture(scope="module")
def sample() -> list[Scored]:
    """The runs kept in the repository, as the rules see them."""
    return [report.score(case) for case in read("dev", SAMPLE)]


def test_nothing_is_warned_of_on_the_healthy_runs_of_the_sample(sample: list[Scored]) -> None:
    assert sum(s.is_healthy for s in sample) >= 5
    assert {s.name: score.false_alarms(s) for s in sample if score.false_alarms(s) or score.early(s)} == {}


def test_each_fault_of_the_sample_is_told_by_its_name(sample: list[Scored]) -> None:
    faulty = [s for s in sample if s.is_faulty]
    assert len(faulty) >= 7
    for s in faulty:
        assert score.named(s)[0] in s.label.named_by, s.name


def test_a_bare_log_has_neither_metrics_nor_facts() -> None:
    case = report.bare(next(iter(read("dev", SAMPLE))))
    assert case.facts == {}
    assert all(getattr(record, "metrics", None) is None for record in case.records)
