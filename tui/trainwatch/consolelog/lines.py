"""A log file by byte offsets: the lines after one, before one, and where a line begins. Holds a descriptor, no text.

A line that is longer than `MAX_LINE_BYTES` is cut at multiples of that, each with as many bytes and no newline before
it: so what stands a bounded number of bytes before a place tells whether a line begins there.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from rundir.regular import open_regular

MAX_LINE_BYTES = 16 * 1024
"""A longer line is shown, searched and filtered in parts of this size."""
_CHUNK_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file, without its newline."""

    start: int
    end: int
    """Offset of the first byte behind it and its newline: where the next line starts."""
    text: str
    """As it stands there: whoever shows it takes `shown`."""


def shown(text: str) -> str:
    """What was written over what (a progress bar) is one line: its last state."""
    return text.rstrip("\r").rpartition("\r")[2]


class LineFile:
    """Owns a descriptor of one file. `refresh` follows it as it grows, and opens it anew when it is another.

    The methods that read may be called from several threads: they move no position.
    """

    def __init__(self, path: Path, *, behind_hole: bool = False, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        """`behind_hole`: of a copy whose first part was left out, only what is there. Raises OSError."""
        self.path = path
        self.max_line_bytes = max_line_bytes
        self._fd = -1
        self._is_behind_hole = behind_hole
        self.begin = 0
        """Before it nothing is to be read."""
        self.size = 0
        self._open()

    def _open(self) -> None:
        fd = open_regular(self.path)
        self.close()
        self._fd, self.size = fd, os.fstat(fd).st_size
        self.begin = self._first_data() if self._is_behind_hole else 0

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def refresh(self) -> bool:
        """Look how long it is now. Whether it is another file, whose offsets mean something else. Raises OSError."""
        there, ours = os.stat(self.path), os.fstat(self._fd)
        if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino) or there.st_size < self.size:
            self._open()
            return True
        self.size = there.st_size
        return False

    def _first_data(self) -> int:
        """The first whole line behind a hole; 0 where there is none."""
        if not self.size:
            return 0
        try:
            start = os.lseek(self._fd, 0, os.SEEK_DATA)
        except OSError:  # nothing but a hole, or a file system that knows none
            return 0
        if start == 0:
            return 0
        data = self.read(start, start + _CHUNK_BYTES)
        start += len(data) - len(data.lstrip(b"\0"))
        newline = data.lstrip(b"\0").find(b"\n")
        return start + newline + 1 if newline >= 0 else start

    def read(self, start: int, stop: int) -> bytes:
        """The bytes there, as far as the file went when it was last looked at."""
        stop = min(stop, self.size)
        return os.pread(self._fd, stop - start, start) if stop > start else b""

    def start_of(self, offset: int) -> int:
        """Where the line begins that holds the byte at `offset`; at the end of the file the end, or its torn line."""
        offset, longest = min(offset, self.size), self.max_line_bytes
        cut = offset - offset % longest
        low = max(self.begin, cut - longest)
        newline = self.read(low, offset).rfind(b"\n")
        if newline >= 0:
            return low + newline + 1
        if cut - longest < self.begin:
            return self.begin
        if cut < offset or self.read(offset, offset + 1) not in (b"", b"\n"):
            return cut
        return self.start_of(offset - 1)

    def after(self, start: int, count: int) -> list[Line]:
        """At most `count` lines, the first of which begins at `start`."""
        lines: list[Line] = []
        chunk_bytes = min(_CHUNK_BYTES, 512 * count)
        while len(lines) < count and start < self.size:
            data = self.read(start, start + chunk_bytes)
            if not data:  # it was cut since it was last looked at
                break
            found = self.split(data, start, is_last=start + len(data) >= self.size)
            if not found and start + len(data) < self.size:
                chunk_bytes *= 2
                continue
            lines += found
            start = found[-1].end if found else self.size
        return lines[:count]

    def before(self, stop: int, count: int) -> list[Line]:
        """At most `count` lines that end at `stop`, the start of a line, in the order of the file."""
        lines: list[Line] = []
        while len(lines) < count and stop > self.begin:
            low = max(self.begin, stop - min(_CHUNK_BYTES, 512 * count))
            first = self.start_of(low) if low > self.begin else low
            found = self.split(self.read(first, stop), first)
            lines = found + lines
            stop = first
        return lines[-count:] if count > 0 else []

    def line_at(self, offset: int) -> Line | None:
        """The line that holds the byte at `offset`."""
        return next(iter(self.after(self.start_of(offset), 1)), None)

    def split(self, data: bytes, start: int, *, is_last: bool = True) -> list[Line]:
        """The lines of a stretch that begins with one. Without `is_last` it may go on: its torn end is left out."""
        lines: list[Line] = []
        at = 0
        while at < len(data):
            newline = data.find(b"\n", at)
            end = newline + 1 if newline >= 0 else len(data)
            cut = self._cut(start + at, start + (newline if newline >= 0 else len(data)))
            if cut is not None:
                end = cut - start
            elif newline < 0 and not is_last:
                break
            text = data[at:end].removesuffix(b"\n").decode("utf-8", "surrogateescape")
            lines.append(Line(start + at, start + end, text))
            at = end
        return lines

    def _cut(self, start: int, stop: int) -> int | None:
        """Where a line that goes on to `stop` is cut first; None where it is not."""
        cut = start + self.max_line_bytes
        cut += -cut % self.max_line_bytes
        return cut if cut < stop else None
