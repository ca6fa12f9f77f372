"""Orders from a user who is neither the run's nor root, who really tries: none is ever taken."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rundir import layout
from rundir.control import ControlReader, Malformed, Order, Verb, send
from rundir.layout import RunDir
from rundir.records import LifecycleEvent
from rundir.status import State
from tests.conftest import eventually
from tests.process.other_user import as_other, needs_root, open_directory
from tests.process.tiny_run import Traind, events_of, kill_supervisor, kill_trainer, status_of, write_config

KILL = """{"verb":"kill"}"""
ATTEMPTS = {
    "append": f"echo '{KILL}' >> control.jsonl",
    "overwrite": f"echo '{KILL}' > control.jsonl",
    "read": "cat control.jsonl",
    "replace": f"echo '{KILL}' > .new && mv -f .new control.jsonl",
    "remove": "rm -f control.jsonl && test ! -e control.jsonl",
    "link": "ln control.jsonl ../mine",
    "symlink": "ln -sf /etc/passwd control.jsonl",
    "create a file": f"echo '{KILL}' > control.d/x.json",
    "create the folder": "rm -rf control.d; mkdir control.d",
    "open it up": "chmod 777 . control.jsonl",
}


@pytest.fixture
def reachable_run() -> Iterator[RunDir]:
    """An empty run in a directory that everybody may enter."""
    with open_directory() as top:
        run = layout.create(top / "runs", "test", 0.0)
        run.path.parent.chmod(0o755)
        send(run, Order(verb=Verb.PAUSE, id="mine"))
        run.control_dir.mkdir(mode=0o700)
        yield run


@needs_root
@pytest.mark.parametrize("attempt", ATTEMPTS)
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_a_run_is_out_of_reach_of_others(reachable_run: RunDir, attempt: str, mode: int) -> None:
    """As it is made; and where its directory was opened for reading."""
    reachable_run.path.chmod(mode)
    done = as_other(f"cd {reachable_run.path} && {ATTEMPTS[attempt]}", cwd=reachable_run.path.parent)
    assert done.returncode != 0
    reader = ControlReader(reachable_run)
    assert [order.id for order in reader.poll()] == ["mine"]
    assert reader.distrust == {}


@needs_root
@pytest.mark.parametrize("attempt", ["append", "overwrite", "replace", "symlink", "create a file", "create the folder"])
def test_nothing_is_taken_from_what_was_opened_to_others(reachable_run: RunDir, attempt: str) -> None:
    """They succeed, as the run's user has let them; nothing of it is taken, then or once everything is closed again."""
    run = reachable_run
    reader = ControlReader(run)
    assert [order.id for order in reader.poll()] == ["mine"]
    run.path.chmod(0o777)
    run.control.chmod(0o666)
    run.control_dir.chmod(0o777)
    script = f"cd {run.path} && {ATTEMPTS[attempt]}; echo '{KILL}' > control.d/y.json"
    assert as_other(script, cwd=run.path.parent).returncode == 0
    assert reader.poll() == []
    assert reader.distrust
    for path, mode in ((run.path, 0o700), (run.control_dir, 0o700), (run.control, 0o600)):
        if not path.is_symlink():
            path.chmod(mode)
    taken = reader.poll()
    assert not [order for order in taken if isinstance(order, Order)], taken
    assert all("belongs to user" in order.reason for order in taken if isinstance(order, Malformed))


@needs_root
@pytest.mark.slow
def test_a_running_run_says_once_why_it_takes_no_orders(config: Path) -> None:
    with open_directory() as top:
        traind = Traind(top)
        run = traind.start(write_config(top), "train.epochs=400", "checkpoint.every=1000")
        try:
            _is_loosened_and_closed_again(traind, run)
        finally:
            if not status_of(run).state.has_ended:
                kill_supervisor(run)
                kill_trainer(run)


def _is_loosened_and_closed_again(traind: Traind, run: RunDir) -> None:
    def said() -> list[str]:
        events = [event for event in events_of(run) if isinstance(event, LifecycleEvent)]
        return [f"{event.what}: {event.message}" for event in events if event.what.startswith("control_")]

    run.path.parent.chmod(0o755)
    run.path.chmod(0o711)
    run.control.touch(mode=0o600)
    run.control.chmod(0o666)
    eventually(said)
    assert as_other(f"echo '{KILL}' >> {run.control}", cwd=run.path.parent).returncode == 0
    step = status_of(run).step
    eventually(lambda: status_of(run).step > step + 20, 30.0)
    done = traind("pause")
    assert done.returncode == 2
    assert f"no orders are taken from {run.control}: others may write it (mode 666): chmod 600 it" in done.stderr
    assert said() == [
        "control_distrusted: no orders are taken from control.jsonl: others may write it (mode 666): chmod 600 it"
    ]
    run.control.chmod(0o600)
    eventually(lambda: len(said()) == 2)
    assert "16 bytes that others may have written are passed over" in said()[1]
    traind.ok("pause")
    eventually(lambda: status_of(run).state is State.PAUSED)
    traind.ok("kill")
    assert len(said()) == 2
