"""SIGKILL at seeded moments of whoever takes part in a run: it always comes back, and no number differs.

`make soak` does a hundred, `make fault` some of them; `--kills` and `--seed` choose others. One that fails names its
seed, and is repeated by it.
"""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from rundir.layout import RunDir
from tests.soak import faults, ledger, table
from tests.soak.farm import Farm
from tests.soak.kill_plan import plan
from tests.soak.kinds import KINDS, RANKS, SPRINTS, Kind
from tests.soak.oracle import Numbers, differences, numbers_of, outcomes_of, run_through
from tests.soak.slaughter import Hit, LostRunError, Slaughter

KILLS_A_TEST = 5
MOST_RUNS = 8
"""A kill that finds no occasion in so many runs has none: a mistake in its plan."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "errand" in metafunc.fixturenames:
        num_tests = -(-metafunc.config.getoption("--kills") // KILLS_A_TEST)
        errands = [(i, KINDS[i % len(KINDS)]) for i in range(num_tests)]
        if metafunc.config.getoption("--faults") == table.ALL:
            errands.append((num_tests, RANKS))
        metafunc.parametrize("errand", errands, ids=[f"{i:02}-{kind.name}" for i, kind in errands])


@pytest.mark.slow
def test_whoever_is_killed_wherever_the_numbers_stay(
    farm: Farm,
    place: Path,
    numbers: Callable[[Kind], Numbers],
    errand: tuple[int, Kind],
    request: pytest.FixtureRequest,
) -> None:
    number, kind = errand
    seed = f"{request.config.getoption('--seed')}-{number}"
    rng = random.Random(seed)
    left = plan(seed, KILLS_A_TEST, victims=kind.victims, skips=kind.skips, sets=kind.sets)
    for run_number in range(MOST_RUNS):
        if not left:
            return
        directory = place / f"{run_number}"
        directory.mkdir()
        run = farm.start(kind.write_config(directory), *kind.settings, *SPRINTS)
        slaughter = Slaughter(farm, run, directory, rng)
        try:
            left = slaughter.kill_all(left)
            slaughter.finish()
        except LostRunError as error:
            _record(request, slaughter.hits, is_lost=True)
            pytest.fail(_told(seed, slaughter, f"lost: {error}"))
        wanted = _with_what_was_set(run, farm, kind, place / f"{run_number}-as-set") if kind.sets else numbers(kind)
        wrong = differences(run, wanted)
        _record(request, slaughter.hits, is_wrong=bool(wrong))
        assert not wrong, _told(seed, slaughter, "; ".join(wrong))
    pytest.fail(f"seed {seed}: no occasion for {left[0]} in {MOST_RUNS} runs")


def _with_what_was_set(run: RunDir, farm: Farm, kind: Kind, directory: Path) -> Numbers:
    """The numbers of an undisturbed run in which the same was set at the same steps."""
    directory.mkdir()
    given = [event for event in outcomes_of(run) if event.verb == "set" and event.result == "applied"]
    return numbers_of(run_through(farm, kind, directory, given))


def _told(seed: str, slaughter: Slaughter, what: str) -> str:
    return "\n".join([f"seed {seed}, {slaughter.run.path}: {what}", "after", *map(str, slaughter.hits)])


def _record(request: pytest.FixtureRequest, hits: list[Hit], *, is_lost: bool = False, is_wrong: bool = False) -> None:
    for victim, name in faults.KILLED.items():
        moments = [hit.moment for hit in hits if hit.victim == victim]
        n = len(moments)
        if n:
            ledger.record(request, name, times=n, lost=n * is_lost, compared=n, wrong=n * is_wrong, note=moments)
