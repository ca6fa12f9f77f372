"""Room that a run needs on this machine: memory, shared memory, disk, descriptors, watches. Thresholds stand here."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import psutil

from rundir.size import size
from traind.check.finding import Finding, fault, ok, warn
from traind.doctor.cpu import Limits
from traind.doctor.shell import read

GIB = 2**30
LEAST_DISK, LITTLE_DISK = 1 * GIB, 10 * GIB
LEAST_MEMORY, LITTLE_MEMORY = 1 * GIB, 3 * GIB
LITTLE_SHM = 256 * 2**20
"""Docker gives 64 MiB: loader workers hand batches over through it."""
FEW_DESCRIPTORS = 1024
FEW_WATCHES, FEW_INSTANCES = 1024, 16


def examine_disk(what: str, path: Path, free_bytes: int, total_bytes: int) -> Finding:
    """Whether checkpoints and models fit: one of DistilBERT with its optimizer takes 0.8 GB."""
    text = f"{size(free_bytes)} of {size(total_bytes)} free at {path}"
    cure = f"free some, or take another disk: {'--runs-dir' if what == 'disk' else 'HF_HOME'} says where"
    if free_bytes < LEAST_DISK:
        return fault(what, text, cure)
    return warn(what, text, cure) if free_bytes < LITTLE_DISK else ok(what, text)


def examine_memory(available_bytes: int, total_bytes: int, limits: Limits) -> Finding:
    """Host memory, within what the control group has left."""
    text = f"{size(available_bytes)} of {size(total_bytes)} available"
    limit_bytes = limits.memory_bytes
    if limit_bytes is not None and limit_bytes < total_bytes:
        left_bytes = limit_bytes if limits.memory_left_bytes is None else limits.memory_left_bytes
        left = "" if limits.memory_left_bytes is None else f", {size(left_bytes)} of them left"
        text += f", {size(limit_bytes)} allowed to this control group{left}"
        available_bytes = min(available_bytes, left_bytes)
    cure = "end what else runs, or take a smaller model; the system kills who asks for more"
    if available_bytes < LEAST_MEMORY:
        return fault("memory", text, cure)
    return warn("memory", text, cure) if available_bytes < LITTLE_MEMORY else ok("memory", text)


def examine_shm(free_bytes: int | None, total_bytes: int) -> Finding:
    """Shared memory of loader workers."""
    if free_bytes is None:
        return ok("shared memory", "no /dev/shm here")
    text = f"{size(free_bytes)} of {size(total_bytes)} free in /dev/shm"
    if free_bytes < LITTLE_SHM:
        cure = "docker run --shm-size=2g (or --ipc=host); else data.num_workers = 0"
        return warn("shared memory", f"{text}: loader workers would die with a bus error", cure)
    return ok("shared memory", text)


def examine_descriptors(soft: int, hard: int) -> Finding:
    """How many files a process may open."""
    text = f"{_limit(soft)} a process (at most {_limit(hard)})"
    if soft != resource.RLIM_INFINITY and soft < FEW_DESCRIPTORS:
        return warn("open files", text, f"ulimit -n {min(4096, hard) if hard > 0 else 4096}")
    return ok("open files", text)


def _limit(number: int) -> str:
    return "unlimited" if number == resource.RLIM_INFINITY else f"{number:,}"


def examine_inotify(watches: str | None, instances: str | None) -> Finding:
    """Whether the dashboard can be woken by file events; else it looks once a second."""
    if watches is None or instances is None:
        return ok("inotify", "not told here; the dashboard looks at the files by a timer")
    text = f"{int(watches):,} watches, {int(instances):,} instances a user"
    if int(watches) < FEW_WATCHES or int(instances) < FEW_INSTANCES:
        cure = "sudo sysctl fs.inotify.max_user_watches=65536 fs.inotify.max_user_instances=128"
        return warn("inotify", f"{text}: the dashboard may have to look by a timer", cure)
    return ok("inotify", text)


def examine_room(runs_dir: Path, hub_cache: Path, limits: Limits) -> Iterator[Finding]:
    """All of it, as this machine has it now. Raises OSError."""
    memory = psutil.virtual_memory()
    yield examine_memory(memory.available, memory.total, limits)
    shm = Path("/dev/shm")  # noqa: S108 - looked at, not written to
    usage = psutil.disk_usage(str(shm)) if shm.is_dir() else None
    yield examine_shm(None if usage is None else usage.free, 0 if usage is None else usage.total)
    place, cache = existing(runs_dir), existing(hub_cache)
    disk = psutil.disk_usage(str(place))
    yield examine_disk("disk", place, disk.free, disk.total)
    if cache.stat().st_dev != place.stat().st_dev:
        disk = psutil.disk_usage(str(cache))
        yield examine_disk("hub disk", cache, disk.free, disk.total)
    if not os.access(place, os.W_OK):
        yield fault("runs", f"{place} cannot be written to", "give another place with --runs-dir, or mend its owner")
    yield examine_descriptors(*resource.getrlimit(resource.RLIMIT_NOFILE))
    inotify = (read(f"/proc/sys/fs/inotify/max_user_{name}") for name in ("watches", "instances"))
    yield examine_inotify(*inotify)


def existing(directory: Path) -> Path:
    """The directory, or the nearest above it that is there: the same disk."""
    return next(place for place in (directory.absolute(), *directory.absolute().parents) if place.exists())
