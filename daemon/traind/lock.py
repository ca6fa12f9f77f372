"""One supervisor a run, and never two trainers: the lock file, and waiting for what an earlier supervisor left behind.

The lock is a flock on an open file description that the trainer inherits (its loader workers do not), so that it is
held as long as any of them lives.
"""

import contextlib
import fcntl
import os
import signal
import time

from rundir import process
from rundir.layout import RunDir
from rundir.process import ProcessId
from rundir.status import Status, known_status

DYING_S = 5.0
"""What processes that were ended are given to be gone, and others of theirs that the status does not name."""


class RunBusyError(Exception):
    """Another supervisor holds the run; the text names it."""


def acquire(run: RunDir, grace_s: float) -> int:
    """Take the run's lock; returns the descriptor that holds it.

    A trainer that outlived its supervisor is given `grace_s` to checkpoint and leave, then it is ended. Raises
    RunBusyError while a supervisor lives, OSError where the file cannot be opened.
    """
    fd = os.open(run.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    give_up_at = time.monotonic() + grace_s
    while not _try_lock(fd):
        status = known_status(run.status_json)
        holder = None if status is None else status.supervisor
        is_closing = status is not None and status.state.has_ended and time.monotonic() < give_up_at
        if holder is not None and process.is_alive(holder.process) and not is_closing:
            os.close(fd)
            raise RunBusyError(f"{run.path}: already supervised by process {holder.process.pid}")
        if time.monotonic() > give_up_at:
            left = _trainers(status)
            if not left:
                os.close(fd)
                raise RunBusyError(f"{run.lock}: held by a process that the run's status does not name")
            for trainer in left:
                end(trainer)
            give_up_at = time.monotonic() + DYING_S
        time.sleep(0.05)
    return fd


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _trainers(status: Status | None) -> list[ProcessId]:
    """The processes a status names that still train."""
    if status is None:
        return []
    named = [*status.ranks.values()] + ([status.trainer.process] if status.trainer is not None else [])
    return [trainer for trainer in named if process.is_alive(trainer)]


def end(leader: ProcessId) -> None:
    """SIGKILL a process and its group, if it still is that very process and not a later one with its pid."""
    try:
        pidfd = os.pidfd_open(leader.pid)
    except ProcessLookupError:
        return
    try:
        # With the pidfd open, a matching start time now proves that the group id is still its own.
        if process.is_alive(leader):
            os.killpg(leader.pid, signal.SIGKILL)
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
    finally:
        os.close(pidfd)


def end_orphans(leader: ProcessId) -> None:
    """SIGKILL what a process that is gone has left of its group, if that was one; the system gives its pid to nobody
    else meanwhile. Only for a process that this one has started: a stranger's may be of an earlier boot.
    """
    if process.identify(leader.pid) is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader.pid, signal.SIGKILL)
