"""Appending records to a log: one record, one line, one write(2) on an O_APPEND descriptor.

Guarantees: a SIGKILL loses no record whose `append` has returned True; lines of several writers never mix; after a
short write (full disk) the fragment is closed by a newline and the whole record is written again; what cannot be
written waits, bounded, and goes out in order before anything later.
"""

import contextlib
import os
from collections import deque
from pathlib import Path

from rundir.atomic import write_atomic

RESERVE_BYTES = 64 * 1024
"""Kept beside the logs, to be given back when the disk is full."""
PENDING_LIMIT = 100_000
"""Lines kept while the disk is full; beyond it the oldest are dropped and counted."""
PENDING_BYTES = 64 * 1024 * 1024
"""The same for their bytes; a single line beyond it is kept."""


class Appender:
    """Owns one descriptor on one log. Not thread-safe: one writer, one appender."""

    def __init__(self, path: Path, *, reserve: Path | None = None, sole_writer: bool = False) -> None:
        """Open or make the log. Raises OSError.

        `sole_writer`: nobody else appends while this one lives, so that looking for others' fragments can be spared.
        """
        self.path = path
        self.dropped = 0
        self._reserve = reserve
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._is_sole = sole_writer
        self._must_look = True
        """Whether the file may end inside a line: a fragment of ours, of a dead writer, or of another living one."""

    @property
    def pending(self) -> int:
        """Lines that wait for room on the disk."""
        return len(self._pending)

    @property
    def pending_bytes(self) -> int:
        return self._pending_bytes

    def append(self, line: bytes) -> bool:
        """Write one line (ending in a newline). False when it waits in the buffer instead; never raises OSError."""
        if not self._pending and self._write(line):
            return True
        self._pending.append(line)
        self._pending_bytes += len(line)
        while len(self._pending) > 1 and (len(self._pending) > PENDING_LIMIT or self._pending_bytes > PENDING_BYTES):
            self._pending_bytes -= len(self._pending.popleft())
            self.dropped += 1
        return self.flush()

    def flush(self) -> bool:
        """Try to write what waits. True when nothing is left."""
        while self._pending:
            if not self._write(self._pending[0]):
                return False
            self._pending_bytes -= len(self._pending.popleft())
        return True

    def _write(self, line: bytes) -> bool:
        """Write one line whole, after a newline if the file ends inside a line."""
        try:
            if self._must_look and _ends_inside_line(self._fd):
                line = b"\n" + line
            is_whole = os.write(self._fd, line) == len(line)
        except OSError:
            return False  # a full disk or a quota: the line waits, and `pending` says so
        self._must_look = not (is_whole and self._is_sole)
        return is_whole

    def free_reserve(self) -> None:
        """Give the reserved bytes back to the disk, so that there is room to say that it is full."""
        if self._reserve is not None:
            with contextlib.suppress(OSError):  # a read-only disk gives nothing back
                self._reserve.unlink(missing_ok=True)

    def restore_reserve(self) -> None:
        """There is room again: keep some for the next time."""
        if self._reserve is not None and not self._reserve.exists():
            with contextlib.suppress(OSError):  # tried again the next time
                write_atomic(self._reserve, bytes(RESERVE_BYTES))

    def sync(self) -> None:
        """Put everything appended so far on disk. Raises OSError."""
        os.fsync(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _ends_inside_line(fd: int) -> bool:
    """Whether the file's last byte is not a newline: the next record must not join what stands there."""
    end = os.lseek(fd, 0, os.SEEK_END)
    return end > 0 and os.pread(fd, 1, end - 1) != b"\n"
