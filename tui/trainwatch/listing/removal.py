"""Removing a run's directory, or what is in it: never one that lives, and never half of one under its own name."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from rundir import layout
from rundir.layout import LATEST, RunDir
from rundir.status import Liveness, liveness, read_status


class StillAliveError(Exception):
    """The run lives, or nobody can say here that it does not."""


def remove(run: RunDir) -> None:
    """Remove a run and all its checkpoints; `latest` then names the newest of the others.

    Raises StillAliveError, with nothing touched, and OSError. The directory first loses its name, so that no reader
    ever sees part of a run; what could not be removed stays beside the others as `.removed-ID`.
    """
    with unattended(run):
        gone = run.path.with_name(f".removed-{run.id}")
        run.path.rename(gone)
    _repoint(run)
    shutil.rmtree(gone)


@contextmanager
def unattended(run: RunDir) -> Iterator[None]:
    """Hold the lock of a run that nobody attends, so that nobody starts it meanwhile.

    Raises StillAliveError, and OSError.
    """
    _refuse_if_alive(run)
    lock = _take_lock(run)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _refuse_if_alive(run: RunDir) -> None:
    try:
        status = read_status(run.status_json)
    except msgspec.DecodeError:
        raise StillAliveError("its status.json is not readable: whether it lives is not known") from None
    verdict = liveness(status, time.time()) if status is not None else Liveness.DEAD
    if verdict is Liveness.UNKNOWN:
        raise StillAliveError("it runs on another machine, and may live")
    if verdict in (Liveness.LIVE, Liveness.SILENT, Liveness.ORPHANED):
        raise StillAliveError("it lives; stop it first")


def _take_lock(run: RunDir) -> int | None:
    """The run's lock, which a supervisor and its trainer hold; None where there never was one."""
    try:
        lock = os.open(run.lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StillAliveError("a process of it holds its lock; stop it first") from None
    return lock


def _repoint(run: RunDir) -> None:
    link: Path = run.path.parent / LATEST
    try:
        if link.readlink().name != run.id:
            return
    except OSError:
        return
    others = layout.find_runs(run.path.parent)
    if others:
        layout.point_latest(others[0])
    else:
        link.unlink(missing_ok=True)
