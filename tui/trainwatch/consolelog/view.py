"""How a log is looked at: which row is uppermost, wrapped or not, filtered or not, what is highlighted. No screen.

Moves by rows of the screen. Reads what is shown and no more; with a filter, the lines that the sieve has let through.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import cell_len, chop_cells

from rundir.text import plain
from trainwatch.consolelog.lines import Line, LineFile, shown
from trainwatch.consolelog.search import Expression, Sieve


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One row: a line, or a part of it."""

    line: Line
    text: str
    start: int
    """Where the row begins in what is shown of the line."""


@lru_cache(maxsize=512)
def visible(text: str) -> str:
    """A line as a terminal may be given it."""
    return plain(shown(text))


@lru_cache(maxsize=512)
def parts(text: str, width: int) -> tuple[str, ...]:
    """What is shown of a line in rows of at most `width` cells."""
    seen = visible(text)
    return (seen,) if cell_len(seen) <= width else tuple(chop_cells(seen, max(2, width)))


@dataclass
class ConsoleView:
    """Owned by the event loop. `width` and `height` are those of the rows that it was last painted with."""

    file: LineFile
    width: int = 80
    height: int = 20
    top: int = 0
    """Start of the uppermost line."""
    skip: int = 0
    """So many rows of it are above the screen."""
    left: int = 0
    """So many characters of lines that are not wrapped are left of it."""
    wraps: bool = False
    follows: bool = True
    expression: Expression | None = None
    """What was searched for: highlighted."""
    hit: int | None = None
    """Start of the line that was found last."""
    sieve: Sieve | None = None
    """What lets lines through; None: all."""
    then: int | None = None
    """Where the log ended at the time in the past that is looked at: what begins there came later. None: now."""

    def resize(self, width: int, height: int) -> None:
        if (width, height) != (self.width, self.height):
            self.width, self.height = max(1, width), max(1, height)
            self.skip = 0

    # --- which lines there are ----------------------------------------------------------------------------------------

    def _from(self, start: int, count: int) -> list[Line]:
        if self.sieve is None:
            return self.file.after(start, count)
        starts = self.sieve.at(self.sieve.index_of(start), count)
        return [line for start in starts for line in self.file.after(start, 1)]

    def _before(self, stop: int, count: int) -> list[Line]:
        if self.sieve is None:
            return self.file.before(stop, count)
        index = self.sieve.index_of(stop)
        starts = self.sieve.at(max(0, index - count), min(count, index))
        return [line for start in starts for line in self.file.after(start, 1)]

    def _num_rows(self, line: Line) -> int:
        return len(parts(line.text, self.width)) if self.wraps else 1

    # --- what is shown ------------------------------------------------------------------------------------------------

    def rows(self) -> list[ShownRow]:
        """At most `height`. The end of the log where it is followed."""
        if self.follows:
            self._to_end()
        found: list[ShownRow] = []
        for line in self._from(self.top, self.height):
            found += self._rows_of(line)
            if len(found) >= self.skip + self.height:
                break
        return found[self.skip : self.skip + self.height]

    def _rows_of(self, line: Line) -> Iterator[ShownRow]:
        if not self.wraps:
            # Somewhat more than there is room for: what is cut off is said.
            yield ShownRow(line, visible(line.text)[self.left : self.left + 4 * self.width], self.left)
            return
        start = 0
        for part in parts(line.text, self.width):
            yield ShownRow(line, part, start)
            start += len(part)

    @property
    def share(self) -> float:
        """How far down the uppermost row is, 0 to 1."""
        length = self.file.size - self.file.begin
        return min(1.0, max(0.0, (self.top - self.file.begin) / length)) if length else 1.0

    # --- moving -------------------------------------------------------------------------------------------------------

    def move(self, rows: int) -> None:
        """Down by so many rows, up where it is negative. Down to the end follows it."""
        was_following, self.follows = self.follows, False
        if rows < 0:
            self._up(-rows)
        elif not was_following:
            self._down(rows)
        if rows > 0:
            self._hold_end()

    def _up(self, rows: int) -> None:
        taken = min(rows, self.skip)
        self.skip -= taken
        rows -= taken
        if not rows:
            return
        for line in reversed(self._before(self.top, rows)):
            self.top = line.start
            count = self._num_rows(line)
            if count >= rows:
                self.skip = count - rows
                return
            rows -= count

    def _down(self, rows: int) -> None:
        rows += self.skip
        self.skip = 0
        for line in self._from(self.top, rows + 1):
            self.top = line.start
            count = self._num_rows(line)
            if rows < count:
                self.skip = rows
                return
            rows -= count
        self._to_end()

    def _hold_end(self) -> None:
        """Never beyond the end: there it is followed instead."""
        top, skip = self.top, self.skip
        self._to_end()
        if (top, skip) >= (self.top, self.skip):
            self.follows = True
        else:
            self.top, self.skip = top, skip

    def _to_end(self) -> None:
        self.top, self.skip = self.file.size, 0
        self._up(self.height)

    def to(self, offset: int, above: int = 0) -> None:
        """The line of an offset uppermost, with so many rows above it."""
        self.follows = False
        self.top, self.skip = self.file.start_of(offset), 0
        self._up(above)
        self._hold_end()

    def to_first(self) -> None:
        self.follows, self.top, self.skip = False, self.file.begin, 0
        self._hold_end()

    def scroll_sideways(self, columns: int) -> None:
        self.left = max(0, self.left + columns)

    def begin_anew(self) -> None:
        """The file is another one: no place in it means what it did."""
        self.top, self.skip, self.hit, self.then, self.follows = self.file.begin, 0, None, None, True
