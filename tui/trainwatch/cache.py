"""The user's cache directory: what can be made anew lies there, for him alone, bounded, free to be removed."""

import contextlib
import fcntl
import os
import shutil
from pathlib import Path


def cache_home() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "trainwatch"


def trim(root: Path, limit_bytes: int) -> None:
    """Remove directories, those longest unused first, until the rest is within the limit; never one that is in use."""
    places = sorted((each for each in root.iterdir() if each.is_dir()), key=lambda each: each.stat().st_mtime_ns)
    sizes = {place: _disk_bytes(place) for place in places}
    for place in places:
        if sum(sizes.values()) <= limit_bytes:
            return
        if (lock := locked(place)) >= 0:
            shutil.rmtree(place, ignore_errors=True)
            os.close(lock)
            del sizes[place]


def locked(path: Path) -> int:
    """A descriptor that holds a directory, which is made where it is not there; -1 where another program does."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return -1
    os.utime(path)
    return fd


def _disk_bytes(place: Path) -> int:
    """What it takes up: files there have holes."""
    total = 0
    for folder, _, names in os.walk(place):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(Path(folder) / name).st_blocks * 512
    return total
