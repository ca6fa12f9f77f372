"""A process started by fork is what `subprocess.Popen` would have started, and so is a run of such processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import eventually
from tests.process.tiny_run import Traind, kill_trainer, status_of
from tests.soak.farm import REPOSITORY
from tests.soak.forked import ForkedProcess
from tests.soak.kinds import KINDS, Kind
from tests.soak.oracle import Numbers, numbers_of


@pytest.fixture
def leftovers() -> Any:
    """What a supervisor may have about it that its trainer must not inherit."""
    before = signal.signal(signal.SIGUSR1, lambda *_: None), signal.signal(signal.SIGHUP, signal.SIG_IGN)
    fd = os.open(os.devnull, os.O_RDONLY)
    yield
    os.close(fd)
    signal.signal(signal.SIGUSR1, before[0])
    signal.signal(signal.SIGHUP, before[1])


@pytest.mark.usefixtures("leftovers")
def test_a_forked_process_is_what_popen_starts(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    told = []
    for popen in (subprocess.Popen, ForkedProcess):
        paths = tmp_path / f"{popen.__name__}.out", tmp_path / f"{popen.__name__}.err"
        with paths[0].open("wb") as out, paths[1].open("wb") as err:
            started = popen(
                [sys.executable, "-m", "tests.soak.looks", "a", "--b"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                pass_fds=(write_end,),
                start_new_session=True,
                env=os.environ | {"MORE": "yes", "PYTHONPATH": os.pathsep.join(map(str, [REPOSITORY, *sys.path[:1]]))},
            )
        assert eventually(lambda started=started: started.poll() is not None, 30.0)
        assert started.returncode == 3
        assert paths[1].read_text(encoding="utf-8") == "to the console\n"
        told.append(json.loads(paths[0].read_text(encoding="utf-8")))
    os.close(read_end)
    os.close(write_end)
    assert told[1] == told[0]


def test_how_a_forked_process_ends_is_told_as_popen_does(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        started = ForkedProcess(
            [sys.executable, "-m", "tests.soak.waits"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            pass_fds=(),
            start_new_session=True,
            env=dict(os.environ),
        )
    eventually(lambda: (tmp_path / "out").read_text(encoding="utf-8") == "here\n")
    assert started.poll() is None
    started.terminate()
    eventually(lambda: started.poll() is not None)
    assert started.poll() == started.returncode == -signal.SIGTERM


@pytest.mark.slow
def test_a_run_of_forked_processes_is_an_ordinary_run(
    tmp_path: Path, traind: Traind, numbers: Callable[[Kind], Numbers]
) -> None:
    """Number for number; the ordinary one is killed once, so that it too has gone through a resume."""
    kind = KINDS[0]
    run = traind.start(kind.write_config(tmp_path))
    eventually(lambda: status_of(run).checkpoint, 60.0)
    kill_trainer(run)
    traind.finish(run)
    assert numbers_of(run) == numbers(kind)
