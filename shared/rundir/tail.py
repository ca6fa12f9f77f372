"""Following a growing log: whole lines only, a chunk at a time, asked for by the reader.

Guarantees: any split of the bytes over writes and polls gives the same lines; a torn last line is not shown until its
newline is there; reading from the middle of a line begins with the next; a file that was replaced, cut or written anew
is read again from its start, and said so; a missing file is empty.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from rundir.regular import open_regular

CHUNK_BYTES = 256 * 1024
MAX_CHUNK_BYTES = 2 * 1024 * 1024
MAX_LINE_BYTES = 64 * 1024 * 1024
"""A line longer than this is passed over: nothing of ours writes one."""
_KNOWN_BYTES = 64
"""Bytes before the position by which a file is known again: the end of a record, with its own figures."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one poll found."""

    lines: bytes
    """Whole lines, each with its newline; empty when there was nothing new."""
    start: int
    """Offset in the file of the first byte of `lines`."""
    at_end: bool
    """Whether the reader stood at the end of the file after this poll."""
    restarted: bool
    """Whether the file was replaced or cut, and reading began anew: earlier lines no longer hold."""


class Tail:
    """Owns a position in one file. Opens it for each poll, so that a replaced file is noticed and none is held."""

    def __init__(self, path: Path, *, offset: int = 0, chunk_bytes: int = CHUNK_BYTES) -> None:
        self.path = path
        self.offset = offset
        self._chunk_bytes = chunk_bytes
        self._least_bytes = chunk_bytes
        self._identity: tuple[int, int] | None = None
        self._before: bytes | None = None
        """The last bytes before `offset`, to know the file again; None before the first poll."""
        self._skipping = False

    def stand(self, offset: int, fd: int) -> None:
        """Go on from an end of a line that was reached by other means in the file behind `fd`, and know it again."""
        stat = os.fstat(fd)
        self.offset, self._identity, self._skipping = offset, (stat.st_dev, stat.st_ino), False
        self._before = self._bytes_before(fd)

    def is_at(self, fd: int) -> bool:
        """Whether the file behind `fd` is, before the offset, still what was read."""
        return self._before is not None and not self._is_another_file(fd, os.fstat(fd))

    def poll(self) -> Chunk:
        """Read at most one chunk of whole lines. Raises OSError other than a missing file."""
        try:
            fd = open_regular(self.path)
        except FileNotFoundError:
            return Chunk(b"", self.offset, at_end=True, restarted=False)
        try:
            return self._poll(fd)
        finally:
            os.close(fd)

    def _poll(self, fd: int) -> Chunk:
        stat = os.fstat(fd)
        restarted = self._is_another_file(fd, stat)
        self._identity = (stat.st_dev, stat.st_ino)
        if restarted:
            self.offset = 0
            self._skipping = False
            self._chunk_bytes = self._least_bytes
        elif self._before is None and self.offset > 0:
            self._skipping = os.pread(fd, 1, self.offset - 1) != b"\n"  # opened in the middle of a line
        chunk = self._read(fd, stat.st_size, restarted=restarted)
        self._before = self._bytes_before(fd)
        return chunk

    def _is_another_file(self, fd: int, stat: os.stat_result) -> bool:
        """Whether the file was replaced, cut, or cut and written anew (whose size alone may not tell)."""
        if stat.st_size < self.offset:
            return True
        if self._identity is None or self._before is None:
            return False
        return (stat.st_dev, stat.st_ino) != self._identity or self._bytes_before(fd) != self._before

    def _bytes_before(self, fd: int) -> bytes:
        start = max(0, self.offset - _KNOWN_BYTES)
        return os.pread(fd, self.offset - start, start)

    def _read(self, fd: int, size: int, *, restarted: bool) -> Chunk:
        start = self.offset
        if size == start:
            return Chunk(b"", start, at_end=True, restarted=restarted)
        data = os.pread(fd, self._chunk_bytes, start)
        end = data.rfind(b"\n") + 1
        at_end = start + len(data) >= size
        if end == 0:
            return self._no_newline(data, start, at_end=at_end, restarted=restarted)
        self.offset = start + end
        self._adapt(behind=not at_end)
        lines = data[:end]
        if self._skipping:
            first = lines.index(b"\n") + 1
            lines, start, self._skipping = lines[first:], start + first, False
        return Chunk(lines, start, at_end=at_end, restarted=restarted)

    def _no_newline(self, data: bytes, start: int, *, at_end: bool, restarted: bool) -> Chunk:
        if len(data) >= MAX_LINE_BYTES or (self._skipping and data):
            self.offset += len(data)
            self._skipping = True
            self._chunk_bytes = MAX_CHUNK_BYTES
        elif not at_end:
            self._chunk_bytes = min(self._chunk_bytes * 8, MAX_LINE_BYTES)
        return Chunk(b"", start, at_end=at_end, restarted=restarted)

    def _adapt(self, *, behind: bool) -> None:
        """Larger chunks while there is a backlog, small ones at the live end."""
        self._chunk_bytes = min(self._chunk_bytes * 2, MAX_CHUNK_BYTES) if behind else self._least_bytes
