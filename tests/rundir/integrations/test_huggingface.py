"""The Trainer of transformers under its callback: the example, steered while it trains."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rundir.control import Verb
from rundir.integrations.huggingface import RunCallback
from rundir.records import CheckpointEvent, EvalRecord
from rundir.status import State
from tests.conftest import eventually
from tests.rundir.integrations.steered import Steered

STEPS = 100_000


@pytest.mark.slow
def test_the_example_is_steered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--output-dir", str(tmp_path / "out"), "--steps", str(STEPS)]
    trained = Steered("huggingface/tiny_lm.py", tmp_path / "runs", words, monkeypatch)
    assert trained.order(Verb.PAUSE).result == "applied"
    held = eventually(lambda: trained.status.state is State.PAUSED and trained.status.step)
    assert trained.order(Verb.SET, lr=1e-3).step == held
    assert trained.order(Verb.PARK).result == "refused"
    assert trained.status.step == held
    assert trained.order(Verb.RESUME).result == "applied"
    eventually(lambda: trained.status.step > held + 3)
    saved = trained.order(Verb.CHECKPOINT).step
    assert trained.order(Verb.EVAL).result == "applied"
    stopped = trained.order(Verb.STOP).step
    trained.join()

    status = trained.status
    assert (status.state, status.step, status.total_steps) == (State.STOPPED, stopped, STEPS)
    assert all(step.grad_norm is not None and step.loss > 0 for step in trained.steps)
    for step in trained.steps:  # linear to zero, before and after
        peak = 1e-2 if step.step <= held else 1e-3
        assert step.lr == pytest.approx(peak * (1 - (step.step - 1) / STEPS), rel=1e-6)
    checkpoints = {(e.step, e.reason) for e in trained.events if isinstance(e, CheckpointEvent)}
    assert {(saved, "order"), (stopped, "stop")} <= checkpoints
    assert (tmp_path / "out" / f"checkpoint-{stopped}" / "model.safetensors").exists()
    evaluated = [record for record in trained.metrics if isinstance(record, EvalRecord)]
    assert evaluated
    assert all(record.loss > 0 and not record.metrics for record in evaluated)


def test_several_evaluation_sets_make_one_evaluation(tmp_path: Path) -> None:
    callback = RunCallback(tmp_path / "it", name="")
    args: Any = SimpleNamespace(eval_strategy="steps", learning_rate=0.1, to_dict=dict)
    state: Any = SimpleNamespace(is_world_process_zero=True, max_steps=9, global_step=4, epoch=0.5)
    callback.on_train_begin(args, state, None)
    run = callback.run
    assert run is not None
    callback.on_evaluate(args, state, None, {"eval_a_loss": 1.0, "eval_a_f1": 0.5, "eval_a_runtime": 3.0, "epoch": 1})
    callback.on_evaluate(args, state, None, {"eval_b_loss": 2.0})
    callback.on_train_end(args, state, None)
    lines = run.dir.metrics.read_text().splitlines()
    assert len(lines) == 2  # the later one holds
    assert '"loss":1.0' in lines[-1]
    assert '"metrics":{"a_loss":1.0,"a_f1":0.5,"b_loss":2.0}' in lines[-1]
