"""Where copies of runs elsewhere lie: in the user's cache directory, for him alone, bounded, free to be removed."""

import contextlib
import fcntl
import hashlib
import os
import shutil
from pathlib import Path

from trainwatch.remote.address import Address

MAX_CACHE_BYTES = 4 * 1024**3
"""Of the disk, for all copies together, when a program begins to look."""


class Place:
    """The directory of one address. Held by one program at a time: a second one gets one that goes with it."""

    def __init__(self, address: Address, root: Path | None = None) -> None:
        """Raises OSError where it cannot be made."""
        root = root if root is not None else cache_root()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = hashlib.sha256(address.url.encode()).hexdigest()[:12]
        self.path = root / f"{address.host.replace(':', '-')}-{key}"
        self._lock = _lock(self.path)
        self._is_passing = self._lock < 0
        if self._is_passing:
            self.path = self.path.with_name(f"{self.path.name}.{os.getpid()}")
            self._lock = _lock(self.path)
        trim(root, MAX_CACHE_BYTES)

    def close(self) -> None:
        if self._is_passing:
            shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def cache_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "trainwatch" / "ssh"


def trim(root: Path, limit_bytes: int) -> None:
    """Remove copies, those longest unused first, until the rest is within the limit; never one that is in use."""
    places = sorted((each for each in root.iterdir() if each.is_dir()), key=lambda each: each.stat().st_mtime_ns)
    sizes = {place: _disk_bytes(place) for place in places}
    for place in places:
        if sum(sizes.values()) <= limit_bytes:
            return
        if (lock := _lock(place)) >= 0:
            shutil.rmtree(place, ignore_errors=True)
            os.close(lock)
            del sizes[place]


def _lock(path: Path) -> int:
    """A descriptor that holds the place; -1 where another program does."""
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
    """What it takes up: copies have holes."""
    total = 0
    for folder, _, names in os.walk(place):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(Path(folder) / name).st_blocks * 512
    return total
