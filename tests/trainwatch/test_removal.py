"""Removing a run: whole, `latest` pointed on, and never one that lives."""

import fcntl
import os
from pathlib import Path

import msgspec
import pytest

from rundir import layout
from rundir.status import State, read_status, write_status
from tests.trainwatch.runs import make_run, set_status
from trainwatch.listing.removal import StillAliveError, remove


def test_a_run_goes_and_latest_points_on(tmp_path: Path) -> None:
    older, newer = make_run(tmp_path, "1-a"), make_run(tmp_path, "2-b")
    outside = tmp_path / "kept"
    outside.mkdir()
    (newer.path / "link").symlink_to(outside)
    for run in (older, newer):
        set_status(run, State.DONE)
    newer.lock.touch()
    layout.point_latest(newer)
    remove(newer)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-a", "kept", "latest"]
    assert (tmp_path / "latest").readlink() == Path("1-a")
    remove(older)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]


@pytest.mark.parametrize("how", ["live", "locked", "elsewhere", "unreadable"])
def test_a_run_that_may_live_is_not_touched(tmp_path: Path, how: str) -> None:
    run = make_run(tmp_path)
    set_status(run, State.RUNNING if how != "locked" else State.DONE, step=1)
    lock = os.open(run.lock, os.O_RDWR | os.O_CREAT)
    if how == "locked":
        fcntl.flock(lock, fcntl.LOCK_EX)
    if how == "elsewhere":
        status = read_status(run.status_json)
        assert status is not None
        write_status(run.status_json, msgspec.structs.replace(status, host="elsewhere"))
    if how == "unreadable":
        run.status_json.write_bytes(b"{")
    before = sorted(path.name for path in run.path.iterdir())
    with pytest.raises(StillAliveError):
        remove(run)
    os.close(lock)
    assert sorted(path.name for path in run.path.iterdir()) == before


def test_a_dead_run_may_go(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    set_status(run, State.RUNNING, step=1, alive=False)
    remove(run)
    assert not run.path.exists()
