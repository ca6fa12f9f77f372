"""A task of the user's own in the real daemon: killed and resumed, broken, and the example to its end."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

from rundir import layout
from rundir.layout import RunDir
from rundir.records import EvalRecord, LifecycleEvent
from rundir.status import State
from tests.process.test_start import assert_refused
from tests.process.tiny_run import Traind, disturbed_once, events_of, metrics_of, status_of, trace_of
from tests.traind.tasks.custom_task import write_module
from traind.custom import load_weights

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits" / "digits.toml"
SETTINGS = ("task.options.num_train=300", "data.num_workers=1")


@pytest.mark.soak
@pytest.mark.slow
def test_a_killed_custom_run_comes_back_with_the_same_numbers(traind: Traind, tmp_path: Path) -> None:
    """With batch norm, dropout and tied weights, whose state a resume could lose."""
    config = write_module(tmp_path)
    undisturbed = traind.start(config, *SETTINGS)
    traind.finish(undisturbed)
    killed = traind.start(config, *SETTINGS)
    disturbed_once(killed)
    traind.finish(killed)
    assert status_of(killed).attempt > 1
    assert trace_of(killed) == trace_of(undisturbed)
    assert (killed.checkpoints / "best" / "config.toml").read_bytes() == killed.config_toml.read_bytes()


@pytest.mark.slow
def test_a_parked_custom_run_resumes_from_any_folder(traind: Traind, tmp_path: Path) -> None:
    run = traind.start(write_module(tmp_path), "task.options.num_train=600", "train.epochs=400")
    traind.ok("stop", str(run.path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Traind(elsewhere).ok("resume", str(run.path))
    assert status_of(run).attempt == 2
    traind.ok("kill", str(run.path))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("def make(", "def build("), "no function make"),
        (('reduction="none"', 'reduction="mean"'), 'reduction="none"'),
    ],
)
def test_a_mistake_in_the_factory_leaves_nothing(
    traind: Traind, tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    done = traind("start", str(write_module(tmp_path, change)))
    assert_refused(done, "task.factory", tmp_path)
    assert words in done.stderr


@pytest.mark.slow
def test_an_error_in_the_users_code_is_in_the_console_as_it_is(traind: Traind, tmp_path: Path) -> None:
    config = write_module(tmp_path, ("self.model = Net()", "self.model = Net(1 / 0)"))
    done = traind("start", str(config))
    assert done.returncode == 1, done.stderr
    assert "ZeroDivisionError" in done.stderr
    run = RunDir(layout.find_runs(tmp_path / "runs")[0].path)
    assert status_of(run).state is State.FAILED
    console = run.console.read_text(encoding="utf-8")
    assert f'File "{config.with_suffix(".py")}"' in console
    assert "self.model = Net(1 / 0)" in console


@pytest.mark.slow
def test_the_digits_example_learns(traind: Traind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Well above its baseline; and the weights come back in a program that knows nothing of the run."""
    pytest.importorskip("sklearn")
    run = traind.start(EXAMPLE, "train.threads=1")
    traind.finish(run)
    baseline = next(e.detail for e in events_of(run) if isinstance(e, LifecycleEvent) and e.what == "baseline")
    best = max(r.metrics["accuracy"] for r in metrics_of(run) if isinstance(r, EvalRecord) and r.metrics)
    assert baseline is not None
    assert baseline["accuracy"] < 0.15
    assert best > 0.97
    monkeypatch.syspath_prepend(EXAMPLE.parent)
    digits: Any = importlib.import_module("digits")
    made = digits.make({"width": 16, "dropout": 0.2, "eval_fraction": 0.2}, 42)
    load_weights(made.model, run.checkpoints / "best")
    made.model.train(mode=False)
    batch = made.collate(made.eval_data)
    with torch.inference_mode():
        assert made.metrics(made.model(batch["images"]), batch["targets"])["accuracy"] == best
