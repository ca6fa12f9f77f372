"""A trainer that lives and makes no progress: stacks, an event, an alert, and a restart where one is asked for."""

import os
import signal
from pathlib import Path

import pytest

from rundir.records import AlertEvent
from rundir.status import State
from tests.conftest import eventually
from tests.process.tiny_run import Traind, events_of, status_of
from tests.process.trouble import alerts, lifecycle, long_run, trouble

NEVER = ("eval.every=100000", "checkpoint.every=100000")


@pytest.mark.slow
def test_a_stopped_trainer_is_a_stall_until_it_goes_on(traind: Traind, config: Path) -> None:
    run = traind.start(config, "train.epochs=4000", *NEVER, "policy.stall_s=2")
    trainer = status_of(run).trainer
    assert trainer is not None
    os.kill(trainer.process.pid, signal.SIGSTOP)
    (stalled,) = eventually(lambda: lifecycle(run, "stalled"), 20.0)
    assert stalled.message.startswith("no progress in train for ")
    assert status_of(run).state is State.RUNNING
    (raised,) = (event for event in events_of(run) if isinstance(event, AlertEvent) and event.rule == "stall")
    assert raised.severity == "critical"
    os.kill(trainer.process.pid, signal.SIGCONT)
    eventually(lambda: lifecycle(run, "stall_over"), 20.0)
    # The request for stacks waited with it, and did not end it.
    eventually(lambda: "most recent call first" in run.console.read_text(encoding="utf-8"))
    assert alerts(run, "stall") == ["raised", "cleared"]
    traind.ok("pause", str(run.path))
    eventually(lambda: status_of(run).state is State.PAUSED)
    os.kill(trainer.process.pid, signal.SIGSTOP)
    beat_at = status_of(run).updated_at
    eventually(lambda: status_of(run).updated_at > beat_at + 5.0, 20.0)
    assert len(lifecycle(run, "stalled")) == 1
    os.kill(trainer.process.pid, signal.SIGCONT)
    assert status_of(run).attempt == 1
    traind.ok("kill", str(run.path))


@pytest.mark.slow
def test_a_trainer_that_hangs_is_started_again_where_that_is_asked_for(traind: Traind, tmp_path: Path) -> None:
    """In C with the interpreter's lock held, where neither a handler nor a thread written in Python would run."""
    made = trouble(tmp_path, "while True: ctypes.PyDLL(None).pause()")
    run = long_run(traind, made.config, "policy.stall_s=2", "policy.on_stall=restart")
    made.make()
    (stalled,) = eventually(lambda: lifecycle(run, "stalled"), 20.0)
    stacks = (stalled.detail or {})["stacks"]
    assert f'File "{made.config.with_suffix(".py")}"' in stacks
    assert "in forward" in stacks
    eventually(lambda: status_of(run).attempt == 2 and status_of(run).state is State.RUNNING, 60.0)
    (crashed,) = lifecycle(run, "crashed")
    assert crashed.message.startswith("no progress in train for ")
    assert alerts(run, "stall") == ["raised", "cleared"]
    traind.ok("kill", str(run.path))


@pytest.mark.slow
@pytest.mark.soak
def test_a_trainer_that_hangs_is_left_alone_by_default(traind: Traind, tmp_path: Path) -> None:
    made = trouble(tmp_path, "time.sleep(1000)")
    run = long_run(traind, made.config, "policy.stall_s=1", "policy.grace_s=2")
    made.make()
    eventually(lambda: lifecycle(run, "stalled"), 20.0)
    beat_at = status_of(run).updated_at
    eventually(lambda: status_of(run).updated_at > beat_at + 3.0, 20.0)
    assert (status_of(run).attempt, len(lifecycle(run, "stalled"))) == (1, 1)
    # It reaches no safe point any more: the stop ends it after grace_s.
    assert traind("stop", str(run.path)).returncode in (0, 4)
    eventually(lambda: status_of(run).state is State.STOPPED, 20.0)
