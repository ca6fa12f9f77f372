"""Lightning's Trainer under its callback: the example, steered while it trains. Skipped where it is not installed."""

from pathlib import Path

import pytest

from rundir.control import Verb
from rundir.records import CheckpointEvent, EvalRecord
from rundir.status import State
from tests.conftest import eventually
from tests.rundir.integrations.steered import Steered

pytest.importorskip("lightning", reason="lightning is not installed")

STEPS = 100_000


# Lightning itself warns: of few loader workers, of what it calls in torch.
@pytest.mark.filterwarnings("ignore")
def test_the_example_is_steered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = Steered("lightning/line.py", tmp_path / "runs", ["--steps", str(STEPS)], monkeypatch)
    assert trained.order(Verb.PAUSE).result == "applied"
    held = eventually(lambda: trained.status.state is State.PAUSED and trained.status.step)
    assert trained.order(Verb.SET, lr=1e-3).step == held
    assert trained.order(Verb.EVAL).result == "refused"
    assert trained.status.step == held
    assert trained.order(Verb.RESUME).result == "applied"
    eventually(lambda: trained.status.step > held + 3)
    saved = trained.order(Verb.CHECKPOINT).step
    stopped = trained.order(Verb.STOP).step
    trained.join()

    status = trained.status
    assert (status.state, status.step, status.total_steps) == (State.STOPPED, stopped, STEPS)
    for step in trained.steps:  # linear to zero, before and after
        peak = 1e-2 if step.step <= held else 1e-3
        assert step.lr == pytest.approx(peak * (1 - (step.step - 1) / STEPS), rel=1e-6)
        assert step.metrics is not None
        assert "slope" in step.metrics
    checkpoints = [e for e in trained.events if isinstance(e, CheckpointEvent)]
    assert [(e.step, e.reason) for e in checkpoints] == [(saved, "order"), (stopped, "stop")]
    assert all((trained.run.path / e.path).is_file() for e in checkpoints)
    evaluated = [record for record in trained.metrics if isinstance(record, EvalRecord)]
    assert evaluated
    assert all(set(record.metrics or {}) == {"rmse"} for record in evaluated)
