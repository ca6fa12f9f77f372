"""Where copies of runs elsewhere lie: in the user's cache directory, for him alone, bounded, free to be removed."""

import hashlib
import os
import shutil
from pathlib import Path

from trainwatch.cache import cache_home, locked, trim
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
        self._lock = locked(self.path)
        self._is_passing = self._lock < 0
        if self._is_passing:
            self.path = self.path.with_name(f"{self.path.name}.{os.getpid()}")
            self._lock = locked(self.path)
        trim(root, MAX_CACHE_BYTES)

    def close(self) -> None:
        if self._is_passing:
            shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def cache_root() -> Path:
    return cache_home() / "ssh"
