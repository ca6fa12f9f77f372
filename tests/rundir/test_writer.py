"""A script's run: what it writes reads as any run, each order gets one outcome, and its death is seen."""

import math
import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rundir.control import Order, Verb, send
from rundir.effective import effective
from rundir.layout import LATEST, RunDir
from rundir.records import (
    EVENT_DECODER,
    METRICS_DECODER,
    SYSTEM_DECODER,
    CheckpointEvent,
    EvalRecord,
    LifecycleEvent,
    OutcomeEvent,
    StepRecord,
    decode_lines,
)
from rundir.status import Intent, Liveness, State, Status, liveness, read_run_info, read_status
from rundir.writer import RunBusyError, RunWriter

ROOT = Path(__file__).parents[2]


def metrics(run: RunDir) -> list[Any]:
    return effective(decode_lines(run.metrics.read_bytes(), METRICS_DECODER).records)


def events(run: RunDir) -> list[Any]:
    return list(decode_lines(run.events.read_bytes(), EVENT_DECODER).records)


def outcomes(run: RunDir) -> list[tuple[str, str, str]]:
    return [(e.order, e.result, e.reason) for e in events(run) if isinstance(e, OutcomeEvent)]


def status_of(run: RunDir) -> Status:
    found = read_status(run.status_json)
    assert found is not None
    return found


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunWriter]:
    writer = RunWriter(tmp_path / "runs", name="mine", total_steps=10, takes=("checkpoint", "lr", "max_steps"))
    yield writer
    writer.close()


def test_a_whole_run(tmp_path: Path) -> None:
    config = {"train": {"lr": 0.1}, "url": "https://me:hunter22@host/x"}
    with RunWriter(tmp_path / "runs", name="mine", task="lines", total_steps=3, config=config) as run:
        for step in (1, 2, 3):
            run.log(step, loss=np.float32(1 / step), lr=0.1, accuracy=np.array([0.5]).sum(), odd=math.nan)
        run.eval(3, math.inf, f1=0.25)
        checkpoint = run.dir.path / "weights.bin"
        checkpoint.write_bytes(bytes(7))
        run.saved(3, checkpoint, reason="end")
    steps = [r for r in metrics(run.dir) if isinstance(r, StepRecord)]
    assert (steps[0].step, steps[0].loss, steps[0].metrics) == (1, 1.0, {"accuracy": 0.5, "odd": "nan"})
    assert [(r.step, r.loss, r.metrics) for r in metrics(run.dir) if isinstance(r, EvalRecord)] == [
        (3, "inf", {"f1": 0.25})
    ]
    status, info = status_of(run.dir), read_run_info(run.dir.run_json)
    assert (status.state, status.step, status.total_steps, status.attempt) == (State.DONE, 3, 3, 1)
    assert status.checkpoint == "weights.bin"
    assert info is not None
    assert (info.name, info.task, info.planned_steps, info.by_script) == ("mine", "lines", 3, True)
    assert tomllib.loads(run.dir.config_toml.read_text()) == {"train": {"lr": 0.1}, "url": "https://***@host/x"}
    assert (run.dir.path.parent / LATEST).readlink() == Path(run.dir.id)
    said = [e.what for e in events(run.dir) if isinstance(e, LifecycleEvent)]
    assert said == ["supervised", "training", "done"]


def test_what_is_no_number_or_no_later_step_is_refused(run: RunWriter) -> None:
    run.log(1, loss=1)
    with pytest.raises(ValueError, match="step 1 after step 1"):
        run.log(1, loss=1)
    with pytest.raises(ValueError, match="loss: 'much' is no number"):
        run.log(2, loss="much")  # type: ignore[arg-type]
    assert len(metrics(run.dir)) == 1


def test_an_evaluation_may_be_told_before_the_step_that_it_was_made_after(run: RunWriter, tmp_path: Path) -> None:
    for step in (5, 10):
        run.eval(step, 0.5)
        run.log(step, loss=1.0)
    run.saved(np.int64(10), tmp_path / "gone")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="step 9 after step 10"):
        run.log(9, loss=1.0)
    assert [(type(record), record.step) for record in metrics(run.dir)] == [
        (EvalRecord, 5), (StepRecord, 5), (EvalRecord, 10), (StepRecord, 10),
    ]  # fmt: skip
    [saved] = [event for event in events(run.dir) if isinstance(event, CheckpointEvent)]
    assert (saved.step, saved.size_bytes) == (10, 0)


def test_an_error_and_an_interrupt_end_it_as_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), RunWriter(tmp_path / "a") as failed:
        failed.log(1, loss=1 / 0)
    assert (status_of(failed.dir).state, status_of(failed.dir).last_error) == (
        State.FAILED,
        "ZeroDivisionError: division by zero",
    )
    with pytest.raises(KeyboardInterrupt), RunWriter(tmp_path / "b") as stopped:
        raise KeyboardInterrupt
    assert (status_of(stopped.dir).state, status_of(stopped.dir).signal) == (State.STOPPED, "SIGINT")


@pytest.mark.parametrize(
    ("last_line", "state", "error"),
    [
        ("1 / 0", State.FAILED, "ZeroDivisionError: division by zero"),
        ("pass", State.FAILED, "the script ended without closing the run"),
        (
            "import signal; signal.signal(2, signal.default_int_handler); signal.raise_signal(2)",
            State.STOPPED,
            "KeyboardInterrupt",
        ),
    ],
)
def test_a_script_that_never_closes_its_run(tmp_path: Path, last_line: str, state: State, error: str) -> None:
    program = f"from rundir.writer import RunWriter; run = RunWriter('it'); run.log(1, loss=2); {last_line}"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False, stderr=subprocess.DEVNULL)
    status = status_of(RunDir(tmp_path / "it"))
    assert (status.state, status.last_error, status.step) == (state, error, 1)


def test_after_the_end_nothing_is_written(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "it") as run:
        run.log(1, loss=1.0)
    with pytest.raises(ValueError, match="the run has ended"):
        run.log(2, loss=1.0)
    assert len(metrics(run.dir)) == 1


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (Order(verb=Verb.EVAL), "this script takes no eval orders"),
        (Order(verb=Verb.PARK), "a script's run knows no park; pause or stop it"),
        (Order(verb=Verb.DISCARD, args={"step": 5}), "a script's run knows no discard; its files are its own"),
        (Order(verb=Verb.RESUME), "the run is not paused: it is training"),
        (Order(verb=Verb.KILL), "a script is not killed by an order; stop it, or end process {pid}"),
        (Order(verb=Verb.SET, args={"epochs": 3}), "epochs: this script lets only lr, max_steps be set"),
        (Order(verb=Verb.SET, args={"lr": "low"}), "lr = 'low': must be a number"),
        (Order(verb=Verb.SET, args={"lr": 0}), "lr = 0: must be above 0"),
        (Order(verb=Verb.SET, args={"max_steps": 1.5}), "max_steps = 1.5: must be a whole number above 0"),
        (Order(verb=Verb.SET), "nothing to set; e.g. lr=1e-5"),
        (Order(verb=Verb.CHECKPOINT, args={"a": 1}), "checkpoint takes no arguments here"),
        (Order(verb=Verb.NOTE), "a note needs a text"),
    ],
)
def test_what_a_script_does_not_take_is_refused_with_the_reason(run: RunWriter, order: Order, reason: str) -> None:
    order.id = "it"
    send(run.dir, order)
    assert list(run.orders()) == []
    assert outcomes(run.dir) == [("it", "refused", reason.format(pid=os.getpid()))]


def test_each_order_is_heard_once_after_its_outcome(run: RunWriter) -> None:
    run.log(1, loss=1.0)
    for verb, args in ((Verb.SET, {"lr": 0.5}), (Verb.CHECKPOINT, {}), (Verb.NOTE, {"text": "so"})):
        send(run.dir, Order(verb=verb, id=verb, args=args))
    send(run.dir, Order(verb=Verb.CHECKPOINT, id="checkpoint"))  # the same again
    with open(run.dir.control, "ab") as control:
        control.write(b"what\n")
    heard = []
    for order in run.orders():
        assert outcomes(run.dir)[-1][:2] == (order.id, "applied")
        heard.append((order.verb, order.args))
    assert heard == [(Verb.SET, {"lr": 0.5}), (Verb.CHECKPOINT, {})]
    assert list(run.orders()) == []
    assert [(i, r) for i, r, _ in outcomes(run.dir)][:3] == [
        ("set", "applied"),
        ("checkpoint", "applied"),
        ("note", "applied"),
    ]
    assert len(outcomes(run.dir)) == 4


def test_an_order_behind_one_at_which_the_script_stopped_listening_is_not_lost(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "it", takes=("checkpoint", "eval")) as run:
        for order_id in ("a", "b", "c"):
            send(run.dir, Order(verb=Verb.CHECKPOINT, id=order_id))
        assert next(run.orders()).id == "a"
        assert next(run.orders()).id == "b"
    assert outcomes(run.dir) == [
        ("a", "applied", ""),
        ("b", "applied", ""),
        ("c", "refused", "expired: the script has ended"),
    ]


def test_a_pause_holds_until_it_is_over(run: RunWriter, eventually: Callable[..., Any]) -> None:
    run.log(1, loss=1.0)
    heard: list[Order] = []
    send(run.dir, Order(verb=Verb.PAUSE, id="p"))
    holding = threading.Thread(target=lambda: heard.extend(run.orders()), daemon=True)
    holding.start()
    eventually(lambda: status_of(run.dir).state is State.PAUSED)
    assert status_of(run.dir).intent is Intent.PAUSED
    assert liveness(status_of(run.dir), time.time()) is Liveness.LIVE
    send(run.dir, Order(verb=Verb.CHECKPOINT, id="c"))
    eventually(lambda: [order.id for order in heard] == ["c"])  # taken in the hold
    assert holding.is_alive()
    send(run.dir, Order(verb=Verb.RESUME, id="r"))
    holding.join(10)
    assert not holding.is_alive()
    assert status_of(run.dir).state is State.RUNNING
    assert [(i, r) for i, r, _ in outcomes(run.dir)] == [("p", "applied"), ("c", "applied"), ("r", "applied")]


def test_stop_ends_a_pause_and_the_run_as_stopped(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "runs", name="mine") as run:
        run.log(1, loss=1.0)
        send(run.dir, Order(verb=Verb.PAUSE, id="p"))
        send(run.dir, Order(verb=Verb.STOP, id="s"))
        assert [order.id for order in run.orders()] == ["s"]
        assert status_of(run.dir).state is State.STOPPING
    assert (status_of(run.dir).state, status_of(run.dir).intent) == (State.STOPPED, Intent.STOPPED)


def test_going_on_in_a_run_is_a_new_attempt(tmp_path: Path) -> None:
    with RunWriter(tmp_path / "it") as run:
        for step in (1, 2, 3):
            run.log(step, loss=float(step))
        send(run.dir, Order(verb=Verb.STOP, id="answered"))
        assert [order.verb for order in run.orders()] == [Verb.STOP]
    send(run.dir, Order(verb=Verb.PAUSE, id="late"))
    with RunWriter(tmp_path / "it", total_steps=4) as again:
        assert list(again.orders()) == []
        again.log(3, loss=30.0)
        again.log(4, loss=40.0)
    assert [(r.step, r.loss) for r in metrics(run.dir) if isinstance(r, StepRecord)] == [
        (1, 1.0), (2, 2.0), (3, 30.0), (4, 40.0),
    ]  # fmt: skip
    assert outcomes(run.dir)[1:] == [("late", "refused", "expired: it was given before the script began")]
    assert (status_of(run.dir).attempt, status_of(run.dir).state) == (2, State.DONE)


def test_the_time_that_attempts_ran_is_counted_while_they_do(tmp_path: Path, eventually: Callable[..., Any]) -> None:
    with RunWriter(tmp_path / "it") as first:
        first.log(1, loss=1.0)
        eventually(lambda: status_of(first.dir).active_s > 0)
    before_s = status_of(first.dir).active_s
    with RunWriter(tmp_path / "it"):
        pass
    assert status_of(first.dir).active_s > before_s > 0


@pytest.mark.parametrize("damage", ["{", None])
def test_a_status_that_is_lost_takes_no_attempt_with_it(tmp_path: Path, damage: str | None) -> None:
    """Else what lies beyond the first step of the next would still hold."""
    with RunWriter(tmp_path / "it") as run:
        for step in (1, 2, 3):
            run.log(step, loss=float(step))
    run.dir.status_json.unlink()
    if damage is not None:
        run.dir.status_json.write_text(damage)
    with RunWriter(tmp_path / "it") as again:
        with pytest.raises(RunBusyError):
            RunWriter(tmp_path / "it")
        again.log(2, loss=20.0)
    assert [(r.step, r.loss) for r in metrics(run.dir) if isinstance(r, StepRecord)] == [(1, 1.0), (2, 20.0)]
    assert status_of(run.dir).attempt == 2


@pytest.mark.parametrize(("from_step", "kept"), [(1, [1, 5]), (None, [1, 2, 3, 4, 5])])
def test_what_holds_is_what_the_script_says(tmp_path: Path, from_step: int | None, kept: list[int]) -> None:
    with RunWriter(tmp_path / "it") as run:
        for step in (1, 2, 3, 4):
            run.log(step, loss=float(step))
    with RunWriter(tmp_path / "it", from_step=from_step) as again:
        assert status_of(run.dir).step == (from_step or 4)
        again.log(5, loss=50.0)
    assert [r.step for r in metrics(run.dir) if isinstance(r, StepRecord)] == kept


def test_a_relative_directory_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with RunWriter("runs", name="mine") as run:
        weights = run.dir.path / "w.bin"
        weights.write_bytes(b"w")
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        run.saved(1, weights)
        run.log(1, loss=1.0)
    assert status_of(run.dir).checkpoint == "w.bin"
    with RunWriter("alone") as alone:
        alone.log(1, loss=1.0)
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["alone"]  # no `latest` beside it


def test_memory_is_sampled(run: RunWriter, eventually: Callable[..., Any]) -> None:
    eventually(lambda: run.dir.system.read_bytes().endswith(b"\n"))
    [sample] = decode_lines(run.dir.system.read_bytes(), SYSTEM_DECODER).records
    assert 2**20 < sample.run_rss_bytes < 2**40


def test_two_do_not_write_one_run(run: RunWriter) -> None:
    with pytest.raises(RunBusyError, match=f"process {os.getpid()} already"):
        RunWriter(run.dir.path)


def test_a_word_that_is_no_order_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="takes: lrr: no such order"):
        RunWriter(tmp_path / "it", takes=("lrr",))
    assert not (tmp_path / "it").exists()


def test_the_example_is_steered_by_traind_and_its_death_is_seen(tmp_path: Path, eventually: Callable[..., Any]) -> None:
    """One script, as a user runs it: orders through the command line, then SIGKILL."""
    runs = tmp_path / "runs"
    script = [sys.executable, str(ROOT / "examples/script/fit_line.py"), "--runs-dir", str(runs), "--steps", "1000000"]
    process = subprocess.Popen([*script, "--step-s", "0.005"], stdout=subprocess.DEVNULL)
    try:
        run = RunDir(runs / LATEST)
        eventually(lambda: run.status_json.exists() and status_of(run).step > 0, 30)

        def traind(*words: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "traind.cli", *words, "--runs-dir", str(runs)]
            return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

        assert traind("set", "latest", "lr=0.002").returncode == 0
        assert traind("pause", "latest").stdout.startswith("pause applied at step")
        assert "paused (live)" in traind("status", "latest").stdout
        process.kill()
        process.wait()
        assert "unattended" in traind("list").stdout
        dead = traind("resume", "latest")
        assert dead.returncode == 2
        assert "only that script can go on with it" in dead.stderr
        assert "left: a script wrote this run" in traind("resume", "--all").stdout
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    lrs = [r.lr for r in metrics(run) if isinstance(r, StepRecord)]
    assert (lrs[0], lrs[-1]) == (0.01, 0.002)


def test_the_status_says_what_the_script_takes_this_time(tmp_path: Path) -> None:
    with RunWriter(tmp_path, name="mine", takes=("lr", "checkpoint")) as run:
        assert status_of(run.dir).takes == ["checkpoint", "lr"]
    with RunWriter(run.dir.path):
        assert status_of(run.dir).takes == []
