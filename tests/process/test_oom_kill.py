"""The kernel ends a trainer for want of memory, in a memory cgroup made for it; where none can be made, no test."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rundir import layout
from rundir.layout import RunDir
from rundir.records import ResumeEvent
from rundir.status import State
from tests.conftest import eventually
from tests.process.seen import trainers_of
from tests.process.tiny_run import Traind, events_of, kill_trainer, status_of
from tests.process.trouble import LONG, lifecycle, trouble
from traind.oom_kill import counter_file

LIMIT_BYTES = 1200 * 1024**2
HUNGRY = "x = b'x' * (16 * 2**30)"


@pytest.fixture
def small_cgroup() -> Iterator[Path]:
    """A memory cgroup below our own."""
    counter = counter_file(os.getpid())
    if counter is None:
        pytest.skip("no memory cgroup that counts its OOM kills")
    directory = counter.parent / f"traind-test-{os.getpid()}"
    limit = "memory.limit_in_bytes" if counter.name == "memory.oom_control" else "memory.max"
    try:
        directory.mkdir()
    except OSError as error:
        pytest.skip(f"a memory cgroup cannot be made here: {error}")
    try:
        (directory / limit).write_text(str(LIMIT_BYTES), encoding="ascii")
    except OSError as error:
        directory.rmdir()
        pytest.skip(f"a memory cgroup cannot be limited here: {error}")
    yield directory
    eventually(lambda: _is_removed(directory))


def _is_removed(directory: Path) -> bool:
    try:
        directory.rmdir()
    except OSError:
        return False
    return True


def start_inside(cgroup: Path, config: Path, *settings: str) -> RunDir:
    overrides = [word for setting in (*LONG, *settings) for word in ("--set", setting)]
    inside = f"echo $$ > {cgroup}/cgroup.procs && exec " + '"$@"'
    command = [sys.executable, "-m", "traind.cli", "start", str(config), *overrides]
    directory = config.parent
    begun = subprocess.run(
        ["/bin/sh", "-c", inside, "sh", *command],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert begun.returncode == 0, begun.stderr
    return RunDir(layout.find_runs(directory / "runs")[0].path)


@pytest.mark.slow
def test_a_loader_worker_that_the_kernel_ends_is_no_deterministic_fault(
    traind: Traind, tmp_path: Path, small_cgroup: Path
) -> None:
    made = trouble(tmp_path, HUNGRY, inside="collate")
    run = start_inside(small_cgroup, made.config, "data.num_workers=1")
    made.make()
    (crashed,) = eventually(lambda: lifecycle(run, "crashed"), 40.0)
    assert crashed.message.startswith("killed by the kernel: out of memory")
    eventually(lambda: status_of(run).attempt == 2, 20.0)
    assert status_of(run).oom_kills == 1
    traind.ok("kill", str(run.path))


@pytest.mark.slow
def test_a_kill_by_the_kernel_is_told_apart_from_one_by_a_person(
    traind: Traind, tmp_path: Path, small_cgroup: Path
) -> None:
    made = trouble(tmp_path, HUNGRY)
    run = start_inside(small_cgroup, made.config)
    made.make()
    (crashed,) = eventually(lambda: lifecycle(run, "crashed"), 40.0)
    assert crashed.message == "killed by the kernel: out of memory"
    assert (crashed.detail or {})["oom_kill"] is True
    eventually(lambda: status_of(run).attempt == 2 and status_of(run).state is State.RUNNING, 60.0)
    assert status_of(run).oom_kills == 1
    (trainer,) = {pid for pid in trainers_of(run) if b"--oom-kills" in Path(f"/proc/{pid}/cmdline").read_bytes()}
    words = Path(f"/proc/{trainer}/cmdline").read_bytes().split(b"\0")
    assert words[words.index(b"--oom-kills") + 1] == b"1"
    (smaller,) = lifecycle(run, "out_of_memory")
    assert ((smaller.detail or {})["before"], (smaller.detail or {})["after"]) == (4, 2)
    resumed = next(event for event in events_of(run) if isinstance(event, ResumeEvent))
    assert (resumed.differences or {}).get("micro_batch", "as configured → 2") == "as configured → 2"
    # A new trainer counts anew.
    traind.ok("park", str(run.path))
    traind.ok("resume", str(run.path))
    eventually(lambda: status_of(run).state is State.RUNNING, 60.0)
    kill_trainer(run)
    eventually(lambda: len(lifecycle(run, "crashed")) == 2, 20.0)
    assert lifecycle(run, "crashed")[1].message == "killed by SIGKILL"
    assert status_of(run).oom_kills == 1
    traind.ok("kill", str(run.path))
