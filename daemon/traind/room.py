"""Whether the disk has room for one more checkpoint. Knows no torch: the supervisor asks before it lets a run park."""

import os
from dataclasses import dataclass

from rundir.layout import RunDir
from rundir.size import size
from traind import lineage, manifest
from traind.manifest import InvalidCheckpointError

MARGIN_BYTES = 1 << 20
"""Left to the logs."""


@dataclass(frozen=True, slots=True)
class Lack:
    """Too little room."""

    need_bytes: int
    free_bytes: int

    def __str__(self) -> str:
        return f"it needs {size(self.need_bytes)}, and {size(self.free_bytes)} are free"


def lack(run: RunDir, num_bytes: int) -> Lack | None:
    """None where a checkpoint of so many bytes would find room, or where that cannot be told: the save will say."""
    try:
        disk = os.statvfs(run.checkpoints if run.checkpoints.is_dir() else run.path)
    except OSError:
        return None
    need, free = num_bytes + MARGIN_BYTES, disk.f_bavail * disk.f_frsize
    return Lack(need, free) if free < need else None


def refusal_to_park(run: RunDir) -> str | None:
    """Why parking now would lose steps: its checkpoint, as large as the last one, would find no room."""
    for path in lineage.paths(run):
        try:
            found = lack(run, manifest.size_bytes(path) - lineage.superseded_bytes(run))
        except InvalidCheckpointError:
            continue
        return None if found is None else f"no room for its checkpoint: {found}; make room, or `pause`"
    return None
