"""Several supervisors called for one run at once: one has it, and the others leave it alone."""

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rundir.control import Order, Verb, new_order_id, send
from rundir.layout import RunDir
from rundir.records import LifecycleEvent
from tests.conftest import eventually
from tests.process.tiny_run import events_of, kill_supervisor, status_of
from tests.soak.farm import Farm
from tests.soak.kinds import KINDS, Kind
from tests.soak.oracle import Numbers, differences
from tests.soak.slaughter import Slaughter
from traind.launch import LaunchError

NUM_RIVALS = 4


@pytest.mark.slow
def test_one_of_many_has_the_run(farm: Farm, place: Path, numbers: Callable[[Kind], Numbers]) -> None:
    """Beside a living one, none; after its death, one, however many come at once."""
    kind = KINDS[0]
    run = farm.start(kind.write_config(place), *kind.settings)
    eventually(lambda: status_of(run).step > 5, 60.0)
    assert rivals(farm, run) == 0
    kill_supervisor(run)
    assert rivals(farm, run) == 1
    Slaughter(farm, run, place, random.Random(0)).finish()
    assert not differences(run, numbers(kind))
    spawned = [event for event in events_of(run) if isinstance(event, LifecycleEvent) and event.what == "spawned"]
    assert len(spawned) == status_of(run).attempt == 2


def rivals(farm: Farm, run: RunDir) -> int:
    """How many of those called at once take up the run. Each comes with a resume of its own."""
    taken: list[int] = []

    def come() -> None:
        order = Order(verb=Verb.RESUME, id=new_order_id())
        send(run, order)
        try:
            farm.supervise(run, order.id)
        except LaunchError:
            return
        taken.append(1)

    threads = [threading.Thread(target=come) for _ in range(NUM_RIVALS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(taken)
