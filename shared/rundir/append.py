"""Appending records to a log: one record, one line, one write(2) on an O_APPEND descriptor.

Guarantees: a SIGKILL loses no record whose `append` has returned True; lines of several writers never mix; after a
short write (full disk) the fragment is closed by a newline and the whole record is written again; what cannot be
written waits, bounded, and goes out in order before anything later.
"""

import os
from collections import deque
from pathlib import Path

PENDING_LIMIT = 100_000
"""Lines kept while the disk is full; beyond it the oldest are dropped and counted."""


class Appender:
    """Owns one descriptor on one log. Not thread-safe: one writer, one appender."""

    def __init__(self, path: Path, *, reserve: Path | None = None) -> None:
        self.path = path
        self.dropped = 0
        self._reserve = reserve
        self._pending: deque[bytes] = deque()
        self._fragment = False
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if _ends_inside_line(self._fd):
            self._fragment = True

    @property
    def pending(self) -> int:
        """Lines that wait for room on the disk."""
        return len(self._pending)

    def append(self, line: bytes) -> bool:
        """Write one line (ending in a newline). False when it waits in the buffer instead; never raises OSError."""
        if not self._pending and not self._fragment:
            try:
                if os.write(self._fd, line) == len(line):
                    return True
                self._fragment = True
            except OSError:
                pass  # a full disk or a quota: the line waits, and `pending` says so
        self._pending.append(line)
        if len(self._pending) > PENDING_LIMIT:
            self._pending.popleft()
            self.dropped += 1
        return self.flush()

    def flush(self) -> bool:
        """Try to write what waits. True when nothing is left."""
        try:
            while self._pending:
                prefix = b"\n" if self._fragment else b""
                data = prefix + self._pending[0]
                written = os.write(self._fd, data)
                if written < len(data):
                    self._fragment = written > 0 or self._fragment
                    return False
                self._fragment = False
                self._pending.popleft()
        except OSError:
            return False
        return True

    def free_reserve(self) -> None:
        """Give the reserved bytes back to the disk, so that there is room to say that it is full."""
        if self._reserve is not None:
            self._reserve.unlink(missing_ok=True)

    def sync(self) -> None:
        """Put everything appended so far on disk. Raises OSError."""
        os.fsync(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _ends_inside_line(fd: int) -> bool:
    """Whether the file's last byte is not a newline: a writer died in a short write, the next line must not join it."""
    size = os.fstat(fd).st_size
    return size > 0 and os.pread(fd, 1, size - 1) != b"\n"
