"""SIGKILL of trainer or supervisor, by the command line's own processes: the run comes back, and no number differs.

Chosen moments and many more kills: tests/soak/test_kills.py.
"""

import time
from pathlib import Path

import pytest

from rundir.status import Liveness, liveness
from tests.conftest import eventually
from tests.process.tiny_run import Trace, Traind, disturbed_once, kill_supervisor, status_of, trace_of


def test_a_killed_trainer_is_started_again_with_the_same_numbers(
    traind: Traind, config: Path, undisturbed: Trace
) -> None:
    run = traind.start(config)
    disturbed_once(run)
    traind.finish(run)
    assert trace_of(run) == undisturbed


@pytest.mark.slow
def test_a_run_without_supervisor_is_resumed_with_the_same_numbers(
    traind: Traind, config: Path, undisturbed: Trace
) -> None:
    run = traind.start(config)
    eventually(lambda: status_of(run).checkpoint, 60.0)
    kill_supervisor(run)
    eventually(lambda: liveness(status_of(run), time.time()) is Liveness.DEAD, 30.0)
    traind.ok("resume", str(run.path))
    traind.finish(run)
    assert trace_of(run) == undisturbed
