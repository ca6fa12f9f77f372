"""Finding lines of a log by a regular expression, a chunk at a time, in either direction. Holds one chunk.

What is searched is what is shown: colour sequences are passed over, and of what a progress bar wrote its last state.
What a person types is matched by `regex`, which lets other threads run meanwhile and can be ended. `re` can be neither:
an expression that takes exponential time on one line would hold the screen for ever.
"""

import math
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import regex

from trainwatch.consolelog.lines import Line, LineFile, shown

CHUNK_BYTES = 1 << 20
PATIENCE_S = 2.0
"""So long an expression may take to find its next place in a chunk, which takes others a hundredth of a second."""
MARK_PATIENCE_S = 0.005
"""The same for one line that is painted."""
MOST_ITEMS = 100_000
"""`regex` writes counted repeats out: so many signs, times all counts of an expression, are at most written."""
_COUNTED = re.compile(r"\{(\d*)(?:,(\d*))?\}")
_SGR = re.compile(r"\x1b\[[0-9;:]*m")
_ESCAPE = re.compile(r"\\.")
_SPECIAL = re.compile(r"[.^$*+?{}\[\]\\|()\n]")
_ODD = re.compile(r"\[|\\[xuUN0-9]|\(\?")
OnRead = Callable[[int], None]
"""Is told the bytes of each chunk that was searched, and may end the search by an exception of its own."""


class TooSlowError(Exception):
    """An expression takes too long; the text says so to whoever typed it."""

    def __init__(self) -> None:
        super().__init__("this expression takes too long on a line: write it without repeats within repeats")


@dataclass(frozen=True, slots=True)
class Expression:
    """A regular expression as typed, and what makes it fast over a whole chunk."""

    regex: "regex.Pattern[str]"
    folds: bool
    """Whether both cases are meant."""
    folded: "regex.Pattern[str] | None"
    """What finds the same in text of small letters alone; None where that is not known."""
    literal: str
    """The text itself where it is no more than that: to find it takes a third of the time."""

    def is_in(self, line: str) -> bool:
        """Whether it is found in a line. Raises TooSlowError."""
        try:
            return self.regex.search(line, timeout=PATIENCE_S) is not None
        except TimeoutError:
            raise TooSlowError from None

    def marks(self, line: str) -> list[tuple[int, int]]:
        """Where it begins and ends in a line, for whoever paints it; nowhere where that takes too long."""
        try:
            return [match.span() for match in self.regex.finditer(line, timeout=MARK_PATIENCE_S)]
        except TimeoutError:
            return []

    def places(self, chunk: str) -> Iterator[int]:
        """Where it is found in lines of a chunk: once in each line at most, in order. Raises TooSlowError."""
        pattern, literal = self.regex, self.literal
        if self.folds and chunk.isascii():
            chunk, pattern = (chunk.lower(), self.folded) if self.folded is not None else (chunk, pattern)
        elif self.folds:
            literal = ""
        at = 0
        while at < len(chunk):
            place = chunk.find(literal, at) if literal else _first(pattern, chunk, at)
            if place < 0:
                return
            yield place
            at = chunk.find("\n", place) + 1
            if at == 0:
                return


def _first(pattern: "regex.Pattern[str]", chunk: str, at: int) -> int:
    try:
        match = pattern.search(chunk, at, timeout=PATIENCE_S)
    except TimeoutError:
        raise TooSlowError from None
    return match.start() if match is not None else -1


def compiled(text: str) -> Expression:
    """A regular expression as typed; without a capital letter both cases are meant. Raises ValueError, in words."""
    folds = not any(letter.isupper() for letter in _ESCAPE.sub("", text))
    if len(text) * math.prod(max(int(most or least or 1), 1) for least, most in _COUNTED.findall(text)) > MOST_ITEMS:
        raise ValueError(f"{text[:40]!r} repeats too often")
    try:
        re.compile(text)  # what people know; `regex` has more, such as searching backwards
        pattern = regex.compile(text, regex.MULTILINE | (regex.IGNORECASE if folds else 0))
        # A class of characters, or one by its number, may mean capital letters without naming one.
        is_plain = text.isascii() and not _ODD.search(text)
        folded = regex.compile(text, regex.MULTILINE) if folds and is_plain else None
    except (re.error, regex.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{text[:40]!r} is no regular expression: {error}") from None
    is_literal = not _SPECIAL.search(text) and (not folds or folded is not None)
    return Expression(pattern, folds, folded, text if is_literal else "")


def searchable(text: str) -> str:
    """What of a line is searched."""
    return _SGR.sub("", shown(text)) if "\x1b" in text or "\r" in text else text


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are meant: those in which all of these are found, each within one line."""

    expressions: tuple[Expression, ...]

    def takes(self, line: Line) -> bool:
        text = searchable(line.text)
        return all(expression.is_in(text) for expression in self.expressions)


def first_after(file: LineFile, start: int, wanted: Wanted, on_read: OnRead) -> Line | None:
    """The first such line that begins at `start`, the start of a line, or behind it."""
    while start < file.size:
        stop = _chunk_end(file, start)
        found = next(_in_chunk(file, start, stop, wanted), None)
        if found is not None:
            return found
        on_read(stop - start)
        start = stop
    return None


def last_before(file: LineFile, stop: int, wanted: Wanted, on_read: OnRead) -> Line | None:
    """The last such line that ends at `stop`, the start of a line, or before it."""
    while stop > file.begin:
        low = stop - CHUNK_BYTES
        start = file.start_of(low) if low > file.begin else file.begin
        found = deque(_in_chunk(file, start, stop, wanted), maxlen=1)
        if found:
            return found[0]
        on_read(stop - start)
        stop = start
    return None


@dataclass
class Sieve:
    """All such lines of a log from its beginning, as far as was looked. One thread at a time calls `advance`."""

    wanted: Wanted
    most: int = 2_000_000
    """Starts of lines that are kept, of eight bytes each."""
    offset: int = 0
    """So far was looked."""
    starts: list["np.ndarray[tuple[int], np.dtype[np.int64]]"] = field(default_factory=list)
    count: int = 0

    @property
    def is_full(self) -> bool:
        return self.count >= self.most

    def advance(self, file: LineFile) -> bool:
        """Look at one more chunk. Whether there was one. A line without a newline may go on: it is looked at later."""
        self.offset = max(self.offset, file.begin)
        stop = _chunk_end(file, self.offset)
        if stop >= file.size:
            stop = file.start_of(file.size)
        if stop <= self.offset or self.is_full:
            return False
        found = [line.start for line in _in_chunk(file, self.offset, stop, self.wanted)][: self.most - self.count]
        self.offset = stop
        if found:
            self.starts.append(np.array(found, dtype=np.int64))
            self.count += len(found)
        return True

    def index_of(self, offset: int) -> int:
        """How many of the lines begin before an offset."""
        return sum(int(np.searchsorted(piece, offset)) for piece in self.starts)

    def at(self, index: int, count: int) -> list[int]:
        """The starts of at most `count` of the lines, from the one of an index on."""
        found: list[int] = []
        for piece in self.starts:
            if 0 <= index < len(piece):
                found += piece[index : index + count - len(found)].tolist()
            index = max(0, index - len(piece))
        return found


def _chunk_end(file: LineFile, start: int) -> int:
    end = start + CHUNK_BYTES
    return file.start_of(end) if end < file.size else file.size


def _in_chunk(file: LineFile, start: int, stop: int, wanted: Wanted) -> Iterator[Line]:
    """Such lines of a stretch of whole lines, in order."""
    data = file.read(start, stop)
    text = data.decode("utf-8", "surrogateescape")
    if "\x1b" in text:
        text = _SGR.sub("", text)
    if "\r" in text:
        text = "\n".join(map(shown, text.split("\n")))
    newlines = None
    before, index = 0, 0
    for place in wanted.expressions[0].places(text):
        if newlines is None:
            newlines = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
        index += text.count("\n", before, place)
        before = place
        first = int(newlines[index - 1]) + 1 if index else 0
        behind = int(newlines[index]) + 1 if index < len(newlines) else len(data)
        # What was found may go over several lines, and a long one is shown in parts: each has to hold it by itself.
        yield from filter(wanted.takes, file.split(data[first:behind], start + first))
