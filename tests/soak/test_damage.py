"""The newest checkpoint is damaged while nobody looks: the run goes on from the one before, and names what it left."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from rundir.control import Verb
from rundir.records import ResumeEvent
from rundir.status import State
from tests.conftest import eventually
from tests.process.tiny_run import events_of, kill_supervisor, status_of
from tests.soak.farm import Farm
from tests.soak.kinds import KINDS, Kind
from tests.soak.oracle import Numbers, differences
from tests.soak.slaughter import Slaughter


def truncated(checkpoint: Path) -> None:
    weights = checkpoint / "model.safetensors"
    with weights.open("r+b") as file:
        file.truncate(weights.stat().st_size // 2)


def flipped(checkpoint: Path) -> None:
    path = checkpoint / "optimizer.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 0x10
    path.write_bytes(data)


def without_a_file(checkpoint: Path) -> None:
    (checkpoint / "state.json").unlink()


def without_manifest(checkpoint: Path) -> None:
    (checkpoint / "manifest.json").unlink()


@pytest.mark.slow
@pytest.mark.parametrize("damage", [truncated, flipped, without_a_file, without_manifest])
def test_the_one_before_is_taken(
    farm: Farm, place: Path, numbers: Callable[[Kind], Numbers], damage: Callable[[Path], None]
) -> None:
    kind = KINDS[0]
    run = farm.start(kind.write_config(place), *kind.settings)
    eventually(lambda: status_of(run).step > 10, 60.0)
    assert farm.order(run, Verb.PARK) is not None
    eventually(lambda: status_of(run).state is State.PARKED, 20.0)
    kill_supervisor(run)
    *_, before, newest = sorted(run.checkpoints.glob("step-*"))
    damage(newest)
    Slaughter(farm, run, place, random.Random(0)).finish()
    assert not differences(run, numbers(kind))
    (resume,) = [event for event in events_of(run) if isinstance(event, ResumeEvent)]
    assert resume.checkpoint == before.name
    assert list(resume.passed_over or {}) == [newest.name]
