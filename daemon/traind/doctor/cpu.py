"""What there is for us: the machine's cores, those we may run on, and the control groups' share of cores and memory."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from traind.check.finding import Finding, ok, warn
from traind.doctor.shell import read

_CGROUPS = Path("/sys/fs/cgroup")
_UNLIMITED = 2**60
"""Version 1 says a number near 2^63 where there is no limit."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the control groups that we are in allow; None for no limit."""

    cores: float | None = None
    memory_bytes: int | None = None
    memory_left_bytes: int | None = None
    """Least room of any group that has a limit: the limit less what its processes use. Cached files can be given back,
    and so count as room as far as nothing has touched them lately."""


def own_groups(text: str) -> dict[str, str]:
    """Controller → group, of /proc/self/cgroup; the controller of version 2 is the empty string."""
    groups: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, colon, group = rest.partition(":")
        if colon:
            groups |= dict.fromkeys(controllers.split(","), group)
    return groups


def parse_cpu_max(text: str) -> float | None:
    """Cores of cgroup v2's cpu.max, `quota period` or `max period`."""
    quota, _, period = text.strip().partition(" ")
    return None if not quota.isdigit() or not period.isdigit() or int(period) == 0 else int(quota) / int(period)


def parse_bytes(text: str) -> int | None:
    """A memory limit of either version; None for `max`, and for the number that means it."""
    value = text.strip()
    return int(value) if value.isdigit() and int(value) < _UNLIMITED else None


def read_limits(root: Path = _CGROUPS, own: str | None = None) -> Limits:
    """The tightest limits of our groups and those above them; a container sees its own as the root."""
    groups = own_groups(own if own is not None else read("/proc/self/cgroup") or "")
    cores: list[float | None] = []
    memory: list[tuple[int, int | None]] = []
    for directory in _upwards(root, groups.get("", "/")):
        cores.append(parse_cpu_max(read(directory / "cpu.max") or ""))
        memory += _memory(directory, "memory.max", "memory.current", "inactive_file")
    for directory in _upwards(root / "cpu", groups.get("cpu", "/")):
        quota, period = (read(directory / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period"))
        cores.append(parse_cpu_max(f"{quota.strip()} {period.strip()}"))
    for directory in _upwards(root / "memory", groups.get("memory", "/")):
        memory += _memory(directory, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    return Limits(
        min((c for c in cores if c is not None), default=None),
        min((limit for limit, _ in memory), default=None),
        min((left for _, left in memory if left is not None), default=None),
    )


def _memory(directory: Path, limit_name: str, usage_name: str, cached_name: str) -> list[tuple[int, int | None]]:
    """A group's limit and what is left within it (None: not told); empty for a group without a limit."""
    limit = parse_bytes(read(directory / limit_name) or "")
    if limit is None:
        return []
    used = parse_bytes(read(directory / usage_name) or "")
    stat = dict(line.split(maxsplit=1) for line in (read(directory / "memory.stat") or "").splitlines() if " " in line)
    cached = parse_bytes(stat.get(cached_name, "")) or 0
    return [(limit, None if used is None else max(0, limit - max(0, used - cached)))]


def _upwards(root: Path, group: str) -> Iterator[Path]:
    """A group's directory and all above it, up to the root."""
    directory = root / group.lstrip("/")
    yield directory
    while directory != root:
        directory = directory.parent
        yield directory


def examine_cpu(
    num_cores: int, num_allowed: int, quota: float | None, environment: Mapping[str, str]
) -> Iterator[Finding]:
    """Cores, and whether the thread settings fit them."""
    text = f"{num_cores:,} cores" + (f", {num_allowed:,} of them ours" if num_allowed < num_cores else "")
    usable = float(num_allowed)
    if quota is not None and quota < num_allowed:
        usable = quota
        cure = f"train.threads = {max(1, int(quota))}: more threads are put to sleep within every step"
        yield warn("CPU", f"{text}; the control group allows the time of {quota:g}", cure)
    else:
        yield ok("CPU", text)
    settings = [f"{name}={environment[name]}" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in environment]
    if not settings:
        yield ok("threads", "neither OMP_NUM_THREADS nor MKL_NUM_THREADS is set: torch takes a thread a core")
        return
    wanted = environment.get("OMP_NUM_THREADS", "").partition(",")[0]
    text = ", ".join(settings)
    if wanted == "1" and usable >= 2:
        yield warn("threads", f"{text}: torch computes on one core", "unset OMP_NUM_THREADS, or set train.threads")
    elif wanted.isdigit() and int(wanted) > max(1.0, usable):
        yield warn("threads", f"{text}: more threads than cores", f"OMP_NUM_THREADS={max(1, int(usable))}")
    else:
        yield ok("threads", text)


def num_allowed() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
