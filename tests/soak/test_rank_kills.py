"""SIGKILL at seeded moments of whoever takes part in a run of two processes, loading included: supervisor, agent, rank.

Real processes, started as a user's are: what is tried is how they are started, and that none is left.
"""

import os
import random
import signal
import time
from pathlib import Path

import psutil
import pytest

from rundir.layout import RunDir
from rundir.status import State
from tests.conftest import eventually
from tests.process.test_ranks import TWO, processes_of, trainers_of, two  # noqa: F401 — a fixture
from tests.process.tiny_run import Trace, Traind, status_of, trace_of, write_config
from tests.soak import faults, ledger

KILLS_A_RUN = 3
NUM_RUNS = {None: 1, "quick": 1, "all": 8}
SOON_S = 9.0
"""The longest wait for a kill: about what a restart takes, so that some hit a group that loads."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "number" in metafunc.fixturenames:
        metafunc.parametrize("number", range(NUM_RUNS[metafunc.config.getoption("--faults")]))


@pytest.mark.slow
def test_a_group_that_is_killed_anywhere_comes_back(
    tmp_path: Path,
    two: Trace,  # noqa: F811
    number: int,
    request: pytest.FixtureRequest,
) -> None:
    rng = random.Random(f"{request.config.getoption('--seed')}-{number}")
    traind = Traind(tmp_path)
    run = traind.start(write_config(tmp_path), *TWO, "policy.max_restarts=99")
    hits = []
    while len(hits) < KILLS_A_RUN and not status_of(run).state.has_ended:
        time.sleep(rng.uniform(0.0, SOON_S if hits else 1.0))
        hits += kill_one(traind, run, rng)
    traind.finish(run)
    is_wrong = status_of(run).state is not State.DONE or trace_of(run) != two
    ledger.record(request, faults.RANKS, times=len(hits), compared=len(hits), wrong=is_wrong * len(hits), note=hits)
    assert not is_wrong, f"after {hits}"
    eventually(lambda: not processes_of(run), 30.0)


def kill_one(traind: Traind, run: RunDir, rng: random.Random) -> list[str]:
    """Who was killed; nobody where the run had ended. A lost supervisor is replaced by a resume, as a person would."""
    names = {"traind.supervise": "supervisor", "traind.rank_agent": "agent", "traind.rank": "rank"}
    try:
        victim = rng.choice(processes_of(run))
        who = next(name for module, name in names.items() if module in victim.cmdline())
    except (IndexError, psutil.Error, StopIteration):
        return []
    before = [one for one in trainers_of(run) if "traind.rank_agent" not in one.cmdline()]  # which trains nothing
    os.kill(victim.pid, signal.SIGKILL)
    if who == "supervisor" and not status_of(run).state.has_ended:
        done = traind("resume", str(run.path))
        assert done.returncode == 0 or status_of(run).state.has_ended, done.stderr
        assert not any(is_running(one) for one in before), "a rank of the lost supervisor trains beside"
    return [who]


def is_running(one: psutil.Process) -> bool:
    try:
        return one.is_running() and one.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
