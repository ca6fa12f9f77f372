"""Fixtures of the soak: the preloaded process, and the numbers of each kind of run that nobody has touched."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process.tiny_run import Traind
from tests.soak.farm import Farm, end_all, farm
from tests.soak.kinds import Kind
from tests.soak.oracle import numbers_of, run_through

Numbers = dict[str, Any]


@pytest.fixture(scope="session", name="farm")
def farm_fixture() -> Iterator[Farm]:
    with farm() as made:
        yield made


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory whose runs are ended afterwards, whatever has become of them."""
    yield tmp_path
    for directory in (tmp_path, *(path for path in tmp_path.iterdir() if path.is_dir())):
        end_all(directory)


@pytest.fixture(scope="session")
def numbers(farm: Farm, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], Numbers]:
    """What a kind of run computes when nobody touches it; run once."""
    seen: dict[str, Numbers] = {}

    def of(kind: Kind) -> Numbers:
        if kind.name not in seen:
            directory = tmp_path_factory.mktemp(kind.name)
            seen[kind.name] = numbers_of(run_through(farm, kind, directory))
        return seen[kind.name]

    return of


@pytest.fixture
def traind(place: Path) -> Traind:
    """The command line itself, for comparison."""
    return Traind(place)
