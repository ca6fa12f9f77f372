"""The wall clock steps back an hour under a run, as after a wrong clock is set right: only the times told go back."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rundir.control import Verb
from rundir.layout import RunDir
from rundir.records import EpochRecord, EvalRecord, StepRecord
from rundir.status import Liveness, State, liveness
from tests.conftest import eventually
from tests.process.tiny_run import kill_supervisor, kill_trainer, metrics_of, status_of
from tests.soak import clock
from tests.soak.farm import Farm
from tests.soak.kinds import KINDS, Kind
from tests.soak.oracle import Numbers, differences
from tests.soak.slaughter import Slaughter

HOUR_S = 3600.0


@pytest.mark.slow
@pytest.mark.parametrize("then", ["nothing", "trainer", "supervisor"])
def test_an_hour_back(
    farm: Farm, place: Path, numbers: Callable[[Kind], Numbers], monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """And orders are taken, crashes followed, all as before; `then`: who is killed when the clock has stepped."""
    kind = KINDS[0]
    run = farm.start(kind.write_config(place), *kind.settings)
    monkeypatch.setattr(time, "time", clock.reading(place))  # the viewers' clock is the same
    eventually(lambda: status_of(run).checkpoint, 60.0)
    before = status_of(run).updated_at
    clock.step(place, -HOUR_S)
    eventually(lambda: status_of(run).updated_at < before - HOUR_S / 2, 10.0)
    assert liveness(status_of(run), time.time()) is Liveness.LIVE
    for verb, state in ((Verb.PAUSE, State.PAUSED), (Verb.RESUME, State.RUNNING)):
        outcome = farm.order(run, verb)
        assert outcome is not None
        assert outcome.result == "applied", outcome
        eventually(lambda state=state: status_of(run).state is state)
    if then == "trainer":
        kill_trainer(run)
    elif then == "supervisor":
        kill_supervisor(run)
    Slaughter(farm, run, place, random.Random(0)).finish()
    assert not differences(run, numbers(kind))
    assert_durations_are_sane(run)


def assert_durations_are_sane(run: RunDir) -> None:
    told: list[float | None] = [status_of(run).active_s]
    for record in metrics_of(run):
        if isinstance(record, StepRecord):
            told += [record.step_s, record.data_wait_s]
        elif isinstance(record, EvalRecord):
            told.append(record.eval_s)
        elif isinstance(record, EpochRecord):
            told.append(record.epoch_s)
    assert all(0.0 <= (seconds or 0.0) < HOUR_S / 4 for seconds in told), told
