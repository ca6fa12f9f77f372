"""What the last words of several processes come to, and how many of them there are to be."""

import os
import signal
import subprocess
import sys

import pynvml
import pytest

from rundir import process
from rundir.process import ProcessId
from tests.conftest import eventually
from traind import config, rank_launch
from traind.lock import end_orphans
from traind.ranked_trainer import RankedTrainer, ending_of
from traind.wire import Farewell, Leave, RankEnd

LOST = Farewell(reason=Leave.LOST)
KILLED = RankEnd(rank=1, pid=7, exit_code=-9)
CRASH = Farewell(rank=1, reason=Leave.CRASHED, error="ValueError: odd")
MISTAKE = Farewell(reason=Leave.MISTAKE, error="data.train: missing")


def word(reason: Leave) -> Farewell:
    return Farewell(reason=reason)


@pytest.mark.parametrize(
    ("farewells", "first_end", "agent_code", "leave", "cause"),
    [
        ({0: word(Leave.DONE), 1: word(Leave.DONE)}, None, 0, Leave.DONE, "done"),
        ({0: word(Leave.PARKED)}, KILLED, 1, Leave.PARKED, "parked"),
        ({0: word(Leave.RETREATED), 1: word(Leave.RETREATED)}, None, 0, Leave.RETREATED, "retreated"),
        ({0: word(Leave.STOPPED), 1: CRASH}, None, 1, Leave.STOPPED, "stopped"),
        ({0: word(Leave.SIGNALLED), 1: word(Leave.SIGNALLED)}, None, 0, Leave.SIGNALLED, "signalled"),
        ({0: word(Leave.SIGNALLED)}, None, -9, None, "the agent of the ranks: killed by SIGKILL"),
        ({}, None, -9, None, "the agent of the ranks: killed by SIGKILL"),
        ({0: word(Leave.ORPHANED)}, None, 0, None, "a host that had joined has gone"),
        ({}, None, -40, None, "the agent of the ranks: killed by signal 40"),
        ({0: LOST}, KILLED, 1, None, "rank 1 (process 7): killed by SIGKILL"),
        ({0: LOST, 1: CRASH}, KILLED, 1, Leave.CRASHED, "rank 1: ValueError: odd"),
        ({0: MISTAKE, 1: LOST}, KILLED, 1, Leave.MISTAKE, "data.train: missing"),
        ({}, RankEnd(rank=0, pid=6, exit_code=2), 1, None, "rank 0 (process 6): exit status 2"),
        ({}, None, 1, None, "the agent of the ranks: exit status 1"),
    ],
)
def test_ending(
    farewells: dict[int, Farewell], first_end: RankEnd | None, agent_code: int, leave: Leave | None, cause: str
) -> None:
    ending = ending_of(farewells, first_end, agent_code)
    assert ending.leave is leave
    assert ending.cause == cause
    if leave is None:
        assert (ending.signal is not None) is ("killed by" in cause)


@pytest.mark.parametrize(
    ("visible", "num"),
    [
        (None, 4),
        ("0,1", 2),
        ("2", 1),
        ("", 0),
        ("-1", 0),
        ("0,-1,2", 1),
        ("0,9,1", 1),
        ("0,0", 1),
        ("GPU-ab, GPU-cd", 2),
    ],
)
def test_visible_gpus(monkeypatch: pytest.MonkeyPatch, visible: str | None, num: int) -> None:
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 4)
    assert rank_launch.visible_gpus(visible) == num


@pytest.mark.parametrize(
    ("nproc", "device", "gpus", "num"),
    [(3, "cpu", 0, 3), ("auto", "auto", 0, 1), ("auto", "auto", 2, 2), ("auto", "cpu", 2, 1), ("auto", "cuda:1", 2, 1)],
)
def test_auto_is_a_process_a_gpu(
    monkeypatch: pytest.MonkeyPatch, nproc: int | str, device: str, gpus: int, num: int
) -> None:
    monkeypatch.setattr(rank_launch, "visible_gpus", lambda _: gpus)
    raw = {"data": {"train": "sample:propaganda"}, "model": {"init": "scratch"}}
    settings = config.check({**raw, "distributed": {"nproc": nproc}, "train": {"device": device}}, "test")
    assert rank_launch.num_ranks(settings) == num


def test_cores_are_shared_unless_told() -> None:
    env = rank_launch.environment({}, None, 1000, stays_here=True)
    assert env["OMP_NUM_THREADS"] == "1"
    assert "GLOO_SOCKET_IFNAME" not in rank_launch.environment({}, None, 2, stays_here=False)
    assert rank_launch.environment({}, 3, 2, stays_here=True)["OMP_NUM_THREADS"] == "3"
    assert rank_launch.environment({"OMP_NUM_THREADS": "5"}, None, 2, stays_here=False)["OMP_NUM_THREADS"] == "5"


_LEAVES_ONE = """
import os, signal
child = os.fork()
if child == 0:
    signal.pause()
print(child, flush=True)
signal.pause()
"""


def test_what_a_rank_that_is_gone_has_left_is_ended_with_it() -> None:
    """A worker that hangs right after its fork is not tied to its rank yet, and holds lock and pipes."""
    with subprocess.Popen(
        [sys.executable, "-c", _LEAVES_ONE], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as rank:
        assert rank.stdout is not None
        left = process.identify(int(rank.stdout.readline()))
        assert left is not None
        leader = process.identify(rank.pid) or ProcessId(rank.pid)
        end_orphans(leader)
        assert process.is_alive(leader), "only those of a process that is gone"
        os.kill(rank.pid, signal.SIGKILL)
    assert process.is_alive(left)
    end_orphans(leader)
    eventually(lambda: not process.is_alive(left))
    end_orphans(leader)


def test_a_rank_that_ends_while_it_is_told_something_ends_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its agent reaps it between the look and the signal."""
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    with subprocess.Popen(["sleep", "60"]) as agent:
        trainer = RankedTrainer.__new__(RankedTrainer)
        trainer.ranks, trainer._process = {0: ProcessId(gone.pid)}, agent
        monkeypatch.setattr(process, "is_alive", lambda _: True)
        trainer.dump_stacks()
        trainer.terminate()
        assert agent.wait() == -signal.SIGTERM, "without a leader the agent is told"
