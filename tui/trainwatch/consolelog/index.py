"""How many lines stand before a place of a long log: counted block by block, eight bytes kept for each. Pure but for
the reading.
"""

from bisect import bisect_right

from trainwatch.consolelog.lines import LineFile

BLOCK_BYTES = 4 << 20


class LineIndex:
    """Counts newlines from the beginning on; whoever owns it calls `advance`, a block at a time."""

    def __init__(self) -> None:
        self._before = [0]
        """Newlines before each block that was counted, and after the last."""
        self._told = -1, 0
        """The offset that was asked for last, and the answer."""

    def advance(self, file: LineFile) -> bool:
        """Count one more whole block. Whether there was one: what is behind the last is counted when asked for."""
        start = file.begin + (len(self._before) - 1) * BLOCK_BYTES
        if start + BLOCK_BYTES > file.size:
            return False
        self._before.append(self._before[-1] + file.read(start, start + BLOCK_BYTES).count(b"\n"))
        return True

    def covers(self, file: LineFile, offset: int) -> bool:
        """Whether the number of the line there can be told."""
        return offset - file.begin < len(self._before) * BLOCK_BYTES

    def number_of(self, file: LineFile, offset: int) -> int:
        """Of the line that begins there, the first being 1. Reads a block at most, once; needs `covers`."""
        if offset != self._told[0]:
            block = min((offset - file.begin) // BLOCK_BYTES, len(self._before) - 1)
            start = file.begin + block * BLOCK_BYTES
            self._told = offset, self._before[block] + file.read(start, offset).count(b"\n") + 1
        return self._told[1]

    def offset_of(self, file: LineFile, number: int) -> int | None:
        """Where the line of a number begins; None where it was not counted yet, or there are not so many."""
        newlines = max(0, number - 1)
        if newlines == 0:
            return file.begin
        block = bisect_right(self._before, newlines - 1) - 1
        start = file.begin + block * BLOCK_BYTES
        data = file.read(start, start + BLOCK_BYTES)
        at = -1
        for _ in range(newlines - self._before[block]):
            at = data.find(b"\n", at + 1)
            if at < 0:
                return None
        return start + at + 1
