"""Whose the processes are that hold GPU memory, and which of ours are left over. Names them; never ends one."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import psutil

from rundir import layout
from rundir.layout import RunDir
from rundir.size import size
from rundir.status import Liveness, State, Status, known_status, liveness
from traind.check.finding import Finding, ok, warn
from traind.doctor.command import shown
from traind.doctor.gpu import Gpus, untold
from traind.words import MISSING, duration

T = TypeVar("T")

_PARTS = ("traind.trainer", "traind.rank", "traind.supervise")
_PROC = Path("/proc")
_FIRST_NAMESPACE = "pid:[4026531836]"
"""The machine's own process numbers: the kernel gives this namespace a fixed one (PROC_PID_INIT_INO)."""
_ALIVE = (Liveness.LIVE, Liveness.SILENT, Liveness.ORPHANED, Liveness.UNKNOWN)
"""Verdicts on a run that may still have processes."""


@dataclass(frozen=True, slots=True)
class Process:
    """What the system says of one process."""

    pid: int
    uid: int
    user: str
    command: tuple[str, ...]
    age_s: float
    has_parent: bool
    """Whether who started it still lives; init, or one that takes in orphans, is no parent."""
    directory: str = ""


@dataclass(frozen=True, slots=True)
class RunState:
    """What a run's status says, and the verdict on it."""

    id: str
    state: State
    verdict: Liveness
    is_recorded: bool = True
    """Whether the status names this very process, not only its command line the run."""


def examine_holders(
    seen: Gpus, look: Callable[[int], Process | None], run_of: Callable[[Process], RunState | None], own_uid: int
) -> Iterator[Finding]:
    """A finding for each process that holds memory, and one for memory that nobody accounts for."""
    for gpu in seen.gpus:
        for pid, num_bytes in gpu.holders:
            held = f"GPU {gpu.index}, {MISSING if num_bytes is None else size(num_bytes)}"
            process = look(pid)
            if process is None:
                yield ok(
                    "GPU held",
                    f"{held}: process {pid} is not visible from here; whose it is cannot be told "
                    "(containers see the host's numbers)",
                )
            else:
                yield _judge(process, held, run_of(process), own_uid)
        rest = untold(gpu)
        if rest:
            yield warn(
                "GPU held",
                f"GPU {gpu.index}: {size(rest)} are held by processes that NVML does not show here; whose they are "
                "cannot be told (usual in containers)",
                "look on the host: nvidia-smi, then ps -o user,etime,args -p PID",
            )


def _judge(process: Process, held: str, run: RunState | None, own_uid: int) -> Finding:
    since = duration(process.age_s)
    text = f"{held}: process {process.pid} of {process.user}, since {since}: {shown(process.command)}"
    end = f"kill {process.pid}   (kill -9 {process.pid} if it is still there after a minute)"
    if process.uid != own_uid:
        return ok("GPU held", text)
    if run is not None:
        if run.verdict in _ALIVE and (run.is_recorded or process.has_parent):
            return ok("GPU held", f"{text}\nit belongs to run {run.id} ({run.state})")
        why = "has ended" if run.verdict is Liveness.ENDED else f"is {run.verdict}"
        if run.verdict in _ALIVE:
            why = "goes on with another process"
        return warn("GPU held", f"{text}\nstale: its run {run.id} {why}", end)
    if not process.has_parent:
        return warn("GPU held", f"{text}\nperhaps stale: who started it is gone", f"if it is of no use any more: {end}")
    return ok("GPU held", text)


def look_at_holder(pid: int) -> Process | None:
    """The process that NVML means by a number; None when it cannot be seen from here."""
    return look(pid) if is_holder(pid) else None


def is_holder(pid: int, proc: Path = _PROC) -> bool:
    """Whether the process of this number is one that has a GPU open.

    In a container NVML may give the host's numbers, and who has the number here is somebody else. Where the descriptors
    may not be read, the number alone is believed, if it is of the machine's own namespace.
    """
    try:
        return any(_target(descriptor).startswith("/dev/nvidia") for descriptor in (proc / str(pid) / "fd").iterdir())
    except PermissionError:
        return _target(proc / "self" / "ns" / "pid") == _FIRST_NAMESPACE
    except OSError:
        return False


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed meanwhile
        return ""


def look(pid: int) -> Process | None:
    """A process of this machine, as far as it may be seen; None when there is none by that number."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            return Process(
                pid=pid,
                uid=process.uids().real,
                user=process.username(),
                command=tuple(_allowed(process.cmdline, []) or [process.name()]),
                age_s=max(0.0, time.time() - process.create_time()),
                has_parent=_has_parent(process),
                directory=_allowed(process.cwd, ""),
            )
    except psutil.Error:
        return None


def _allowed(query: Callable[[], T], otherwise: T) -> T:
    try:
        return query()
    except psutil.Error:
        return otherwise


def _has_parent(process: psutil.Process) -> bool:
    parent = process.parent()
    return parent is not None and parent.pid != 1 and _allowed(parent.name, "") != "systemd"


def run_of(process: Process, runs_dir: Path) -> RunState | None:
    """The run whose supervisor or trainer (or child of it, which has its command line) a process is."""
    path = run_path(process.command, process.directory)
    runs = [RunDir(path)] if path is not None else layout.find_runs(runs_dir)
    for run in runs:
        status = known_status(run.status_json)
        is_recorded = status is not None and _names(status, process.pid)
        if status is not None and (path is not None or is_recorded):
            return RunState(run.id, status.state, liveness(status, time.time()), is_recorded)
    return None


def run_path(command: Sequence[str], directory: str) -> Path | None:
    """The run that a command line of ours names: `python -m traind.trainer RUN …`."""
    for module, argument in pairwise(command):
        if module in _PARTS:
            return Path(os.path.normpath(Path(directory) / argument))
    return None


def _names(status: Status, pid: int) -> bool:
    hearts = (status.supervisor, status.trainer)
    named = [heart.process for heart in hearts if heart is not None] + list(status.ranks.values())
    return any(process.pid == pid for process in named)
