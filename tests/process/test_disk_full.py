"""A disk without room, while records are written and while checkpoints are: nothing is lost, and it is said.

The room is taken from the trainer alone by a real limit on the size of its files: writes come back short, then fail. On
a small tmpfs, where one may be mounted, supervisor and trainer run out of it together.
"""

import contextlib
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rundir.layout import RunDir
from rundir.records import AlertEvent, LifecycleEvent, StepRecord
from rundir.status import Liveness, State, liveness
from tests.conftest import eventually
from tests.process.tiny_run import Trace, Traind, events_of, metrics_of, status_of, trace_of

LONG = (
    *("train.max_steps=1000", "train.batch_size=1", "train.accumulation=1", "data.num_workers=0"),
    *("eval.every=500", "checkpoint.every=250"),
)
"""More steps than records may wait."""


@pytest.fixture(scope="module")
def undisturbed_long(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    from tests.process.tiny_run import write_config

    directory = tmp_path_factory.mktemp("undisturbed-long")
    traind = Traind(directory)
    run = traind.start(write_config(directory), *LONG)
    traind.finish(run)
    return trace_of(run)


@contextmanager
def files_no_larger(run: RunDir, num_bytes: int) -> Iterator[None]:
    """For the trainer that runs now."""
    heart = status_of(run).trainer
    assert heart is not None
    before = resource.prlimit(heart.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(heart.process.pid, resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):  # it may have left, as it was told
            resource.prlimit(heart.process.pid, resource.RLIMIT_FSIZE, before)


def said(run: RunDir, what: str) -> list[LifecycleEvent]:
    return [event for event in events_of(run) if isinstance(event, LifecycleEvent) and event.what == what]


def storage_alerts(run: RunDir) -> list[str]:
    return [event.change for event in events_of(run) if isinstance(event, AlertEvent) and event.rule == "storage"]


def is_held(run: RunDir) -> bool:
    return any("disk is full" in event.message for event in said(run, "paused"))


@pytest.mark.slow
def test_records_wait_then_the_loop_does_and_none_is_lost(
    traind: Traind, config: Path, undisturbed_long: Trace
) -> None:
    run = traind.start(config, *LONG)
    eventually(lambda: status_of(run).step > 50, 30.0)
    with files_no_larger(run, run.metrics.stat().st_size + 100):
        eventually(lambda: is_held(run), 60.0)
        held_at = eventually(lambda: status_of(run).state is State.PAUSED and status_of(run).step)
        assert liveness(status_of(run), time.time()) is Liveness.LIVE
        assert storage_alerts(run)[0] == "raised"
        refused = traind("resume", str(run.path))
        assert refused.returncode == 3
        assert "goes on by itself" in refused.stderr + refused.stdout
        assert status_of(run).step == held_at
    traind.finish(run)
    assert trace_of(run) == undisturbed_long
    assert storage_alerts(run)[-1] == "cleared"
    assert len(said(run, "disk_full")) == len(said(run, "disk_ok")) == 1


@pytest.mark.slow
def test_a_save_that_fails_costs_no_older_checkpoint_and_no_step(
    traind: Traind, config: Path, undisturbed_long: Trace
) -> None:
    run = traind.start(config, *LONG)
    eventually(lambda: status_of(run).checkpoint, 60.0)
    with files_no_larger(run, 20_000 + run.metrics.stat().st_size):
        eventually(lambda: said(run, "checkpoint_failed"), 60.0)
        assert sorted(path.name for path in run.checkpoints.glob("step-*")) == ["step-00000250"]
        assert not list(run.checkpoints.glob(".writing-*"))
        assert "step 250" in said(run, "checkpoint_failed")[0].message
    traind.finish(run)
    assert trace_of(run) == undisturbed_long
    assert storage_alerts(run)[-1] == "cleared"


@pytest.mark.slow
@pytest.mark.soak
def test_stopping_without_room_says_which_steps_are_not_saved(traind: Traind, config: Path) -> None:
    run = traind.start(config, *LONG)
    eventually(lambda: status_of(run).checkpoint, 60.0)
    with files_no_larger(run, 30_000 + run.metrics.stat().st_size):
        traind.ok("stop", str(run.path))
        eventually(lambda: status_of(run).state.has_ended, 30.0)
    status = status_of(run)
    assert status.state is State.STOPPED
    assert f"steps 251 to {status.step} are not saved" in (status.last_error or "")
    assert str(status.last_error) in said(run, "stopped")[0].message


@pytest.mark.slow
@pytest.mark.soak
def test_a_finished_run_waits_with_its_weights_until_there_is_room(
    traind: Traind, config: Path, undisturbed: Trace
) -> None:
    run = traind.start(config, "checkpoint.every=1000", "eval.every=7", "log.every=1")
    with files_no_larger(run, 60_000):
        eventually(lambda: [e for e in said(run, "paused") if "cannot be written" in e.message], 60.0)
        eventually(lambda: status_of(run).state is State.PAUSED)
    traind.finish(run)
    assert trace_of(run) == undisturbed


@pytest.mark.slow
def test_records_that_waited_at_the_end_find_room_by_themselves(traind: Traind, config: Path) -> None:
    """Fewer than the loop holds for, and none to come that would take them along: the last save needs them on disk."""
    run = traind.start(config, *LONG, "train.max_steps=400")
    eventually(lambda: status_of(run).step > 50, 30.0)
    with files_no_larger(run, run.metrics.stat().st_size + 100):
        eventually(lambda: status_of(run).state is State.PAUSED, 60.0)
        assert status_of(run).step == 400
        assert "cannot be written" in said(run, "paused")[0].message
    traind.finish(run)
    assert [record.step for record in metrics_of(run) if isinstance(record, StepRecord)] == list(range(1, 401))
    assert storage_alerts(run)[-1] == "cleared"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """24 MiB of their own, where the runs are made."""
    place = tmp_path / "runs"
    place.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=24m", "none", str(place)]
    if os.geteuid() != 0 or mount is None or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_waited_out(small_disk: Path, traind: Traind, config: Path, undisturbed_long: Trace) -> None:
    """Supervisor and trainer have no byte left: the run is seen alive, refuses to park, and goes on by itself."""
    run = traind.start(config, *LONG)
    eventually(lambda: status_of(run).checkpoint, 60.0)
    filler = small_disk / "filler"
    try:
        eventually(lambda: is_paused_on(full_disk(filler), run), 60.0)
        assert liveness(status_of(run), time.time()) is Liveness.LIVE
        assert any(change == "raised" for change in storage_alerts(run))
    finally:
        filler.unlink()
    traind.finish(run)
    assert trace_of(run) == undisturbed_long
    assert storage_alerts(run)[-1] == "cleared"


def is_paused_on(filler: Path, run: RunDir) -> bool:
    return filler.is_file() and status_of(run).state is State.PAUSED


def full_disk(path: Path) -> Path:
    """Take what is free, with a file."""
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return path


@pytest.mark.slow
def test_what_would_find_no_room_is_skipped_and_park_is_refused(
    small_disk: Path, traind: Traind, config: Path, undisturbed_long: Trace
) -> None:
    run = traind.start(config, *LONG)
    eventually(lambda: status_of(run).checkpoint, 60.0)
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(small_disk).free - 900_000)
    parked = traind("park", str(run.path))
    assert (parked.returncode, "no room for its checkpoint" in parked.stderr + parked.stdout) == (3, True), parked
    (skipped, *_) = eventually(lambda: said(run, "checkpoint_skipped"), 60.0)
    assert (skipped.detail or {})["free_bytes"] < (skipped.detail or {})["need_bytes"]
    assert status_of(run).state is State.RUNNING
    assert newest_of(run) < (skipped.step or 0)  # one that had begun may have found its room
    filler.unlink()
    traind.finish(run)
    assert trace_of(run) == undisturbed_long
    assert storage_alerts(run) == ["raised", "cleared"]


def newest_of(run: RunDir) -> int:
    return max(int(path.name.removeprefix("step-")) for path in run.checkpoints.glob("step-*"))
