"""`resume --all` after a reboot, and intents that outlive the supervisor that wrote them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rundir.control import Order, Verb, new_order_id, send
from rundir.layout import RunDir
from rundir.process import ProcessId, identify
from rundir.records import OutcomeEvent
from rundir.status import Intent, State, write_status
from tests.conftest import eventually
from tests.process.seen import trainers_of
from tests.process.tiny_run import Traind, events_of, kill_supervisor, kill_trainer, status_of

LONG = ("train.epochs=4000", "eval.every=100000", "checkpoint.every=20")


@pytest.fixture
def stranger() -> Iterator[ProcessId]:
    """A process that has nothing to do with any run."""
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    found = identify(sleeper.pid)
    assert found is not None
    yield found
    sleeper.kill()
    sleeper.wait()


def reboot(run: RunDir, stranger: ProcessId) -> None:
    """Its processes are gone at once, and the machine has another boot id. A stranger has the supervisor's pid."""
    trainer = status_of(run).trainer
    kill_supervisor(run)
    kill_trainer(run)
    eventually(lambda: not trainers_of(run))
    status = status_of(run)
    status.boot_id = "of an earlier boot"
    assert status.supervisor is not None
    status.supervisor.process = stranger
    status.trainer = trainer
    write_status(run.status_json, status)


@pytest.mark.slow
def test_all_that_was_running_goes_on_after_a_reboot(traind: Traind, config: Path, stranger: ProcessId) -> None:
    running, parked, paused = (traind.start(config, *LONG) for _ in range(3))
    eventually(lambda: status_of(running).checkpoint, 60.0)
    traind.ok("park", str(parked.path))
    traind.ok("pause", str(paused.path))
    eventually(lambda: status_of(parked).state is State.PARKED)
    ended = traind.start(config, "train.max_steps=2")
    traind.finish(ended)
    for run in (running, parked, paused):
        reboot(run, stranger)
    running.status_json.write_bytes(b"")  # as a power cut may leave it
    broken = RunDir(running.path.parent / "20200101-000000-broken")
    broken.path.mkdir()
    broken.status_json.write_text("{", encoding="utf-8")

    done = traind("resume", "--all")
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert done.returncode == 2, done.stderr
    assert said.pop(broken.id).startswith("not taken up: its status.json")
    checkpoint = said.pop(running.id).removeprefix("taken up from ")
    assert (running.path / checkpoint / "manifest.json").exists()
    assert said.pop(paused.id).endswith(", paused as it was")
    assert said == {parked.id: "left: parked by order", ended.id: "left: done"}

    eventually(lambda: status_of(running).state is State.RUNNING, 90.0)
    eventually(lambda: status_of(paused).state is State.PAUSED, 90.0)
    assert [status_of(run).attempt for run in (running, parked, paused, ended)] == [2, 1, 2, 1]
    assert status_of(parked).state is State.PARKED
    broken.status_json.unlink()
    broken.path.rmdir()
    assert f"{running.id}: left: its supervisor runs" in traind.ok("resume", "--all")
    for run in (running, paused):
        traind.ok("kill", str(run.path))


@pytest.mark.slow
@pytest.mark.parametrize(
    "verb",
    [pytest.param(Verb.PAUSE, marks=pytest.mark.soak), Verb.PARK, pytest.param(Verb.STOP, marks=pytest.mark.soak)],
)
def test_what_was_answered_holds_though_the_supervisor_dies_then(traind: Traind, config: Path, verb: Verb) -> None:
    """Between the outcome, which the trainer writes, and what the supervisor makes of it."""
    run = traind.start(config, *LONG)
    order = Order(verb=verb, id=new_order_id())
    send(run, order)

    def is_answered() -> bool:
        return any(isinstance(event, OutcomeEvent) and event.order == order.id for event in events_of(run))

    eventually(is_answered)
    kill_supervisor(run)
    eventually(lambda: not trainers_of(run), 30.0)
    intent = {Verb.PAUSE: Intent.PAUSED, Verb.PARK: Intent.PARKED, Verb.STOP: Intent.STOPPED}[verb]
    assert status_of(run).intent is intent
    traind.ok("resume", "--all")
    if verb is Verb.PAUSE:
        eventually(lambda: status_of(run).state is State.PAUSED, 60.0)
        assert status_of(run).attempt == 2
        traind.ok("resume", str(run.path))
        eventually(lambda: status_of(run).state is State.RUNNING, 60.0)
        traind.ok("kill", str(run.path))
    else:
        assert status_of(run).attempt == 1
        assert not trainers_of(run)


def test_all_and_one_run_are_not_given_together(traind: Traind) -> None:
    done = traind("resume", "some-run", "--all")
    assert done.returncode == 2
    assert "some-run" in done.stderr
