"""A resume takes the newest checkpoint that is whole, names the ones passed over and why, and no number differs.

Further damages, done to forked processes: tests/soak/test_damage.py.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rundir.layout import RunDir
from rundir.records import ResumeEvent
from tests.conftest import eventually
from tests.process.tiny_run import Trace, Traind, events_of, status_of, trace_of, write_config
from traind import lineage


def with_a_garbage_manifest(newest: Path) -> None:
    (newest / "manifest.json").write_bytes(b'\xff\x00{"files": 7')


def with_a_garbage_state(newest: Path) -> None:
    (newest / "state.json").write_bytes(b"[]")


def empty(newest: Path) -> None:
    for file in newest.iterdir():
        file.unlink()


DAMAGES: list[tuple[Callable[[Path], None], str]] = [
    (with_a_garbage_manifest, "manifest unreadable"),
    (with_a_garbage_state, "state.json has"),
    (empty, "no manifest"),
]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run that was stopped after a few checkpoints."""
    directory = tmp_path_factory.mktemp("stopped")
    traind = Traind(directory)
    run = traind.start(write_config(directory))
    eventually(lambda: status_of(run).step >= 10 and status_of(run).checkpoint, 60.0)
    traind.ok("stop", str(run.path))
    eventually(lambda: status_of(run).state.has_ended, 60.0)
    return run


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize(("damage", "reason"), DAMAGES, ids=[damage.__name__ for damage, _ in DAMAGES])
def test_the_one_before_is_taken(
    traind: Traind, stopped: RunDir, undisturbed: Trace, damage: Callable[[Path], None], reason: str
) -> None:
    run = RunDir(traind.directory / "runs" / stopped.id)
    shutil.copytree(stopped.path, run.path, symlinks=True)
    newest, before = lineage.paths(run)[:2]
    damage(newest)
    traind.ok("resume", str(run.path))
    traind.finish(run)
    (resumed,) = (event for event in events_of(run) if isinstance(event, ResumeEvent))
    assert resumed.checkpoint == before.name
    assert list(resumed.passed_over or {}) == [newest.name]
    assert reason in (resumed.passed_over or {})[newest.name]
    assert resumed.exact
    assert trace_of(run) == undisturbed


@pytest.mark.slow
def test_with_none_that_is_whole_it_begins_anew(traind: Traind, stopped: RunDir, undisturbed: Trace) -> None:
    run = RunDir(traind.directory / "runs" / stopped.id)
    shutil.copytree(stopped.path, run.path, symlinks=True)
    names = [path.name for path in lineage.paths(run)]
    for path in lineage.paths(run):
        empty(path)
    traind.ok("resume", str(run.path))
    traind.finish(run)
    (resumed,) = (event for event in events_of(run) if isinstance(event, ResumeEvent))
    assert (resumed.checkpoint, resumed.step) == (None, 0)
    assert list(resumed.passed_over or {}) == names
    assert trace_of(run) == undisturbed
