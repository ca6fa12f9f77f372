"""The run directory of a script before its first record: found or made, locked, and told what it is."""

import errno
import fcntl
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from rundir import process, toml
from rundir.atomic import write_atomic
from rundir.layout import RunDir
from rundir.provenance import git, versions
from rundir.records import EVENT_DECODER, decode_lines, encode
from rundir.secret import redact, redact_value
from rundir.status import RunInfo, State, Status, read_status
from rundir.tail import Tail


class RunBusyError(Exception):
    """Another process writes the run; the text names it."""


def lock(run: RunDir) -> int:
    """Take the run's lock; the descriptor that holds it. Raises RunBusyError, OSError."""
    fd = os.open(run.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        status = _read_status(run)
        holder = "another process" if status is None or status.supervisor is None else status.supervisor.process.pid
        raise RunBusyError(f"{run.path}: written by process {holder} already") from None
    return fd


def last_status(run: RunDir) -> Status:
    """Of the last attempt; where there is none that can be read, its events still tell how many there were."""
    status = _read_status(run)
    if status is None:
        status, events = Status(run=run.id, state=State.STARTING), Tail(run.events)
        while not (chunk := events.poll()).at_end or chunk.lines:
            found = decode_lines(chunk.lines, EVENT_DECODER).records
            status.attempt = max([status.attempt, *(event.attempt for event in found)])
    return status


def _read_status(run: RunDir) -> Status | None:
    try:
        return read_status(run.status_json)
    except msgspec.DecodeError:
        return None


def describe(run: RunDir, name: str, task: str, planned_steps: int | None, config: Mapping[str, Any] | None) -> None:
    """Write config.toml and, of a new run, run.json, less the secrets in them. Raises OSError."""
    if config is not None or not run.config_toml.exists():
        write_atomic(run.config_toml, toml.dump(redact_value(dict(config or {}), os.environ)).encode())
    if run.run_json.exists():
        return
    commit, is_dirty = git(Path.cwd())
    info = RunInfo(
        id=run.id,
        name=name,
        task=task,
        created_at=time.time(),
        argv=[redact(word, os.environ) for word in sys.argv],
        host=process.host(),
        user=process.user(),
        git_commit=commit,
        git_dirty=is_dirty,
        versions=versions(("lightning",)),
        planned_steps=planned_steps,
        by_script=True,
    )
    write_atomic(run.run_json, encode(info))
