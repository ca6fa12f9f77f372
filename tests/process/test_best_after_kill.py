"""`checkpoints/best` and patience across a kill: between a best evaluation and its save, and while patience counts."""

import resource
from dataclasses import replace
from pathlib import Path

import pytest

from rundir.layout import RunDir
from rundir.records import EvalRecord, LifecycleEvent
from tests.conftest import eventually
from tests.process.tiny_run import Trace, Traind, events_of, kill_trainer, metrics_of, status_of, trace_of


def evals_of(run: RunDir) -> list[tuple[int, bool]]:
    return [(record.step, record.best) for record in metrics_of(run) if isinstance(record, EvalRecord)]


def best_of(run: RunDir) -> str:
    return (run.checkpoints / "best").readlink().name


def no_large_files() -> None:
    """For the process that calls it and its children: logs find room, no checkpoint does."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, resource.RLIM_INFINITY))


@pytest.mark.slow
def test_a_kill_between_a_best_evaluation_and_its_save(traind: Traind, config: Path, undisturbed: Trace) -> None:
    """Every save fails for want of room, at the end too, where the trainer waits for some: the moment lasts."""
    run = replace(traind, process={"preexec_fn": no_large_files}).start(config)
    supervisor = status_of(run).supervisor
    assert supervisor is not None
    best = eventually(lambda: [step for step, is_best in evals_of(run) if is_best], 60.0)[-1]
    eventually(lambda: failed_at(run, best), 30.0)
    assert not (run.checkpoints / "best").exists()
    resource.prlimit(supervisor.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert kill_trainer(run)
    traind.finish(run)
    assert trace_of(run) == undisturbed
    assert best_of(run) == f"step-{best:08d}"
    assert (run.checkpoints / "best" / "model.safetensors").is_file()


def failed_at(run: RunDir, step: int) -> bool:
    failed = [e for e in events_of(run) if isinstance(e, LifecycleEvent) and e.what == "checkpoint_failed"]
    return any((event.step or 0) >= step for event in failed)


@pytest.mark.slow
def test_patience_goes_on_counting_after_a_kill(traind: Traind, config: Path, tmp_path: Path) -> None:
    """Hardly learning: no evaluation is better than the first, and the sixth ends the run, killed or not."""
    settings = ("train.lr=1e-12", "eval.patience=5", "eval.every=4", "checkpoint.every=3", "train.warmup_ratio=0.0")
    run = traind.start(config, *settings)
    eventually(lambda: len(evals_of(run)) >= 3, 60.0)
    assert kill_trainer(run)
    traind.finish(run)
    assert evals_of(run) == [(4, True), *((step, False) for step in (8, 12, 16, 20, 24))]
    assert status_of(run).attempt == 2
    assert best_of(run) == "step-00000004"
    assert (run.checkpoints / "best" / "model.safetensors").is_file()
