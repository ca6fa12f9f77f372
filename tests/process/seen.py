"""What the kernel knows of a run's processes, whatever the run's files say."""

import os
from pathlib import Path

from rundir.layout import RunDir


def trainers_of(run: RunDir) -> set[int]:
    """Pids of the processes that train a run; its loader workers, which are forks, included."""
    return {
        pid
        for pid, words in _command_lines()
        if b"traind.trainer" in words and _path_of(pid, words) == run.path.resolve() and not _is_zombie(pid)
    }


def _path_of(pid: int, words: list[bytes]) -> Path | None:
    """The run that a trainer's command line names, as seen from where it runs."""
    try:
        return (Path(f"/proc/{pid}/cwd").readlink() / os.fsdecode(words[words.index(b"traind.trainer") + 1])).resolve()
    except (OSError, IndexError):
        return None


def session_of(leader: int) -> set[int]:
    """Pids of all that a session's leader has started, itself included."""
    return {pid for pid, _ in _command_lines() if _session(pid) == leader and not _is_zombie(pid)}


def _command_lines() -> list[tuple[int, list[bytes]]]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.append((int(entry.name), (entry / "cmdline").read_bytes().split(b"\0")))
            except OSError:
                continue
    return found


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except OSError:
        return True
