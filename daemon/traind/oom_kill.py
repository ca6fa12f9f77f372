"""How many processes the kernel has ended for want of memory where a process lives: its memory cgroup's own count.

Tells an OOM kill from a person's `kill -9`, which look alike from the parent. Linux only; elsewhere nothing is known.
"""

from pathlib import Path

_MOUNT = Path("sys/fs/cgroup")


class OomKills:
    """Owns two earlier counts of one process's cgroup, so that a kill of long ago is not taken for this one."""

    EVERY_S = 30.0

    def __init__(self, pid: int, now: float, root: Path = Path("/")) -> None:
        self._file = counter_file(pid, root)
        self._older = self._newer = self._count()
        self._counted_at = now

    def look(self, now: float) -> None:
        """Call it often: it reads every `EVERY_S`."""
        if now - self._counted_at >= self.EVERY_S:
            self._older, self._newer, self._counted_at = self._newer, self._count(), now

    def has_one_come(self) -> bool:
        """Whether the count grew within the last one to two `EVERY_S`."""
        return self._count() > self._older

    def _count(self) -> int:
        return 0 if self._file is None else count(self._file)


def counter_file(pid: int, root: Path = Path("/")) -> Path | None:
    """The file that counts for a process: of the innermost cgroup on its path that has one. None where none has."""
    try:
        lines = (root / "proc" / str(pid) / "cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    paths = {
        controllers: path for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") > 1)
    }
    v1 = next((path for controllers, path in paths.items() if "memory" in controllers.split(",")), None)
    if v1 is not None:
        return _innermost(root / _MOUNT / "memory", v1, "memory.oom_control")
    return _innermost(root / _MOUNT, paths[""], "memory.events") if "" in paths else None


def _innermost(mount: Path, path: str, name: str) -> Path | None:
    """Up to the mount: in a container the path may name what only the host sees."""
    directory = mount / path.strip("/").replace("..", "_")
    while True:
        if (directory / name).is_file():
            return directory / name
        if directory == mount:
            return None
        directory = directory.parent


def count(file: Path) -> int:
    """The `oom_kill` line; 0 where it cannot be read."""
    try:
        text = file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    counts = dict(line.split(None, 1) for line in text.splitlines() if len(line.split()) == 2)
    return int(counts.get("oom_kill", "0"))
