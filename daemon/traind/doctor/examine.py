"""The order in which the machine is looked at. One look that fails costs itself only."""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from rundir import layout, process
from rundir.status import known_status
from traind.check.finding import Finding, warn
from traind.doctor.clock import look_at_clock, now
from traind.doctor.cpu import examine_cpu, num_allowed, read_limits
from traind.doctor.cuda import ask_torch, examine_cuda
from traind.doctor.gpu import Gpus, ask_gpus, examine_gpus
from traind.doctor.holder import examine_holders, look_at_holder, run_of
from traind.doctor.hub import examine_hub, hub_places
from traind.doctor.logout import look_at_logout
from traind.doctor.room import examine_room
from traind.doctor.versions import look_at_versions, version

Look = Callable[[], Iterable[Finding]]


def examine(runs_dir: Path) -> Iterator[Finding]:
    """Every finding on this machine, the quick ones first. Never raises for what a system refuses to tell."""
    began = now()
    seen = ask_gpus()
    limits = read_limits()
    looks: dict[str, Look] = {
        "versions": look_at_versions,
        "GPU": partial(examine_gpus, seen),
        "GPU held": partial(examine_holders, seen, look_at_holder, partial(run_of, runs_dir=runs_dir), os.getuid()),
        "CPU": partial(examine_cpu, os.cpu_count() or 1, num_allowed(), limits.cores, os.environ),
        "room": partial(examine_room, runs_dir, hub_places(os.environ, Path.home()).cache, limits),
        "hub": partial(examine_hub, os.environ, Path.home()),
        "logout": lambda: [look_at_logout()],
        "clock": lambda: look_at_clock(began, _newest_at(runs_dir)),
        "CUDA": partial(_examine_cuda, seen),
    }
    for name, examine_part in looks.items():
        yield from _guarded(name, examine_part)


def _guarded(name: str, examine_part: Look) -> Iterator[Finding]:
    try:
        yield from examine_part()
    except (OSError, ValueError) as error:
        yield warn(name, f"could not be looked at: {error}", "look by hand; traind goes on without")


def _examine_cuda(seen: Gpus) -> Iterator[Finding]:
    """Torch takes seconds to load: it comes last, and not at all where it is not installed."""
    if version("torch") is not None:
        yield from examine_cuda(ask_torch(), seen, os.environ)


def _newest_at(runs_dir: Path) -> float | None:
    """The latest instant of any run's status."""
    found = []
    for run in layout.find_runs(runs_dir):
        status = known_status(run.status_json)
        if status is not None and status.host in ("", process.host()):
            found.append(status.updated_at)
    return max(found, default=None)
