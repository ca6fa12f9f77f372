"""The supervisor's handles, on real sink processes: what is killed comes back, what fails or hangs is said once."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest

from rundir.layout import RunDir
from tests.conftest import eventually
from tests.traind.sinks.stories import step, write
from traind import config
from traind.config import Config
from traind.sink_process import MAX_REVIVALS, Failure, Sinks
from traind.sinks.catalog import SinkName, faults, wanted


@pytest.fixture
def run(run_dir: RunDir) -> Iterator[RunDir]:
    """A run of three steps; no sink process is left after the test."""
    run_dir.config_toml.write_bytes(config.dump(Config()))
    write(run_dir, [step(1), step(2), step(3)])
    yield run_dir
    for process in processes_of(run_dir):
        process.kill()


def processes_of(run: RunDir) -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.ZombieProcess, psutil.NoSuchProcess):  # it was just killed
            if "traind.sinks" in process.cmdline() and str(run.path) in process.cmdline():
                found.append(process)
    return found


def num_steps(run: RunDir) -> int:
    path = run.csv / "steps.csv"
    return len(pd.read_csv(path)) if path.exists() and path.stat().st_size else 0


def started(run: RunDir, *names: SinkName, hung_s: float = 60.0, drain_s: float = 15.0) -> Sinks:
    sinks = Sinks(run, names, hung_s=hung_s, drain_s=drain_s)
    sinks.start()
    assert sinks.look() == []
    return sinks


def caught_up(sinks: Sinks, run: RunDir, count: int) -> bool:
    assert sinks.look() == []
    return num_steps(run) == count


def no_beat() -> None:
    return


def failed(sinks: Sinks) -> Failure:
    failures = eventually(sinks.look, 20.0)
    assert len(failures) == 1
    assert sinks.look() == []
    return failures[0]


def test_a_sink_follows_and_leaves_with_everything_taken_in(run: RunDir) -> None:
    sinks = started(run, SinkName.CSV)
    eventually(lambda: caught_up(sinks, run, 3))
    write(run, [step(4)])
    assert sinks.finish(no_beat, lambda: False) == []
    assert num_steps(run) == 4
    assert processes_of(run) == []


def test_no_process_before_the_first_record(run_dir: RunDir) -> None:
    sinks = started(run_dir, SinkName.CSV)
    assert processes_of(run_dir) == []
    assert sinks.finish(no_beat, lambda: False) == []
    assert not run_dir.csv.exists()


def test_a_killed_sink_is_started_again_and_doubles_nothing(run: RunDir) -> None:
    sinks = started(run, SinkName.CSV)
    for count in range(4, 4 + MAX_REVIVALS):
        eventually(lambda count=count: caught_up(sinks, run, count - 1))
        processes_of(run)[0].kill()
        write(run, [step(count)])
    eventually(lambda: caught_up(sinks, run, 3 + MAX_REVIVALS))
    processes_of(run)[0].kill()
    assert failed(sinks) == Failure(SinkName.CSV, "killed by SIGKILL")


def test_a_sink_that_cannot_write_says_why_and_the_others_go_on(run: RunDir) -> None:
    run.tensorboard.write_text("not a directory", encoding="utf-8")
    sinks = started(run, SinkName.TENSORBOARD, SinkName.CSV)
    failure = failed(sinks)
    assert failure.name is SinkName.TENSORBOARD
    assert failure.reason.startswith("FileExistsError")
    assert "Traceback" in (run.sinks / "tensorboard.log").read_text(encoding="utf-8")
    write(run, [step(4)])
    assert sinks.finish(no_beat, lambda: False) == []
    assert num_steps(run) == 4


def test_a_hung_sink_is_ended(run: RunDir) -> None:
    sinks = started(run, SinkName.CSV, hung_s=2.0)
    eventually(lambda: caught_up(sinks, run, 3))
    processes_of(run)[0].send_signal(signal.SIGSTOP)
    assert failed(sinks) == Failure(SinkName.CSV, "hung: nothing heard of it for 2 s")
    assert processes_of(run) == []


@pytest.mark.slow
def test_the_end_waits_for_a_stopped_sink_only_so_long(run: RunDir) -> None:
    beats: list[float] = []
    sinks = started(run, SinkName.CSV, SinkName.TENSORBOARD, drain_s=4.0)
    eventually(lambda: caught_up(sinks, run, 3))
    next(p for p in processes_of(run) if "csv" in p.cmdline()).send_signal(signal.SIGSTOP)
    began = time.monotonic()
    failures = sinks.finish(lambda: beats.append(time.monotonic()), lambda: False)
    assert 4.0 <= time.monotonic() - began < 10.0
    assert failures == [Failure(SinkName.CSV, "did not finish within 4 s of the run's end")]
    assert len(beats) > 10
    assert processes_of(run) == []


def test_a_killed_run_is_not_made_to_wait_for_a_sink(run: RunDir) -> None:
    sinks = started(run, SinkName.CSV, drain_s=60.0)
    eventually(lambda: caught_up(sinks, run, 3))
    processes_of(run)[0].send_signal(signal.SIGSTOP)
    began = time.monotonic()
    assert sinks.finish(no_beat, lambda: True) == []
    assert time.monotonic() - began < 10.0
    assert processes_of(run) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_sink_that_finds_the_disk_full_comes_back_when_there_is_room(run: RunDir) -> None:
    run.csv.mkdir()
    (run.csv / "steps.csv").symlink_to("/dev/full")
    sinks = Sinks(run, [SinkName.CSV], room_s=0.2)
    sinks.start()
    assert sinks.look() == []
    log = run.sinks / "csv.log"

    def has_failed_thrice() -> bool:
        assert sinks.look() == []
        return log.read_text().count("No space left on device") >= 3

    eventually(has_failed_thrice, 60.0)
    (run.csv / "steps.csv").unlink()
    eventually(lambda: caught_up(sinks, run, 3), 60.0)
    assert sinks.finish(no_beat, lambda: False) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_is_still_full_at_the_end_is_a_failure_with_its_reason(run: RunDir) -> None:
    run.csv.mkdir()
    (run.csv / "steps.csv").symlink_to("/dev/full")
    sinks = started(run, SinkName.CSV)
    eventually(lambda: processes_of(run) == [] or sinks.look(), 60.0)
    (failure,) = sinks.finish(no_beat, lambda: False)
    assert failure.name is SinkName.CSV
    assert "No space left on device" in failure.reason


def test_a_sink_outlives_the_signals_that_are_sent_to_a_whole_run(run: RunDir) -> None:
    sinks = started(run, SinkName.CSV)
    eventually(lambda: caught_up(sinks, run, 3))
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        processes_of(run)[0].send_signal(signum)
    write(run, [step(4)])
    assert sinks.finish(no_beat, lambda: False) == []
    assert num_steps(run) == 4


def test_a_sink_whose_supervisor_dies_takes_in_what_is_there_and_leaves(run: RunDir) -> None:
    """The leash is the only tie: it goes with the process that holds it."""
    pid = os.fork()
    if pid == 0:
        sinks = Sinks(run, [SinkName.CSV])
        sinks.start()
        sinks.look()
        while num_steps(run) < 3:
            time.sleep(0.01)
        os._exit(0)
    os.waitpid(pid, 0)
    sinks = started(run, SinkName.CSV)  # waits for the other to leave
    write(run, [step(4)])
    assert sinks.finish(no_beat, lambda: False) == []
    assert num_steps(run) == 4


def test_only_a_group_whose_leader_is_not_reaped_is_signalled(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the number may be another's by then."""
    held: list[bool] = []
    killpg = os.killpg

    def seen(group: int, signum: int) -> None:
        held.append(psutil.Process(group).ppid() == os.getpid())
        killpg(group, signum)

    sinks = started(run, SinkName.CSV)
    eventually(lambda: caught_up(sinks, run, 3))
    monkeypatch.setattr(os, "killpg", seen)
    processes_of(run)[0].kill()
    eventually(lambda: sinks.look() == [] and held)
    eventually(lambda: caught_up(sinks, run, 3))
    assert sinks.finish(no_beat, lambda: False) == []
    assert held == [True, True]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_sink_that_cannot_be_started_leaves_nothing_open(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    fds = Path("/proc/self/fd")
    run.sinks.mkdir()
    (run.sinks / "tensorboard.log").mkdir()
    num_open = len(list(fds.iterdir()))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    sinks = Sinks(run, [SinkName.CSV, SinkName.TENSORBOARD])
    sinks.start()
    failures = sinks.look()
    assert [failure.name for failure in failures] == [SinkName.CSV, SinkName.TENSORBOARD]
    assert "/nowhere/python" in failures[0].reason
    assert "Is a directory" in failures[1].reason
    assert len(list(fds.iterdir())) == num_open


def test_what_is_wanted_and_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = config.check({"log": {"csv": True, "tensorboard": True, "wandb": "offline"}, "data": {"train": "x"},
                        "model": {"init": "scratch"}}, "x").log  # fmt: skip
    assert wanted(Config().log) == []
    assert wanted(log) == list(SinkName)
    assert faults(log) == []
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    for name in ("tensorboard", "wandb"):
        monkeypatch.delitem(__import__("sys").modules, name, raising=False)
    assert [fault.partition(":")[0] for fault in faults(log)] == ["log.tensorboard", "log.wandb"]
    assert all("pip install 'trainwatch[sinks]'" in fault for fault in faults(log))
