"""A process that stands still for a while, as a frozen virtual machine or a debugger makes it, and goes on."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rundir.status import Liveness, liveness
from tests.conftest import eventually
from tests.process.tiny_run import status_of
from tests.soak.farm import Farm
from tests.soak.kinds import KINDS, Kind
from tests.soak.oracle import Numbers, differences
from tests.soak.slaughter import Slaughter

STOPPED_S = {None: 3.0, "quick": 5.0, "all": 30.0}


@pytest.mark.slow
@pytest.mark.parametrize("who", ["trainer", "supervisor"])
def test_whoever_is_stopped_goes_on(
    farm: Farm, place: Path, numbers: Callable[[Kind], Numbers], who: str, request: pytest.FixtureRequest
) -> None:
    kind = KINDS[0]
    stopped_s = STOPPED_S[request.config.getoption("--faults")]
    run = farm.start(kind.write_config(place), *kind.settings)
    eventually(lambda: status_of(run).step > 5, 60.0)
    heart = status_of(run).trainer if who == "trainer" else status_of(run).supervisor
    assert heart is not None
    os.kill(heart.process.pid, signal.SIGSTOP)
    end = time.monotonic() + stopped_s
    while time.monotonic() < end:
        seen = liveness(status_of(run), time.time())
        assert seen in (Liveness.LIVE, Liveness.SILENT, Liveness.ENDED), seen
        time.sleep(0.1)
    os.kill(heart.process.pid, signal.SIGCONT)
    Slaughter(farm, run, place, random.Random(0)).finish()
    assert not differences(run, numbers(kind))
    assert status_of(run).attempt == 1
