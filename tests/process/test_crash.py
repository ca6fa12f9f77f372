"""Crashes of a real trainer: each is told with its cause, and followed as the policy says."""

import resource
from pathlib import Path

import pytest

from rundir.status import State
from tests.conftest import eventually
from tests.process.tiny_run import Traind, kill_trainer, status_of
from tests.process.trouble import lifecycle, long_run, trouble


@pytest.mark.slow
def test_a_segfault_is_told_with_its_stack_and_the_run_goes_on(traind: Traind, tmp_path: Path) -> None:
    made = trouble(tmp_path, "ctypes.string_at(0)")
    run = long_run(traind, made.config)
    made.make()
    (crashed,) = eventually(lambda: lifecycle(run, "crashed"), 30.0)
    detail = crashed.detail or {}
    assert crashed.message.startswith("killed by SIGSEGV (at ")
    assert detail["signal"] == "SIGSEGV"
    assert "Segmentation fault" in detail["traceback"]
    assert f'File "{made.config.with_suffix(".py")}"' in detail["traceback"]
    assert "in forward" in detail["traceback"]
    eventually(lambda: status_of(run).attempt == 2 and status_of(run).state is State.RUNNING, 60.0)
    assert "SIGSEGV" in traind.ok("status", str(run.path))
    assert "ended at step" in traind.ok("logs", str(run.path))
    traind.ok("kill", str(run.path))


@pytest.mark.slow
def test_a_trainer_that_cannot_be_started_is_a_crash_like_others(traind: Traind, config: Path) -> None:
    """No descriptors are left for its pipes, for a while."""
    run = traind.start(config, "train.epochs=4000", "eval.every=100000", "checkpoint.every=1000")
    supervisor = status_of(run).supervisor
    assert supervisor is not None
    pid = supervisor.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    highest = max(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir())
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 2, before[1]))
    kill_trainer(run)
    eventually(lambda: "could not be started" in "".join(event.message for event in lifecycle(run, "crashed")), 30.0)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    eventually(lambda: status_of(run).state is State.RUNNING, 90.0)
    traind.ok("kill", str(run.path))


@pytest.mark.slow
def test_the_same_exception_at_the_same_step_ends_the_run(traind: Traind, tmp_path: Path) -> None:
    """Not before it has come twice, and however many restarts there were room for."""
    made = trouble(tmp_path, 'raise ValueError(f"bad value {object()}")', once=False)
    run = long_run(traind, made.config, "checkpoint.every=100000")
    made.make()
    done = traind("wait", str(run.path))
    assert done.returncode == 1
    # The first came wherever training was; the second and the third where the task is tried out as it loads.
    assert len(lifecycle(run, "crashed")) == 3
    status = status_of(run)
    assert status.state is State.FAILED
    assert "the same exception while loading twice: ValueError: bad value" in (status.last_error or "")
    assert "in forward" in (status.last_error or "")
    assert 'raise ValueError(f"bad value' in (lifecycle(run, "crashed")[-1].detail or {})["traceback"]
    assert "bad value" in done.stderr


@pytest.mark.slow
@pytest.mark.soak
def test_an_exit_from_within_is_a_crash_with_its_status(traind: Traind, tmp_path: Path) -> None:
    made = trouble(tmp_path, "print('last words', flush=True); os._exit(7)")
    run = long_run(traind, made.config)
    made.make()
    (crashed,) = eventually(lambda: lifecycle(run, "crashed"), 30.0)
    assert (crashed.message, (crashed.detail or {})["exit_status"]) == ("exit status 7", 7)
    assert "last words" in (crashed.detail or {})["console"]
    traind.ok("kill", str(run.path))


@pytest.mark.slow
def test_more_crashes_than_allowed_fail_the_run(traind: Traind, config: Path) -> None:
    """Each later restart waits longer."""
    run = traind.start(config, "train.epochs=400", "policy.max_restarts=2", "eval.every=1000")
    for attempt in (1, 2, 3):
        eventually(lambda n=attempt: status_of(run).attempt == n and status_of(run).trainer is not None, 30.0)
        kill_trainer(run)
    assert traind("wait", str(run.path)).returncode == 1
    assert [event.message for event in lifecycle(run, "restarting")] == ["in 0.5 s", "in 1.0 s"]
    assert status_of(run).last_error == "3 crashes in 600 s, the last: killed by SIGKILL"
    assert status_of(run).oom_kills == 0
