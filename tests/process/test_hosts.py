"""A run of two hosts, both of them this one: the second takes part by `traind join`."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from rundir.layout import RunDir
from rundir.records import LifecycleEvent
from tests.conftest import eventually
from tests.process.test_ranks import START_S, processes_of, two  # noqa: F401 — a fixture
from tests.process.tiny_run import Trace, Traind, events_of, status_of, trace_of

pytestmark = pytest.mark.slow


def two_hosts() -> list[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return ["--set", "distributed.nnodes=2", "--set", f"distributed.rdzv_endpoint=127.0.0.1:{port}"]


@contextmanager
def running(directory: Path, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A command of ours that lasts as long as the run does."""
    one = subprocess.Popen([sys.executable, "-m", "traind.cli", *words], cwd=directory, stderr=subprocess.PIPE)
    try:
        yield one
    finally:
        one.kill()
        one.communicate()


def process_under(joined: "subprocess.Popen[bytes]", module: str) -> psutil.Process:
    children = psutil.Process(joined.pid).children(recursive=True)
    return next(child for child in children if module == child.cmdline()[child.cmdline().index("-m") + 1])


@pytest.mark.parametrize("victim", ["traind.rank", pytest.param("traind.rank_agent", marks=pytest.mark.soak)])
def test_two_hosts_compute_what_two_processes_of_one_do(
    traind: Traind,
    config: Path,
    two: Trace,  # noqa: F811
    victim: str,
) -> None:
    """Also where a process of the second host is killed: both hosts go down and back up together."""
    with running(traind.directory, "start", str(config), *two_hosts()):
        eventually(lambda: list(traind.directory.glob("runs/2*/status.json")), 30.0)
        run = RunDir(next(traind.directory.glob("runs/2*")))
        with running(traind.directory, "join", str(run.path), "--node-rank", "1") as joined:
            eventually(lambda: status_of(run).step > 0, START_S)
            os.kill(process_under(joined, victim).pid, signal.SIGKILL)
            traind.finish(run)
            assert joined.wait(timeout=30.0) == 0
    assert trace_of(run) == two
    crashes = [event for event in events_of(run) if isinstance(event, LifecycleEvent) and event.what == "crashed"]
    assert len(crashes) == 1
    eventually(lambda: not processes_of(run))


@pytest.mark.soak
def test_a_host_that_was_lost_may_come_back(
    traind: Traind,
    config: Path,
    two: Trace,  # noqa: F811
) -> None:
    with running(traind.directory, "start", str(config), *two_hosts()):
        eventually(lambda: list(traind.directory.glob("runs/2*/status.json")), 30.0)
        run = RunDir(next(traind.directory.glob("runs/2*")))
        with running(traind.directory, "join", str(run.path), "--node-rank", "1") as joined:
            eventually(lambda: status_of(run).step > 0, START_S)
            joined.kill()
            eventually(lambda: status_of(run).attempt == 2, 60.0)
        with running(traind.directory, "join", str(run.path), "--node-rank", "1"):
            traind.finish(run)
    assert trace_of(run) == two
    eventually(lambda: not processes_of(run))


def test_a_place_that_a_run_does_not_have_is_refused(traind: Traind, config: Path) -> None:
    run = traind.start(config)
    done = traind("join", str(run.path), "--node-rank", "1")
    assert done.returncode == 2
    assert f"traind: --node-rank 1: {run.id} has distributed.nnodes = 1; there is nothing to join" in done.stderr
