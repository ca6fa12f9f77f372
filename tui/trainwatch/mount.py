"""Whether a path lies on another machine's disk, where a file can go away under whoever has it mapped."""

import os
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
REMOTE = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "orangefs",
    "panfs", "wekafs", "virtiofs", "sshfs",
})  # fmt: skip
"""Kinds of file systems; `fuse.` before it is left out."""


def is_remote(path: Path) -> bool:
    """False where the system does not say."""
    try:
        return kind_of(path.resolve(), MOUNTS.read_text(encoding="utf-8", errors="replace")) in REMOTE
    except OSError:
        return False


def kind_of(path: Path, mounts: str) -> str:
    """Kind of the file system that an absolute path lies on, by the lines of mountinfo; empty where none holds it.

    A line: id, parent, device, root, mount point, options …, "-", kind, source, options (proc_pid_mountinfo(5)).
    """
    found, longest = "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        words, kind = before.split(), after.split()
        if len(words) < 5 or not kind:
            continue
        point = words[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        if len(point) >= longest and os.path.commonpath([point, path]) == point:
            found, longest = "fuse" if kind[0] == "fuse" else kind[0].removeprefix("fuse."), len(point)
    return found
