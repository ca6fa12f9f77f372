"""Sinks beside a real run: what they hold at its end is what holds, whatever was killed; and training never waits."""

import signal
import subprocess
import sys
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

from rundir.layout import RunDir
from rundir.records import EpochRecord, EvalRecord, LifecycleEvent, StepRecord, number
from rundir.status import State
from tests.conftest import eventually
from tests.process.tiny_run import Traind, disturbed_once, events_of, metrics_of, status_of
from tests.process.wandb_files import wandb_rows
from traind.scalars import scalars
from traind.sink_process import DRAIN_S
from traind.sinks.catalog import SinkName

LONGER, ENDLESS = "train.epochs=12", "train.epochs=400"
CSV, TENSORBOARD, WANDB = "log.csv=true", "log.tensorboard=true", "log.wandb=offline"


def sink_process(run: RunDir, name: str) -> psutil.Process | None:
    heart = status_of(run).supervisor
    assert heart is not None
    for process in psutil.Process(heart.process.pid).children():
        with suppress(psutil.ZombieProcess, psutil.NoSuchProcess):  # it was just killed
            match process.cmdline():
                case [*_, "traind.sinks", path, of] if of == name and Path(path).name == run.id:
                    return process
    return None


def failures_of(run: RunDir) -> list[dict[str, Any]]:
    found = [e for e in events_of(run) if isinstance(e, LifecycleEvent) and e.what == "sink_failed"]
    return [event.detail or {} for event in found]


def check_csv(run: RunDir) -> None:
    records = metrics_of(run)
    steps = pd.read_csv(run.csv / "steps.csv")
    expected = [r for r in records if isinstance(r, StepRecord)]
    assert steps["step"].tolist() == [r.step for r in expected]
    assert steps["attempt"].tolist() == [r.attempt for r in expected]
    for name in ("loss", "grad_norm", "lr"):
        assert steps[name].tolist() == [getattr(r, name) for r in expected]
    evals = pd.read_csv(run.csv / "evals.csv")
    judged = [r for r in records if isinstance(r, EvalRecord)]
    assert list(zip(evals["step"], evals["trigger"], evals["f1"], evals["best"], strict=True)) == [
        (r.step, r.trigger, (r.metrics or {})["f1"], r.best) for r in judged
    ]
    assert len(pd.read_csv(run.csv / "labels.csv")) == sum(len(r.labels or {}) for r in judged)
    epochs = pd.read_csv(run.csv / "epochs.csv")
    assert epochs["loss"].tolist() == [r.loss for r in records if isinstance(r, EpochRecord)]


def check_tensorboard(run: RunDir) -> None:
    events = EventAccumulator(str(run.tensorboard), size_guidance={SCALARS: 0})
    events.Reload()
    expected: dict[str, list[tuple[int, float]]] = {}
    for record in metrics_of(run):
        for tag, value in scalars(record).items():
            expected.setdefault(tag, []).append((record.step, value))
    assert expected
    for tag, points in expected.items():
        found = events.Scalars(tag)
        assert [event.step for event in found] == [step for step, _ in points], tag
        assert [event.value for event in found] == pytest.approx([value for _, value in points], rel=1e-6), tag


def check_wandb(run: RunDir) -> None:
    """W&B takes nothing back: the last row of each step is the one that holds."""
    rows = wandb_rows(run.wandb)
    last = {row["step"]: row["train/loss"] for row in rows if "train/loss" in row}
    assert last == {r.step: number(r.loss) for r in metrics_of(run) if isinstance(r, StepRecord)}
    f1 = {row["step"]: row["eval/f1"] for row in rows if "eval/f1" in row}
    assert f1 == {r.step: (r.metrics or {})["f1"] for r in metrics_of(run) if isinstance(r, EvalRecord)}


@pytest.mark.slow
@pytest.mark.soak
def test_sinks_hold_what_holds_after_kills_of_trainer_and_sinks(traind: Traind, config: Path) -> None:
    run = traind.start(config, CSV, TENSORBOARD, WANDB, ENDLESS)
    killed = {name: eventually(lambda name=name: sink_process(run, name)) for name in SinkName}
    disturbed_once(run)
    for name, process in killed.items():
        process.kill()
        eventually(lambda name=name, old=process: (new := sink_process(run, name)) and new.pid != old.pid)
    step = status_of(run).step
    eventually(lambda: status_of(run).step > step + 5, 30.0)
    traind.ok("stop")
    eventually(lambda: status_of(run).state.has_ended, 30.0)
    check_csv(run)
    check_tensorboard(run)
    check_wandb(run)
    assert failures_of(run) == []


@pytest.mark.slow
def test_sinks_go_on_under_the_next_supervisor(traind: Traind, config: Path) -> None:
    run = traind.start(config, CSV, TENSORBOARD, WANDB, LONGER)
    eventually(lambda: status_of(run).checkpoint, 60.0)
    traind.ok("stop")
    traind.ok("resume")
    traind.finish(run)
    check_csv(run)
    check_tensorboard(run)
    check_wandb(run)
    assert failures_of(run) == []


@pytest.mark.slow
def test_a_sink_blocked_for_ever_delays_no_step(traind: Traind, config: Path) -> None:
    """Stopped in the middle of the run: all steps come, and only the end waits, as long as a sink may take to close."""
    run = traind.start(config, CSV, LONGER)
    eventually(lambda: sink_process(run, "csv")).send_signal(signal.SIGSTOP)
    traind.finish(run)
    assert status_of(run).state is State.DONE
    (failure,) = failures_of(run)
    assert failure["sink"] == "csv"
    assert "did not finish" in failure["reason"]
    steps = [record for record in metrics_of(run) if isinstance(record, StepRecord)]
    assert [record.step for record in steps] == list(range(1, (status_of(run).total_steps or 0) + 1))
    gaps_s = [b.at - a.at for a, b in pairwise(steps)]
    assert max(gaps_s) < DRAIN_S / 2  # had a step waited for the sink, it would have waited until that was killed


@pytest.mark.slow
def test_a_sink_that_fails_is_one_event_and_nothing_more(traind: Traind, config: Path, tmp_path: Path) -> None:
    run = traind.start(config, CSV, TENSORBOARD, ENDLESS)
    tensorboard = eventually(lambda: sink_process(run, "tensorboard"))
    (event_file,) = eventually(lambda: list(run.tensorboard.glob("events.*")))
    event_file.unlink()
    event_file.mkdir()  # nothing that room on the disk would mend
    tensorboard.kill()
    (failure,) = eventually(lambda: failures_of(run), 30.0)
    assert failure["sink"] == "tensorboard"
    assert "IsADirectoryError" in failure["reason"]
    step = status_of(run).step
    eventually(lambda: status_of(run).step > step + 5, 30.0)
    traind.ok("stop")
    eventually(lambda: status_of(run).state.has_ended, 30.0)
    check_csv(run)
    assert len(failures_of(run)) == 1


def test_a_sink_whose_package_is_missing_is_refused_at_start(traind: Traind, config: Path, tmp_path: Path) -> None:
    hide = "import sys; sys.modules['wandb'] = None; from traind.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", hide, "start", str(config), "--set", WANDB],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "log.wandb" in done.stderr
    assert "pip install 'trainwatch[sinks]'" in done.stderr
    assert not (tmp_path / "runs").exists()
