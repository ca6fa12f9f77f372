"""Poisoned data, spikes, a ruinous learning rate and want of memory in the real daemon: what it does and says."""

import math
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from rundir.layout import RunDir, checkpoint_step
from rundir.records import EvalRecord, LifecycleEvent, OutcomeEvent, ResumeEvent, StepRecord, number
from rundir.status import Intent, State
from tests.conftest import eventually
from tests.process.faulty_task import write_faulty
from tests.process.tiny_run import Traind, disturbed_once, events_of, metrics_of, status_of, trace_of

pytestmark = pytest.mark.slow

STEPS = 80
POISONED = "task.options.nan=[17]"


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    return write_faulty(tmp_path)


def said(run: RunDir, what: str) -> list[dict[str, Any]]:
    return [e.detail or {} for e in events_of(run) if isinstance(e, LifecycleEvent) and e.what == what]


def rollbacks(run: RunDir) -> list[dict[str, Any]]:
    return [dict(e.args or {}) for e in events_of(run) if isinstance(e, OutcomeEvent) and e.verb == "rollback"]


def steps_of(run: RunDir) -> list[StepRecord]:
    return [record for record in metrics_of(run) if isinstance(record, StepRecord)]


def is_past(run: RunDir, rollback: dict[str, Any]) -> bool:
    """Whether the run has trained well beyond where it went back from."""
    return status_of(run).step > rollback["from_step"] + 20


def is_all_finite(run: RunDir) -> bool:
    weights = load_file(max(run.checkpoints.glob("step-*")) / "model.safetensors")
    return all(bool(tensor.isfinite().all()) for tensor in weights.values())


@pytest.mark.parametrize("fault", [POISONED, pytest.param("task.options.inf_gradient=[17]", marks=pytest.mark.soak)])
def test_skipped_updates_poison_nothing_and_are_told(traind: Traind, faulty: Path, fault: str) -> None:
    run = traind.start(faulty, fault)
    traind.finish(run)
    steps = steps_of(run)
    assert [record.step for record in steps] == list(range(1, STEPS + 1))
    bad = [r.step for r in steps if not (math.isfinite(number(r.loss)) and math.isfinite(number(r.grad_norm)))]
    assert len(bad) == 4  # once an epoch
    assert [r.step for r in steps if (r.metrics or {}).get("skipped_updates")] == bad
    assert [detail["from_step"] for detail in said(run, "updates_skipped")] == bad
    assert is_all_finite(run)
    assert all(math.isfinite(number(r.loss)) for r in metrics_of(run) if isinstance(r, EvalRecord))
    assert status_of(run).state is State.DONE


def test_a_kill_changes_nothing_of_it(traind: Traind, faulty: Path) -> None:
    """The guard's memory is in the checkpoint."""
    settings = (POISONED, "policy.on_spike=skip", "train.epochs=12", "task.options.outlier=[3]")
    undisturbed = traind.start(faulty, *settings)
    traind.finish(undisturbed)
    assert any(detail["cause"] == "spike" for detail in said(undisturbed, "updates_skipped"))
    killed = traind.start(faulty, *settings)
    disturbed_once(killed)
    traind.finish(killed)
    assert trace_of(killed) == trace_of(undisturbed)


def test_stop_fails_the_run_with_its_reason_and_a_checkpoint(traind: Traind, faulty: Path) -> None:
    run = traind.start(faulty, POISONED, "policy.on_nonfinite=stop")
    assert traind("wait", str(run.path)).returncode == 1
    status = status_of(run)
    assert status.state is State.FAILED
    assert "not finite" in (status.last_error or "")
    (detail,) = said(run, "updates_skipped")
    assert max(run.checkpoints.glob("step-*")).name == f"step-{detail['to_step']:08d}"
    assert is_all_finite(run)


@pytest.mark.soak
def test_pause_holds_until_somebody_resumes(traind: Traind, faulty: Path) -> None:
    run = traind.start(faulty, POISONED, "policy.on_nonfinite=pause")
    for _ in range(4):
        eventually(lambda: status_of(run).state is State.PAUSED, 30.0)
        step = status_of(run).step
        traind.ok("resume", str(run.path))
        eventually(lambda step=step: status_of(run).step > step or status_of(run).state.has_ended, 30.0)
    traind.finish(run)
    assert len(said(run, "updates_skipped")) == 4


def test_rollback_lowers_the_rate_and_leaves_the_batches_out(traind: Traind, faulty: Path) -> None:
    run = traind.start(
        faulty, POISONED, "policy.on_nonfinite=rollback", "policy.max_rollbacks=4", "train.schedule=constant"
    )
    traind.finish(run)
    back = rollbacks(run)
    assert len(back) == 4
    assert [detail["lr"] for detail in back] == [1e-2 * 0.5**n for n in range(1, 5)]
    assert all(detail["step"] < detail["skip_from"] == detail["skip_to"] for detail in back)
    resumes = [event for event in events_of(run) if isinstance(event, ResumeEvent)]
    assert [(event.step, event.reason) for event in resumes] == [(detail["step"], "rollback") for detail in back]
    left_out = {detail["skip_from"] for detail in back}
    steps = steps_of(run)
    assert [record.step for record in steps] == [step for step in range(1, STEPS + 1) if step not in left_out]
    assert all(math.isfinite(number(record.loss)) for record in steps)
    assert status_of(run).state is State.DONE
    superseded = [path.name for path in run.superseded.rglob("step-*")]
    assert all(name.startswith("step-") for name in superseded)


@pytest.mark.soak
def test_a_run_that_no_rollback_helps_is_held(traind: Traind, faulty: Path) -> None:
    run = traind.start(faulty, POISONED, "policy.on_nonfinite=rollback", "policy.max_rollbacks=1")
    eventually(lambda: status_of(run).state is State.PAUSED, 60.0)
    assert status_of(run).intent is Intent.PAUSED
    assert len(rollbacks(run)) == 1
    held = [event for event in events_of(run) if isinstance(event, LifecycleEvent) and event.what == "held"]
    assert len(held) == 1
    traind.ok("stop", str(run.path))


def test_a_ruinous_rate_is_rolled_back_by_itself(traind: Traind, faulty: Path) -> None:
    """The weights explode by one update, and the loss behind it may stay finite for long: a spike. Nobody is there."""
    settings = ("train.epochs=400", "train.schedule=constant", "policy.on_spike=rollback", "policy.max_rollbacks=9")
    run = traind.start(faulty, *settings, "task.options.norm=false")
    eventually(lambda: status_of(run).step > 100, 30.0)  # enough is known of what is no spike
    traind.ok("set", str(run.path), "lr=900000")
    eventually(lambda: rollbacks(run), 60.0)
    eventually(lambda: status_of(run).state is State.RUNNING and is_past(run, rollbacks(run)[-1]), 60.0)
    assert rollbacks(run)[-1]["lr"] < 1e-2
    assert math.isfinite(number(steps_of(run)[-1].loss))
    traind.ok("stop", str(run.path))
    assert is_all_finite(run)


@pytest.mark.soak
def test_a_spike_may_be_rolled_back(traind: Traind, faulty: Path) -> None:
    run = traind.start(
        faulty, "task.options.outlier=[3]", "policy.on_spike=rollback", "train.epochs=5", "policy.max_rollbacks=9"
    )
    traind.finish(run)
    back = rollbacks(run)
    assert back
    assert all(detail["cause"] == "spike" for detail in back)


@pytest.mark.parametrize("room", ["room_train", pytest.param("room_backward", marks=pytest.mark.soak)])
def test_a_step_that_finds_no_memory_goes_on_in_smaller_pieces(traind: Traind, faulty: Path, room: str) -> None:
    plain = ("task.options.norm=false",)
    undisturbed = traind.start(faulty, *plain)
    traind.finish(undisturbed)
    run = traind.start(faulty, *plain, f"task.options.{room}=1")
    traind.finish(run)
    assert [(d["where"], d["before"], d["after"]) for d in said(run, "out_of_memory")] == [
        ("train", 4, 2),
        ("train", 2, 1),
    ]
    assert status_of(run).attempt == 1
    pairs = list(zip(steps_of(run), steps_of(undisturbed), strict=True))
    assert all(ours.step == theirs.step for ours, theirs in pairs)
    assert all(number(ours.loss) == pytest.approx(number(theirs.loss), rel=1e-3) for ours, theirs in pairs)


@pytest.mark.soak
def test_an_evaluation_without_memory_shrinks_alone(traind: Traind, faulty: Path) -> None:
    run = traind.start(faulty, "task.options.room_eval=5")
    traind.finish(run)
    assert {d["where"] for d in said(run, "out_of_memory")} == {"eval"}
    assert status_of(run).attempt == 1


def test_an_ordered_rollback_is_the_run_that_was(traind: Traind, faulty: Path) -> None:
    """Without a factor: the same numbers again, whatever was set in between, with a kill on the way."""
    settings = ("train.epochs=60", "checkpoint.every=20", "eval.every=50")
    undisturbed = traind.start(faulty, *settings)
    traind.finish(undisturbed)
    run = traind.start(faulty, *settings)
    eventually(lambda: status_of(run).step > 60, 30.0)
    traind.ok("pause", str(run.path))
    step = status_of(run).step
    traind.ok("set", str(run.path), "lr=0.5")
    *_, before, newest = sorted(run.checkpoints.glob("step-*"))
    target = checkpoint_step(before)
    traind.ok("rollback", str(run.path), "--step", f"{target}")
    assert eventually(lambda: status_of(run).state is State.PAUSED and status_of(run).step == target, 30.0)
    assert rollbacks(run) == [{"step": target, "from_step": step}]
    assert [path.name for path in run.superseded.rglob("step-*")] == [newest.name]
    traind.ok("resume", str(run.path))
    disturbed_once(run)
    traind.finish(run)
    assert trace_of(run) == trace_of(undisturbed)


def test_a_parked_and_a_finished_run_can_be_rolled_back(traind: Traind, faulty: Path) -> None:
    run = traind.start(faulty, "checkpoint.every=10", "train.schedule=constant")
    traind.finish(run)
    assert "step=70 lr=0.005" in traind.ok("rollback", str(run.path), "--step", "70", "--lr-factor", "0.5")
    traind.ok("resume", str(run.path))
    traind.finish(run)
    status = status_of(run)
    assert (status.state, status.step) == (State.DONE, STEPS)
    rates = {record.step: record.lr for record in steps_of(run)}
    assert (rates[70], rates[71], rates[STEPS]) == (1e-2, 5e-3, 5e-3)
    refused = traind("rollback", str(run.path), "--step", "3")
    assert refused.returncode == 3
    assert "no whole checkpoint of step 3; there are: 80" in refused.stderr
    assert traind("rollback", str(run.path), "--lr-factor", "-1").returncode == 2
