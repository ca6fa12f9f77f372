"""Signals to supervisor and trainer: checkpoint, say why, leave; twice: now. And SIGKILL, which nobody can answer."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rundir import layout, process
from rundir.layout import RunDir
from rundir.process import ProcessId
from rundir.records import OutcomeEvent, ResumeEvent
from rundir.status import Intent, Phase, State
from tests.conftest import eventually
from tests.process.seen import session_of, trainers_of
from tests.process.tiny_run import Traind, events_of, kill_supervisor, status_of
from tests.process.trouble import LONG as LONG_CUSTOM
from tests.process.trouble import lifecycle, long_run, trouble

LONG = ("train.epochs=4000", "eval.every=100000", "checkpoint.every=100000")

OTHERS = [pytest.param(signum, marks=pytest.mark.soak) for signum in (signal.SIGINT, signal.SIGUSR1)]
"""They go the same way; SIGTERM stands for them in `make check`."""


def pid_of(run: RunDir, who: str) -> int:
    heart = status_of(run).supervisor if who == "supervisor" else status_of(run).trainer
    assert heart is not None
    return heart.process.pid


def assert_left(run: RunDir, signum: signal.Signals, who: str, pid: int) -> None:
    """Stopped, by a signal that the status and the event name, with its intent as it was, and nothing left running."""
    eventually(lambda: status_of(run).state.has_ended, 40.0)
    status = status_of(run)
    assert status.state is State.STOPPED
    assert status.intent is not Intent.STOPPED
    assert status.signal == signum.name
    assert (status.last_error or "").startswith(f"{signum.name} to the {who} (process {pid})")
    assert [event.message for event in lifecycle(run, "stopped")] == [status.last_error]
    assert status.attempt == 1
    eventually(lambda: not trainers_of(run))


@pytest.mark.slow
@pytest.mark.parametrize("who", ["supervisor", "trainer"])
@pytest.mark.parametrize("signum", [signal.SIGTERM, *OTHERS])
def test_told_to_leave_it_checkpoints_and_says_why(
    traind: Traind, config: Path, who: str, signum: signal.Signals
) -> None:
    run = traind.start(config, *LONG)
    pid = pid_of(run, who)
    os.kill(pid, signal.SIGHUP)
    os.kill(pid, signum)
    assert_left(run, signum, who, pid)
    assert status_of(run).checkpoint == f"checkpoints/step-{status_of(run).step:08d}"


@pytest.mark.slow
@pytest.mark.parametrize("who", ["supervisor", "trainer"])
@pytest.mark.parametrize("phase", ["loading", "eval", pytest.param("paused", marks=pytest.mark.soak)])
def test_told_to_leave_in_any_phase(traind: Traind, config: Path, who: str, phase: str) -> None:
    settings = ("eval.every=1", "eval.batch_size=1", "train.epochs=4000", "checkpoint.every=100000")
    if phase == "loading":
        begun = start_in_background(traind, config, *settings)
        run = eventually(lambda: next(iter(layout.find_runs(traind.directory / "runs")), None), 30.0)
        eventually(lambda: run.status_json.exists() and status_of(run).trainer is not None, 30.0)
    else:
        begun = None
        run = traind.start(config, *settings)
    if phase == "paused":
        traind.ok("pause")
        eventually(lambda: status_of(run).state is State.PAUSED)
    elif phase == "eval":
        eventually(lambda: status_of(run).phase is Phase.EVAL, 20.0)
    pid = pid_of(run, who)
    os.kill(pid, signal.SIGTERM)
    assert_left(run, signal.SIGTERM, who, pid)
    if begun is None:
        assert status_of(run).checkpoint == f"checkpoints/step-{status_of(run).step:08d}"
    else:
        begun.communicate(timeout=30.0)


def start_in_background(
    traind: Traind, config: Path, *settings: str, more: tuple[str, ...] = ()
) -> "subprocess.Popen[str]":
    overrides = [word for setting in settings for word in ("--set", setting)]
    return subprocess.Popen(
        [sys.executable, "-m", "traind.cli", "start", str(config), *more, *overrides],
        cwd=traind.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, *OTHERS])
def test_a_foreground_supervisor_leaves_with_the_code_of_a_stop(
    traind: Traind, config: Path, signum: signal.Signals
) -> None:
    begun = start_in_background(traind, config, *LONG, more=("--foreground",))
    assert begun.stdout is not None
    run = RunDir(traind.directory / begun.stdout.readline().strip())
    eventually(lambda: status_of(run).step > 0, 60.0)
    begun.send_signal(signal.SIGHUP)
    begun.send_signal(signum)
    assert begun.wait(40.0) == 5
    begun.stdout.close()
    assert_left(run, signum, "supervisor", begun.pid)
    assert status_of(run).checkpoint == f"checkpoints/step-{status_of(run).step:08d}"


@pytest.mark.slow
def test_both_told_at_once_lose_no_checkpoint(traind: Traind, config: Path) -> None:
    """As systemd does it; the supervisor then sends it on, and the trainer has it twice."""
    run = traind.start(config, *LONG)
    pids = [pid_of(run, who) for who in ("trainer", "supervisor")]
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    assert_left(run, signal.SIGTERM, "supervisor", pids[1])
    assert status_of(run).checkpoint == f"checkpoints/step-{status_of(run).step:08d}"


@pytest.mark.slow
def test_a_parked_run_stays_parked_when_its_supervisor_is_told_to_leave(traind: Traind, config: Path) -> None:
    run = traind.start(config, *LONG)
    traind.ok("park", str(run.path))
    heart = status_of(run).supervisor
    assert heart is not None
    os.kill(heart.process.pid, signal.SIGTERM)
    eventually(lambda: not process.is_alive(heart.process))
    status = status_of(run)
    assert (status.state, status.intent, status.signal) == (State.PARKED, Intent.PARKED, None)
    assert [event.message.split()[0] for event in lifecycle(run, "unattended")] == ["SIGTERM"]
    assert "unattended" in traind.ok("status", str(run.path))
    traind.ok("resume", str(run.path))
    traind.ok("kill", str(run.path))


@pytest.mark.slow
@pytest.mark.parametrize("who", ["supervisor", "trainer"])
def test_told_twice_it_leaves_at_once(traind: Traind, tmp_path: Path, who: str) -> None:
    """In a step that never ends, so that no safe point comes, with a minute of grace to go."""
    made = trouble(tmp_path, "sys.stderr.write('hanging\\n'); time.sleep(1000)")
    run = long_run(traind, made.config, "policy.grace_s=60")
    made.make()
    eventually(lambda: "hanging" in run.console.read_text(encoding="utf-8"), 20.0)
    pid = pid_of(run, who)
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: status_of(run).state is State.STOPPING or status_of(run).signal is not None)
    told_at = time.monotonic()
    while not status_of(run).state.has_ended and time.monotonic() < told_at + 20.0:
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.5)  # each counts as another only so long after the first
    assert_left(run, signal.SIGTERM, who, pid)
    assert time.monotonic() < told_at + 25.0


@pytest.mark.slow
@pytest.mark.parametrize("who", ["supervisor", "trainer"])
def test_one_that_cannot_leave_is_ended_after_its_grace(traind: Traind, tmp_path: Path, who: str) -> None:
    made = trouble(tmp_path, "sys.stderr.write('hanging\\n'); time.sleep(1000)")
    run = long_run(traind, made.config, "policy.grace_s=2")
    made.make()
    eventually(lambda: "hanging" in run.console.read_text(encoding="utf-8"), 20.0)
    pid = pid_of(run, who)
    os.kill(pid, signal.SIGTERM)
    assert_left(run, signal.SIGTERM, who, pid)
    assert (status_of(run).last_error or "").endswith(": did not leave within 2 s")


# --- SIGKILL of the supervisor -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_orphan_that_hangs_is_gone_after_its_grace_though_nobody_resumes(traind: Traind, tmp_path: Path) -> None:
    made = trouble(tmp_path, "sys.stderr.write('hanging\\n'); time.sleep(1000)")
    run = long_run(traind, made.config, "policy.grace_s=2", "data.num_workers=2")
    trainer = pid_of(run, "trainer")
    made.make()
    eventually(lambda: "hanging" in run.console.read_text(encoding="utf-8"), 20.0)
    kill_supervisor(run)
    eventually(lambda: not session_of(trainer), 20.0)


class Counted(threading.Thread):
    """Counts the trainers of a run all the while."""

    def __init__(self, run: RunDir) -> None:
        super().__init__(daemon=True)
        self.most = 0
        self._run = run
        self._is_over = threading.Event()

    def run(self) -> None:
        while not self._is_over.is_set():
            self.most = max(self.most, len(trainers_of(self._run)))
            time.sleep(0.005)

    def end(self) -> int:
        self._is_over.set()
        self.join()
        return self.most


@pytest.mark.slow
@pytest.mark.parametrize("hangs", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_a_resume_never_trains_beside_an_orphan(traind: Traind, tmp_path: Path, hangs: bool) -> None:
    """It waits for one that leaves, and ends one that does not."""
    made = trouble(
        tmp_path, "sys.stderr.write('hanging\\n'); time.sleep(1000)" if hangs else "time.sleep(1.5)", once=hangs
    )
    run = traind.start(made.config, *LONG_CUSTOM, "policy.grace_s=4", "data.num_workers=0")
    orphan = status_of(run).trainer
    assert orphan is not None
    made.make()
    time.sleep(0.5)
    counted = Counted(run)
    counted.start()
    kill_supervisor(run)
    assert process.is_alive(orphan.process)
    if not hangs:
        made.end()
    traind.ok("resume", str(run.path))
    assert not process.is_alive(orphan.process)
    eventually(lambda: status_of(run).state is State.RUNNING, 60.0)
    assert counted.end() == 1
    assert trainers_of(run) == {new_trainer(run, orphan.process).pid}
    assert len(lifecycle(run, "supervisor_lost")) == 1
    assert len(lifecycle(run, "orphaned")) == (not hangs)
    (outcome,) = [event for event in events_of(run) if isinstance(event, OutcomeEvent)]
    (resumed,) = [event for event in events_of(run) if isinstance(event, ResumeEvent)]
    assert outcome.step == resumed.step
    traind.ok("kill", str(run.path))


def new_trainer(run: RunDir, old: ProcessId) -> ProcessId:
    heart = status_of(run).trainer
    assert heart is not None
    assert heart.process != old
    return heart.process


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_an_order_to_end_ends_all_that_the_trainer_started(traind: Traind, config: Path, verb: str) -> None:
    run = traind.start(config, *LONG, "data.num_workers=2")
    trainer = pid_of(run, "trainer")
    eventually(lambda: len(session_of(trainer)) >= 3, 20.0)
    traind.ok(verb, str(run.path))
    eventually(lambda: not session_of(trainer))
    eventually(lambda: status_of(run).state is State.STOPPED)
