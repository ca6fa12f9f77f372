"""One log's pieces in file order, each record with the time from which it was known. Pure.

A log only grows, so what was known at a time is always its beginning up to some record: where a clock went back, what
stands behind is taken as known no earlier than what stands before.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, TypeVar

import numpy as np

from rundir.column import NO_MARKS, Floats
from rundir.series import Block

P = TypeVar("P")
B = TypeVar("B", bound=Block)


EVER = -1e300
"""Since when that is known whose time nobody knows: before all times, and after the beginning of all."""


class Reel(Generic[P]):
    """Owns the pieces of one log. A piece is a record, or a block of them."""

    def __init__(self, since: float = EVER) -> None:
        """`since`: nothing of it was known before."""
        self._since = since
        self._pieces: list[P] = []
        self._known: list[Floats] = []
        """For each record of each piece."""
        self._starts: list[float] = []
        self._ends: list[float] = []

    def __len__(self) -> int:
        return len(self._pieces)

    def add(self, piece: P, at: float | Floats) -> None:
        """`at`: of each record, UTC seconds; where it is nan, as of the record before."""
        times = np.atleast_1d(np.asarray(at, dtype=np.float64))
        last = self.end
        known = np.fmax.accumulate(np.fmax(times, last))
        self._pieces.append(piece)
        self._known.append(known)
        self._starts.append(float(known[0]))
        self._ends.append(float(known[-1]))

    def between(self, after: float, until: float) -> list[P]:
        """What became known after one time and up to another, in file order; blocks cut where they have to be."""
        first, stop = bisect_right(self._ends, after), bisect_right(self._starts, until)
        found: list[P] = []
        for piece, known in zip(self._pieces[first:stop], self._known[first:stop], strict=True):
            start, end = (int(i) for i in np.searchsorted(known, (after, until), side="right"))
            if end - start == len(known):
                found.append(piece)
            elif end > start and isinstance(piece, Block):
                found.append(cut(piece, start, end))
        return found

    @property
    def end(self) -> float:
        """When the newest record became known."""
        return self._ends[-1] if self._ends else self._since

    @property
    def times(self) -> Floats:
        """At which a record became known, ascending; of those that are no time, none."""
        times = np.concatenate(self._known) if self._known else np.empty(0)
        return times[times > EVER]

    def parts(self) -> Sequence[tuple[P, Floats]]:
        """Each piece with the times from which its records were known, the newest first."""
        return list(zip(reversed(self._pieces), reversed(self._known), strict=True))


def cut(block: B, start: int, end: int) -> B:
    """The records from one index up to another, as views; columns of which none of them has a value are left out."""
    marks = {name: found[(found >= start) & (found < end)] - start for name, found in block.marks.items()}
    columns = {
        name: values[start:end]
        for name, values in block.columns.items()
        if len(marks.get(name, NO_MARKS)) or not np.isnan(values[start:end]).all()
    }
    return replace(
        block, x=block.x[start:end], columns=columns, marks={name: found for name, found in marks.items() if len(found)}
    )
