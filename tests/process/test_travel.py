"""A real run is copied again and again while it is paused, killed, rolled back, stopped: the past shows each copy."""

import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rundir.layout import RunDir
from rundir.status import State, Status, read_status
from tests.conftest import eventually
from tests.process.tiny_run import Traind, kill_trainer, status_of
from tests.trainwatch.travel.recorded import LOGS, facts
from trainwatch.feed import Feed, read_opened
from trainwatch.store import Store
from trainwatch.travel.past import FIELDS, Past, read_tape

LATE_S = 1.2
"""status.json is written once a second: so old may be what it says, and as much newer than the last record."""
KEPT = ("x", "columns", "seams", "evals", "events", "alerts", "checkpoints", "attempt", "system")


@dataclass
class Copy:
    run: RunDir
    began_at: float
    ended_at: float


def copy_until(run: RunDir, to: Path, done: threading.Event, copies: list[Copy]) -> None:
    """As rsync would: one file after the other, while it is written to."""
    while not done.wait(0.3):
        began_at, copied = time.time(), RunDir(to / str(len(copies)))
        copied.path.mkdir(parents=True)
        for name in ("run.json", "config.toml", "status.json", *LOGS):
            if (run.path / name).exists():
                shutil.copy(run.path / name, copied.path)
        copies.append(Copy(copied, began_at, time.time()))


def shown(store: Store) -> dict[str, Any]:
    return {name: value for name, value in facts(store).items() if name in KEPT}


def opened_anew(run: RunDir) -> Store:
    store, feed = Store(run, read_opened(run)), Feed(run, FIELDS)
    while not store.caught_up:
        store.apply(feed.poll())
    return store


def said(status: Status | None) -> tuple[Any, ...]:
    assert status is not None
    return (status.state, status.intent, status.attempt, status.total_steps, status.total_epochs)


@pytest.mark.slow
def test_the_past_shows_what_was_there(traind: Traind, config: Path, tmp_path: Path) -> None:
    flat = ("train.schedule=constant", "train.warmup_ratio=0")
    run = traind.start(config, "train.epochs=400", *flat, "eval.every=20", "checkpoint.every=10")
    copies: list[Copy] = []
    done = threading.Event()
    copier = threading.Thread(target=copy_until, args=(run, tmp_path / "copies", done, copies))
    copier.start()
    try:
        traind.ok("pause")
        eventually(lambda: status_of(run).state is State.PAUSED, 60.0)
        traind.ok("resume")
        eventually(lambda: status_of(run).step > 25, 60.0)
        kill_trainer(run)
        eventually(lambda: status_of(run).attempt == 2 and status_of(run).state is State.RUNNING, 60.0)
        traind.ok("rollback")
        eventually(lambda: status_of(run).attempt == 3 and status_of(run).state is State.RUNNING, 60.0)
        traind.ok("set", run.id, "epochs=300")
        traind.ok("stop")
        eventually(lambda: status_of(run).state is State.STOPPED, 60.0)
        eventually(lambda: len(copies) > 10 and said(read_status(copies[-1].run.status_json))[0] is State.STOPPED)
    finally:
        done.set()
        copier.join()
    past = Past(run, read_opened(run), read_tape(run))
    states = set()
    for copy in copies:
        near = past.tape.moments[(past.tape.moments > copy.began_at - 0.2) & (past.tape.moments < copy.ended_at)]
        moments = [copy.began_at - 0.02, *near.tolist(), copy.ended_at]
        wanted = shown(opened_anew(copy.run))
        assert any(shown(past.seek(at)) == wanted for at in moments), copy
        status = read_status(copy.run.status_json)
        assert status is not None
        states.add(status.state)
        around = [copy.began_at + share * LATE_S for share in (-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1)]
        assert said(status) in [said(past.seek(at).status) for at in [*around, *moments]], copy
    assert {State.PAUSED, State.RUNNING, State.STOPPED} <= states
