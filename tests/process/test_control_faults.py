"""What may be done to the control file of a run that trains: it goes on, and says what became of each order."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rundir.control import Order, Verb, new_order_id, send, send_by_rename
from rundir.layout import RunDir
from rundir.orders import MAX_ORDER_BYTES
from rundir.records import LifecycleEvent, OutcomeEvent, StepRecord
from rundir.status import Intent, State
from tests.conftest import eventually
from tests.process.other_user import everyday_user
from tests.process.tiny_run import (
    Trace,
    Traind,
    events_of,
    kill_supervisor,
    kill_trainer,
    metrics_of,
    status_of,
    trace_of,
    write_config,
)

LONG = (
    "train.epochs=400",
    "train.schedule=constant",
    "train.warmup_ratio=0",
    "eval.every=1000",
    "checkpoint.every=1000",
)


def outcomes(run: RunDir) -> list[OutcomeEvent]:
    return [event for event in events_of(run) if isinstance(event, OutcomeEvent)]


def result_of(run: RunDir, order_id: str) -> str:
    found = eventually(lambda: [each for each in outcomes(run) if each.order == order_id])
    assert len(found) == 1
    return found[0].result


def note(run: RunDir) -> str:
    """Give an order; returns its id."""
    order = Order(verb=Verb.NOTE, id=new_order_id(), args={"text": "still here"})
    send(run, order)
    return order.id


def trust_of(run: RunDir) -> list[str]:
    events = [event for event in events_of(run) if isinstance(event, LifecycleEvent)]
    return [event.what for event in events if event.what.startswith("control_")]


@pytest.mark.slow
def test_whatever_befalls_the_control_file_training_goes_on(traind: Traind, config: Path) -> None:
    run = traind.start(config, *LONG)
    _garbage(run)
    _ten_megabytes(run)
    _deleted(run)
    _replaced_by_a_symlink(run)
    step = status_of(run).step
    eventually(lambda: status_of(run).step > step + 5)
    steps = [record.step for record in metrics_of(run) if isinstance(record, StepRecord)]
    assert steps == list(range(1, len(steps) + 1))
    assert status_of(run).attempt == 1
    traind.ok("kill")
    ids = [each.order for each in outcomes(run)]
    assert len(set(ids)) == len(ids)


def _garbage(run: RunDir) -> None:
    before = len(outcomes(run))
    first = note(run)
    with run.control.open("ab") as file:
        file.write(b'\xff\x00\xfe\n{"verb"\n[[[[\n"pause"\n\n{"verb":"dance"}\n{"verb":"set","args":{"lr":"fast"}}\n')
    second = note(run)
    assert [result_of(run, each) for each in (first, second)] == ["applied", "applied"]
    assert len(outcomes(run)) == before + 2 + 6


def _ten_megabytes(run: RunDir) -> None:
    with run.control.open("ab") as file:
        file.write(b"x" * 10_000_000 + b"\n")
    assert result_of(run, note(run)) == "applied"
    assert sum(f"longer than {MAX_ORDER_BYTES} bytes" in each.reason for each in outcomes(run)) == 1
    assert run.events.stat().st_size < 200_000


def _deleted(run: RunDir) -> None:
    run.control.unlink()
    assert result_of(run, note(run)) == "applied"
    run.control.unlink()
    send_by_rename(run, order := Order(verb=Verb.NOTE, id=new_order_id(), args={"text": "by a file"}))
    assert result_of(run, order.id) == "applied"
    assert trust_of(run) == []


def _replaced_by_a_symlink(run: RunDir) -> None:
    target = run.path.parent / "target"
    target.write_text(json.dumps({"verb": "kill"}) + "\n", encoding="utf-8")
    run.control.unlink(missing_ok=True)
    run.control.symlink_to(target)
    eventually(lambda: trust_of(run) == ["control_distrusted"])
    step = status_of(run).step
    eventually(lambda: status_of(run).step > step + 20, 30.0)  # many polls later
    assert trust_of(run) == ["control_distrusted"]
    run.control.unlink()
    assert result_of(run, note(run)) == "applied"
    assert trust_of(run) == ["control_distrusted", "control_ok"]


CONTRARY = """
import json, sys, time
path, start_at, *orders = sys.argv[1:]
lines = [order.encode() + b"\\n" for order in orders]
with open(path, "ab", buffering=0) as file:
    while time.time() < float(start_at):
        pass
    for line in lines:
        file.write(line)
"""


@pytest.mark.slow
def test_two_viewers_with_contrary_orders(traind: Traind, config: Path) -> None:
    """Each order has one outcome, in the order of the file; what holds in the end is what the last one said."""
    run = traind.start(config, *LONG)
    run.control.touch(mode=0o600)
    for round_number in range(4):
        mine = [{"verb": "pause"}, {"verb": "set", "args": {"lr": 1e-4 * (round_number + 1)}}] * 3
        theirs = [{"verb": "resume"}, {"verb": "set", "args": {"lr": 2e-3 * (round_number + 1)}}] * 3
        _shout_together(run, round_number, mine, theirs)
    lines = [json.loads(line) for line in run.control.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 4 * 12
    told = eventually(lambda: found if len(found := outcomes(run)) >= len(lines) else None)
    assert [each.order for each in told] == [line["id"] for line in lines]

    is_paused, lr = False, 0.0
    for line, outcome in zip(lines, told, strict=True):
        if line["verb"] == "set":
            lr = line["args"]["lr"]
            assert outcome.result == "applied"
        else:
            wants_pause = line["verb"] == "pause"
            assert (outcome.result == "refused") == (wants_pause is is_paused), (line, outcome)
            is_paused = wants_pause
    state, intent = (State.PAUSED, Intent.PAUSED) if is_paused else (State.RUNNING, Intent.RUN)
    eventually(lambda: (status_of(run).state, status_of(run).intent) == (state, intent))
    if is_paused:
        traind.ok("resume")
    eventually(lambda: metrics_of(run)[-1].step > (told[-1].step or 0) + 1)
    newest = [record for record in metrics_of(run) if isinstance(record, StepRecord)][-1]
    assert newest.lr == lr
    traind.ok("kill")


def _shout_together(run: RunDir, round_number: int, *viewers: list[dict[str, object]]) -> None:
    """Each viewer is a process that gives its orders as fast as it can, all from the same moment on."""
    start_at = float(subprocess.check_output(["date", "+%s.%N"])) + 0.5
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CONTRARY, str(run.control), str(start_at)]
            + [json.dumps({"id": f"{round_number}-{who}-{i}", **order}) for i, order in enumerate(orders)]
        )
        for who, orders in enumerate(viewers)
    ]
    assert [viewer.wait(30) for viewer in started] == [0, 0]


@pytest.mark.slow
def test_a_run_directory_made_read_only_loses_no_number(undisturbed: Trace) -> None:
    """As a user whom permissions bind: records go on into the open logs, failed saves are said."""
    with everyday_user() as (home, process, python):
        config = write_config(home)
        for path in home.iterdir():
            os.chown(path, home.stat().st_uid, -1)
        traind = Traind(home, process, python)
        run = traind.start(config)
        try:
            eventually(lambda: status_of(run).checkpoint, 30.0)
            for path in (run.checkpoints, run.path):
                path.chmod(0o500)
            step = metrics_of(run)[-1].step
            eventually(lambda: metrics_of(run)[-1].step > step + 10, 60.0)
            eventually(lambda: "checkpoint_failed" in [getattr(event, "what", "") for event in events_of(run)], 60.0)
            assert status_of(run).attempt == 1
            for path in (run.path, run.checkpoints):
                path.chmod(0o700)
            traind.finish(run)
        finally:
            if not status_of(run).state.has_ended:
                kill_supervisor(run)
                kill_trainer(run)
        assert status_of(run).state is State.DONE
        assert trace_of(run) == undisturbed
        assert {path.stat().st_uid for path in run.path.rglob("*")} == {home.stat().st_uid}
