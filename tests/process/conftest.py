"""Fixtures of the process tests: the command line, a tiny configuration, and the trace of its undisturbed run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rundir import layout
from rundir.status import read_status
from tests.process.tiny_run import Trace, Traind, kill_supervisor, kill_trainer, trace_of, write_config


@pytest.fixture
def traind(tmp_path: Path) -> Iterator[Traind]:
    """The command line in tmp_path; whatever still runs there afterwards is ended."""
    yield Traind(tmp_path)
    for run in layout.find_runs(tmp_path / "runs"):
        status = read_status(run.status_json)
        if status is not None and not status.state.has_ended:
            try:
                kill_supervisor(run)
            except ProcessLookupError:
                continue
            kill_trainer(run)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """What the tiny run gives when nobody touches it."""
    directory = tmp_path_factory.mktemp("undisturbed")
    traind = Traind(directory)
    run = traind.start(write_config(directory))
    traind.finish(run)
    return trace_of(run)
