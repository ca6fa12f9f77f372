"""The data behind what is seen, as CSV: the first column is the axis, each of the others a series. Pure."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from rundir.column import Floats, Indices
from rundir.text import plain
from trainwatch.lens import Extent, XAxis
from trainwatch.metric import Line, Lines

_CHUNK = 4096
"""Rows that become text at once."""


@dataclass(frozen=True, slots=True)
class Part:
    """As much of a series as is seen. Copies: they may cross threads."""

    x: Floats
    """Ascending, though not strictly."""
    values: Floats
    marks: Indices
    """Of the values that are there and not finite."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Series by name over one axis."""

    axis: str
    parts: Mapping[str, Part]

    def lines(self) -> Iterable[str]:
        """CSV, the header first, some thousand rows at a time; numbers in full, of what is not there nothing.

        What lies at the same place shares a row; a series that has several values at one place has a row for each.
        """
        yield _row([self.axis, *map(harmless, self.parts)])
        keys = [_keys(part.x) for part in self.parts.values()]
        rows = np.unique(np.concatenate(keys)) if keys else np.empty(0, dtype=np.complex128)
        columns = [
            _Cells(part, np.searchsorted(rows, own)) for part, own in zip(self.parts.values(), keys, strict=True)
        ]
        for start in range(0, len(rows), _CHUNK):
            stop = min(start + _CHUNK, len(rows))
            cells = [
                [_number(x) for x in rows.real[start:stop].tolist()],
                *(each.texts(start, stop) for each in columns),
            ]
            yield "".join(",".join(row) + "\r\n" for row in zip(*cells, strict=True))


class _Cells:
    """One series' column of the rows."""

    def __init__(self, part: Part, places: Indices) -> None:
        """`places`: the row of each value, ascending."""
        self._part = part
        self._places = places
        self._is_there = ~np.isnan(part.values)
        self._is_there[part.marks] = True

    def texts(self, start: int, stop: int) -> list[str]:
        first, end = (int(i) for i in np.searchsorted(self._places, (start, stop)))
        texts = [""] * (stop - start)
        for place, value, is_there in zip(
            (self._places[first:end] - start).tolist(),
            self._part.values[first:end].tolist(),
            self._is_there[first:end].tolist(),
            strict=True,
        ):
            if is_there:
                texts[place] = _number(value)
        return texts


@dataclass(frozen=True, slots=True)
class Texts:
    """A table of texts."""

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]

    def lines(self) -> Iterable[str]:
        yield from map(_row, [self.titles, *self.rows])


Table: TypeAlias = Sheet | Texts


def sheet_of(series: Mapping[str, Line], axis: XAxis, seen: Extent | None) -> Sheet:
    """Series by name, as much of them as is seen (None: all), every value that was recorded."""
    return Sheet(str(axis), {name: _part(line, seen) for name, line in series.items()})


def sheet_of_run(lines: Lines, names: Iterable[str], axis: XAxis, seen: Extent | None) -> Sheet:
    """Some series of one run."""
    found = {name: line for name in names if (line := lines.line(name, axis)) is not None}
    return sheet_of(found, axis, seen)


def _part(line: Line, seen: Extent | None) -> Part:
    start, stop = 0, len(line.x)
    if seen is not None:
        start, stop = (int(np.searchsorted(line.x, *side)) for side in ((seen.start, "left"), (seen.stop, "right")))
    marks = line.column.marks
    inside = marks[(marks >= start) & (marks < stop)] - start
    return Part(line.x[start:stop].copy(), line.column.values[start:stop].copy(), inside)


def _keys(x: Floats) -> "np.ndarray[tuple[int], np.dtype[np.complex128]]":
    """A place, and which of several values there it is: complex numbers are ordered by the one, then by the other."""
    nth = np.arange(len(x)) - np.searchsorted(x, x)
    return np.asarray(x + 1j * nth, dtype=np.complex128)


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def harmless(text: str) -> str:
    """A run's text as a cell: no control character, and nothing that a spreadsheet takes for a formula and works out.

    An apostrophe before it makes it text (OWASP, CSV Injection).
    """
    shown = plain(text)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown


def _row(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
