"""The table's copies of one host's runs: which are due for a look, and what of them is to be fetched."""

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rundir.status import known_status
from trainwatch.remote.copy import TABLE_ENDS, Ask, Copy, Piece, fetch
from trainwatch.remote.wire import Request, Sight, is_sane, parse_looks, parse_one, spelled

LIVE_S = 2.0
"""Between two looks at a run that moves, ..."""
STILL_S = 15.0
"""... and at one that does not."""
STALE_S = 120.0
"""A run whose status is so old, by its own host's clock, moves no more."""
LOOK_RUNS = 64
"""In one request."""
_TABLE_FILES = ("run.json", "status.json", "config.toml", "remarks.json", "metrics.jsonl", "events.jsonl")


class Progress(StrEnum):
    """Of following the table."""

    MORE = "more"
    """Others are due at once."""
    DONE = "done"
    RESTS = "rests"
    """None was due: each was looked at."""


@dataclass(slots=True)
class _Listed:
    """One run of the table."""

    copy: Copy
    moves: bool
    looked_at: float = -math.inf


class Table:
    """Owns the copies below one directory. Used by one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listed: dict[str, _Listed] = {}
        self._looks: dict[tuple[bytes, ...], tuple[bytes, dict[bytes, dict[str, Sight]]]] = {}
        """What was last answered about the same runs, and its sum."""
        self._is_for_resting = False

    def hold(self, names: set[str], far_now: float) -> None:
        """These are the runs there are. Copies of others are removed."""
        for name in self._listed.keys() - names:
            del self._listed[name]
        for gone in self._path.iterdir():
            if gone.name not in names and gone.is_dir():
                shutil.rmtree(gone)
        for name in names - self._listed.keys():
            copy = Copy(self._path / name, TABLE_ENDS)
            self._listed[name] = _Listed(copy, moves=_seems_to_move(copy, far_now))

    def touch(self, name: str) -> None:
        """Something was written to a run: it is due. From any thread."""
        if (listed := self._listed.get(name)) is not None:
            listed.looked_at = -math.inf

    def follow(self, ask: Ask, moment: float, far_now: Callable[[], float]) -> Progress:
        """One request's worth of the runs that are due, newest first. Raises OSError.

        `moment`: by the monotonic clock here; `far_now`: the clock there as of the last answer.
        """
        ages = {name: moment - self._listed[name].looked_at for name in sorted(self._listed, reverse=True)}
        moving = [name for name, age in ages.items() if self._listed[name].moves and age >= LIVE_S]
        resting = [name for name, age in ages.items() if not self._listed[name].moves and age >= STILL_S]
        if not moving and not resting:
            return Progress.RESTS
        self._is_for_resting = not self._is_for_resting and bool(resting)  # by turns: neither keeps the other waiting
        due = resting if self._is_for_resting or not moving else moving
        batch = due[:LOOK_RUNS]
        pieces: list[tuple[Copy, Piece]] = []
        for name, files in self._sights(ask, batch).items():
            listed = self._listed[name]
            listed.looked_at = moment
            new = listed.copy.missing(files, status=listed.moves)
            if new and not listed.moves and "status.json" in files:  # something happened: what does it say now?
                new = listed.copy.missing(files, status=True)
            pieces += [(listed.copy, piece) for piece in new]
        fetch(ask, pieces)
        for name in batch:
            listed = self._listed[name]
            listed.copy.save()
            listed.moves = _seems_to_move(listed.copy, far_now())
        has_more = len(moving) + len(resting) > len(batch) or any(
            piece.sight.size > piece.offset + piece.length for _, piece in pieces
        )
        return Progress.MORE if has_more else Progress.DONE

    def _sights(self, ask: Ask, names: list[str]) -> dict[str, dict[str, Sight]]:
        """The files of runs; those with odd names each by a request of its own."""
        sane = [spelled(name) for name in names if is_sane(spelled(name))]
        odd = [name for name in names if not is_sane(spelled(name))]
        sights: dict[str, dict[str, Sight]] = {name: {} for name in names}
        if sane:
            known, before = self._looks.pop(tuple(sane), (b"0", {}))
            (answer,) = ask([Request("look", (known, *sane))])
            total, looks = parse_looks(answer.body)
            looks = before if total == known else looks
            self._looks[tuple(sane)] = total, looks
            for run, files in looks.items():
                sights[run.decode()] = files
            while len(self._looks) * LOOK_RUNS > 2 * (len(self._listed) + LOOK_RUNS):
                del self._looks[next(iter(self._looks))]
        for name in odd:
            (answer,) = ask([Request("one", (spelled(name), b"0"))])
            found = parse_one(answer.body).files
            sights[name] = {file: sight for file, sight in found.items() if file in _TABLE_FILES}
        return sights


def _seems_to_move(copy: Copy, far_now: float) -> bool:
    status = known_status(copy.path / "status.json")
    # A clock that is not known (nan) makes no run still.
    return status is not None and not status.state.has_ended and not (far_now - status.updated_at > STALE_S)
