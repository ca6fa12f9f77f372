"""The corpus: planned and trained the same each time, and read back as it was written."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from bench.alerts import streams
from bench.alerts.families import own_families
from bench.alerts.make import make_run, row
from bench.alerts.plan import SEEDS, plan
from bench.alerts.spec import FAULTS, HARD, Part
from bench.alerts.store import Header, read, read_case, write
from rundir.records import EvalRecord, StepRecord, SystemRecord
from tests.bench.alerts.curves import SAMPLE, spec


def test_the_plan_is_a_function_of_the_seed() -> None:
    assert plan("dev", 1) == plan("dev", 1)
    assert plan("dev", 1) != plan("dev", 2)


def test_the_plan_holds_what_was_asked_for() -> None:
    everything = [spec for part, seed in SEEDS.items() for spec in plan(part, seed)]
    assert sum(not s.fault for s in everything) >= 300
    assert sum(bool(s.fault) for s in everything) >= 300
    assert {s.hard for s in everything} - {""} == set(HARD)
    assert {s.fault for s in everything} - {""} == set(FAULTS)
    assert {4, 512} <= {s.batch for s in everything}
    assert {s.log_every for s in everything} == {1, 5, 10}


def test_no_part_has_a_seed_of_another_nor_a_family_of_a_later_one() -> None:
    plans = {part: plan(part, seed) for part, seed in SEEDS.items()}
    seeds = [s.seed for specs in plans.values() for s in specs]
    assert len(seeds) == len(set(seeds))
    families = {part: {s.family for s in specs} for part, specs in plans.items()}
    for part, later in combinations(SEEDS, 2):
        assert not families[part] & set(own_families(later))
    for part in ("spent", "second", "report"):
        assert families[part] >= set(own_families(part))
    own = [s for s in plans["report"] if s.family in own_families("report")]
    assert len(own_families("report")) >= 10
    assert 0.4 <= len(own) / len(plans["report"]) <= 0.6


def test_a_run_is_trained_labelled_and_read_back(tmp_path: Path) -> None:
    given = spec(steps=120, log_every=5, eval_every=40, fault="lr-zero", at=60, size=1.0)
    header = make_run(given, tmp_path)
    case = read_case(tmp_path / "dev" / f"{given.name}.jsonl.gz")
    assert case.spec == given
    assert case.label == header.label
    assert case.label.verdict == "faulty"
    assert case.label.rules == ["lr-zero", "lr-off-schedule"]
    logged = [r for r in case.records if isinstance(r, StepRecord)]
    assert [r.step for r in logged] == list(range(5, 121, 5))
    assert [r.lr == 0.0 for r in logged] == [r.step >= 60 for r in logged]
    assert [r.step for r in case.records if isinstance(r, EvalRecord)] == [40, 80, 120]
    assert case.facts["planned_steps"] == 120


def test_the_same_spec_trains_to_the_same_bytes(tmp_path: Path) -> None:
    given = spec(steps=60, eval_every=30)
    make_run(given, tmp_path / "a")
    make_run(given, tmp_path / "b")
    name = f"dev/{given.name}.jsonl.gz"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_sample_is_trained_again_to_the_same_labels(tmp_path: Path) -> None:
    kept = {case.name: case for case in read("dev", SAMPLE)}
    assert {"healthy", "faulty"} == {case.label.verdict for case in kept.values()}
    given = min((case.spec for case in kept.values() if case.spec), key=lambda each: each.steps * each.batch)
    made, case = make_run(given, tmp_path), kept[given.name]
    assert (made.label.verdict, made.label.onset) == (case.label.verdict, case.label.onset)
    assert made.label.problems.keys() == case.label.problems.keys()


def labels_of(part: Part) -> dict[str, str]:
    lines = (SAMPLE.parent / f"labels-{part}.tsv").read_text().splitlines()[1:]
    return {line.split("\t")[0]: line for line in lines}


@pytest.mark.parametrize("part", SEEDS)
def test_the_labels_that_are_kept_are_those_of_the_plan(part: Part) -> None:
    """A change of plan or of labels has to be made good by `python -m bench.alerts.make --table bench/alerts`."""
    told = labels_of(part)
    assert {s.name for s in plan(part, SEEDS[part])} == {name for name in told if "-s0" not in name}


def test_the_sample_has_the_labels_that_are_kept() -> None:
    told = labels_of("dev")
    for case in read("dev", SAMPLE):
        assert told[case.name] == row(case)


def test_a_drawn_stream_is_read_back(tmp_path: Path) -> None:
    header, records = streams.trouble("dev", 1, "leak", 5.0, np.random.default_rng(1))
    write(tmp_path, header, records)
    (case,) = read("dev", tmp_path)
    assert isinstance(header, Header)
    assert case.label == header.label
    assert len(case.records) == len(records)
    assert any(isinstance(r, SystemRecord) for r in case.records)


def test_a_part_that_was_not_made_names_its_cure(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"bench\.alerts\.make --part report"):
        next(read("report", tmp_path))
