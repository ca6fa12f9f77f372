"""Each sink's files, read back by their own readers, against the effective records; however the sink was cut off."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

from rundir.effective import effective
from rundir.layout import RunDir
from rundir.records import EpochRecord, EvalRecord, MetricsRecord, StepRecord, number
from tests.traind.sinks.stories import LABELS, STORY, evaluation, resume, step, write
from traind.scalars import scalars
from traind.sinks.csv_sink import CsvSink
from traind.sinks.pump import Pump
from traind.sinks.sink import Sink, State
from traind.sinks.tensorboard_sink import TensorBoardSink

Opener = Callable[[RunDir, State | None], Sink]


def pump(run: RunDir, name: str, opener: Opener) -> Pump:
    run.sinks.mkdir(exist_ok=True)
    return Pump(run.metrics, run.sinks / f"{name}.json", lambda state: opener(run, state))


def feed(run: RunDir, name: str, opener: Opener) -> None:
    """As one process does: take in what is there, and leave."""
    it = pump(run, name, opener)
    it.run_to_end(lambda: None)
    it.close()


# --- reading back ------------------------------------------------------------------------------------------------


def tensorboard_of(run: RunDir) -> dict[str, list[tuple[int, str]]]:
    """Step and value, as the format's float32 prints, of every tag."""
    events = EventAccumulator(str(run.tensorboard), size_guidance={SCALARS: 0})
    events.Reload()
    return {tag: points for tag in events.Tags()["scalars"] if (points := points_of(events, tag))}


def points_of(events: EventAccumulator, tag: str) -> list[tuple[int, str]]:
    return [(event.step, f"{event.value:.5g}") for event in events.Scalars(tag)]


def expected_scalars(records: list[MetricsRecord]) -> dict[str, list[tuple[int, str]]]:
    found: dict[str, list[tuple[int, str]]] = {}
    for record in effective(records):
        for tag, value in scalars(record).items():
            found.setdefault(tag, []).append((record.step, f"{value:.5g}"))
        if isinstance(record, EvalRecord):
            for label, figures in (record.labels or {}).items():
                found.setdefault(f"label/{label}/f1", []).append((record.step, f"{number(figures['f1']):.5g}"))
    return found


def rows_of(run: RunDir, name: str, columns: list[str]) -> list[tuple[str, ...]]:
    frame = pd.read_csv(run.csv / f"{name}.csv", keep_default_na=False, dtype=str)
    return [tuple(row) for row in frame[columns].itertuples(index=False)]


def check_csv(run: RunDir, records: list[MetricsRecord]) -> None:
    holding = effective(records)
    steps = [r for r in holding if isinstance(r, StepRecord)]
    assert rows_of(run, "steps", ["step", "attempt", "loss"]) == [
        (str(r.step), str(r.attempt), str(number(r.loss))) for r in steps
    ]
    evals = [r for r in holding if isinstance(r, EvalRecord)]
    assert rows_of(run, "evals", ["step", "attempt", "trigger", *(["f1"] if evals else [])]) == [
        (str(r.step), str(r.attempt), r.trigger, str((r.metrics or {})["f1"])) for r in evals
    ]
    assert rows_of(run, "epochs", ["step", "epoch"]) == [
        (str(r.step), str(float(r.epoch))) for r in holding if isinstance(r, EpochRecord)
    ]
    assert len(rows_of(run, "labels", ["label"])) == sum(len(r.labels or {}) for r in evals)


def check_tensorboard(run: RunDir, records: list[MetricsRecord]) -> None:
    assert tensorboard_of(run) == expected_scalars(records)


SINKS: dict[str, tuple[Opener, Callable[[RunDir, list[MetricsRecord]], None]]] = {
    "csv": (CsvSink, check_csv),
    "tensorboard": (TensorBoardSink, check_tensorboard),
}


# --- tests -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SINKS)
def test_what_holds_is_what_is_read_back(run_dir: RunDir, name: str) -> None:
    opener, check = SINKS[name]
    write(run_dir, STORY)
    feed(run_dir, name, opener)
    check(run_dir, STORY)


@pytest.mark.parametrize("name", SINKS)
@pytest.mark.parametrize("num_at_once", [1, 4])
def test_a_process_for_every_few_records_makes_the_same_files(run_dir: RunDir, name: str, num_at_once: int) -> None:
    opener, check = SINKS[name]
    for start in range(0, len(STORY), num_at_once):
        write(run_dir, STORY[start : start + num_at_once])
        feed(run_dir, name, opener)
    check(run_dir, STORY)


@pytest.mark.parametrize("name", SINKS)
def test_a_sink_killed_between_its_files_and_its_position_doubles_nothing(run_dir: RunDir, name: str) -> None:
    """The position of every earlier moment, beside the files of the last."""
    opener, check = SINKS[name]
    positions: list[bytes] = []
    kept = run_dir.sinks / f"{name}.json"
    for record in STORY:
        write(run_dir, [record])
        feed(run_dir, name, opener)
        positions.append(kept.read_bytes())
    for position in positions:
        kept.write_bytes(position)
        feed(run_dir, name, opener)
        check(run_dir, STORY)


@pytest.mark.parametrize("name", SINKS)
@pytest.mark.parametrize("damage", ["removed", "cut", "position gone", "position unreadable"])
def test_files_that_do_not_fit_the_position_are_made_anew(run_dir: RunDir, name: str, damage: str) -> None:
    opener, check = SINKS[name]
    write(run_dir, STORY)
    feed(run_dir, name, opener)
    files = [path for path in (run_dir.path / name).iterdir() if path.is_file()]
    for path in files:
        if damage == "removed":
            path.unlink()
        elif damage == "cut":
            path.write_bytes(path.read_bytes()[:40])
    kept = run_dir.sinks / f"{name}.json"
    if damage == "position gone":
        kept.unlink()
    elif damage == "position unreadable":
        kept.write_bytes(b"{")
    feed(run_dir, name, opener)
    check(run_dir, STORY)


@pytest.mark.parametrize("name", SINKS)
def test_a_line_written_twice_after_a_torn_write_counts_once(run_dir: RunDir, name: str) -> None:
    opener, check = SINKS[name]
    write(run_dir, [step(1), step(2)])
    with open(run_dir.metrics, "ab") as file:
        file.write(b'{"kind":"step","at":1,')
    write(run_dir, [step(3)])
    feed(run_dir, name, opener)
    write(run_dir, [step(3), step(4)])
    feed(run_dir, name, opener)
    check(run_dir, [step(i) for i in range(1, 5)])


@pytest.mark.parametrize("name", SINKS)
def test_an_evaluation_made_anew_replaces_the_first_and_nothing_else(run_dir: RunDir, name: str) -> None:
    opener, check = SINKS[name]
    story = [
        step(4), step(5), evaluation(5, seq=6, labels=LABELS), evaluation(5, seq=7, trigger="order"), resume(5, 2),
        evaluation(5, 2, seq=1), step(6, 2),
    ]  # fmt: skip
    for record in story:
        write(run_dir, [record])
        feed(run_dir, name, opener)
    check(run_dir, story)


def test_numbers_stand_in_the_csv_as_they_are(run_dir: RunDir) -> None:
    write(run_dir, [step(1, loss=0.1 + 0.2, grad_norm="inf", metrics={"step": 7.0}), step(2, loss="nan")])
    feed(run_dir, "csv", CsvSink)
    steps = pd.read_csv(run_dir.csv / "steps.csv")
    assert steps["step"].tolist() == [1, 2]
    assert steps["loss"][0] == 0.1 + 0.2
    assert steps["loss"].isna().tolist() == [False, True]
    assert steps["grad_norm"][0] == float("inf")
    assert steps["grad_norm"].isna()[1]


def test_a_new_column_comes_last_and_the_rows_before_have_none(run_dir: RunDir) -> None:
    write(run_dir, STORY)
    feed(run_dir, "csv", CsvSink)
    steps = pd.read_csv(run_dir.csv / "steps.csv")
    assert list(steps.columns)[:4] == ["step", "attempt", "at", "loss"]
    assert list(steps.columns)[-1] == "new, name"
    assert steps["new, name"].isna().sum() == 8
    evals = pd.read_csv(run_dir.csv / "evals.csv")
    assert list(evals.columns)[-2:] == ["f1", "beauty"]
    labels = pd.read_csv(run_dir.csv / "labels.csv")
    assert set(labels["label"]) == {'odd, "name"␊of a label', "B"}


def test_every_file_is_there_before_the_first_evaluation(run_dir: RunDir) -> None:
    write(run_dir, [step(1)])
    feed(run_dir, "csv", CsvSink)
    assert pd.read_csv(run_dir.csv / "evals.csv").empty
    assert sorted(path.name for path in run_dir.csv.iterdir()) == [
        "epochs.csv", "evals.csv", "labels.csv", "steps.csv",
    ]  # fmt: skip


def test_a_live_tensorboard_follows_and_forgets_what_a_resume_overtook(run_dir: RunDir) -> None:
    """One reader all along, as TensorBoard is."""
    events = EventAccumulator(str(run_dir.tensorboard), size_guidance={SCALARS: 0})
    for i, record in enumerate(STORY):
        write(run_dir, [record])
        feed(run_dir, "tensorboard", TensorBoardSink)
        events.Reload()
        holding = expected_scalars(STORY[: i + 1]).get("train/loss", [])
        assert points_of(events, "train/loss") == holding


def test_the_sinks_know_no_torch(tmp_path: Path) -> None:
    import subprocess
    import sys

    program = "import sys, traind.sinks.__main__, traind.sinks.csv_sink, traind.sinks.tensorboard_sink"
    done: Any = subprocess.run(
        [sys.executable, "-c", f"{program}; print('torch' in sys.modules, 'tensorflow' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["False", "False"]
