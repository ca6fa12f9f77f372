"""A directory of TensorBoard events, or one event file, followed as it grows. Several files are one log, by name."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainwatch.foreign.points import Points
from trainwatch.foreign.source import Polled
from trainwatch.foreign.tfevents import BrokenError, EventParser, records

MARK = "tfevents"
"""Stands in the name of every event file."""
CHUNK_BYTES = 1024 * 1024
POLL_BYTES = 2 * CHUNK_BYTES
"""How much one poll takes in, of all files together."""
PARTS = frozenset({"train", "training", "validation", "val", "valid", "eval", "test"})
"""Directories of these names, beside one another, are parts of one log: Keras and Lightning write so."""


@dataclass(slots=True)
class _Place:
    offset: int = 0
    inode: int = 0
    fault: str = ""


class TensorBoardSource:
    """Owns how far each event file has been read."""

    kind = "TensorBoard events"
    planned_steps: int | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[Path, _Place] = {}
        self._parser = EventParser()

    def poll(self, points: Points) -> Polled:
        budget_bytes, is_behind = POLL_BYTES, False
        read = total = 0
        for file, prefix in event_files(self.path):
            place = self._places.setdefault(file, _Place())
            stat = file.stat()
            if stat.st_size < place.offset or place.inode not in (0, stat.st_ino):
                self._places.clear()
                points.clear()
                return Polled(0.0)  # begun anew: so are we
            place.inode = stat.st_ino
            has_more = place.offset < stat.st_size and not place.fault
            while has_more and budget_bytes > 0:
                used, has_more = self._read(file, place, prefix, points)
                budget_bytes -= used
            is_behind = is_behind or has_more
            read, total = read + place.offset, total + stat.st_size
        fault = next((f"{file.name}: {place.fault}" for file, place in self._places.items() if place.fault), "")
        return Polled(min(0.999, read / max(1, total)) if is_behind else 1.0, fault)

    def _read(self, file: Path, place: _Place, prefix: str, points: Points) -> tuple[int, bool]:
        """Take in the whole records of one part: its bytes, and whether there may be more."""
        with open(file, "rb") as opened:
            opened.seek(place.offset)
            data = opened.read(CHUNK_BYTES)
            used = self._take(data, place, prefix, points)
            if not used and len(data) == CHUNK_BYTES:  # a record longer than a part: an image, say
                data += opened.read(64 * CHUNK_BYTES)
                used = self._take(data, place, prefix, points)
        place.offset += used
        return used, used > 0 and len(data) >= CHUNK_BYTES and not place.fault

    def _take(self, data: bytes, place: _Place, prefix: str, points: Points) -> int:
        used = 0
        found: dict[tuple[str, ...], tuple[list[float], list[float], list[tuple[float, ...]]]] = {}

        def hand_over() -> None:
            for tags, (steps, times, rows) in found.items():
                for tag, values in zip(tags, np.array(rows).T, strict=True):
                    points.add(prefix + tag, steps, values, times)
            found.clear()

        try:
            for record, used in records(data):  # noqa: B007 — the last one is wanted after the loop
                event = self._parser.parse(record)
                if event.starts_at:  # at step 0 nothing stands before
                    hand_over()
                    points.cut(event.starts_at)
                if event.tags:
                    steps, times, rows = found.setdefault(event.tags, ([], [], []))
                    steps.append(event.step)
                    times.append(event.at)
                    rows.append(event.values)
        except BrokenError as error:
            place.fault = f"read up to byte {place.offset + used}, then: {error}"
        hand_over()
        return used


def event_files(path: Path) -> list[tuple[Path, str]]:
    """The event files of a path with what goes before their tags; empty where there are none.

    Those in the directory itself; else those of directories below that are parts of one log, or of the only one.
    """
    if path.is_file():
        return [(path, "")]
    if own := _in(path):
        return [(file, "") for file in own]
    below = {name: found for name in sorted(_folders(path)) if (found := _in(path / name))}
    if not below or not (set(map(str.lower, below)) <= PARTS or len(below) == 1):
        return []
    prefixed = set(map(str.lower, below)) <= PARTS
    return [(file, f"{name.lower()}/" if prefixed else "") for name, files in below.items() for file in files]


def logs_below(path: Path) -> list[str]:
    """Directories one and two levels below that have event files: several logs, one of which is to be chosen."""
    names = _folders(path)
    return sorted(
        [name for name in names if _in(path / name)]
        + [f"{name}/{inner}" for name in names for inner in _folders(path / name) if _in(path / name / inner)]
    )


def _folders(path: Path) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(path) if entry.is_dir() and not entry.name.startswith(".")]
    except OSError:
        return []


def _in(path: Path) -> list[Path]:
    """In the order of their names, which begin with the time at which they were begun."""
    try:
        return sorted(Path(entry.path) for entry in os.scandir(path) if MARK in entry.name and entry.is_file())
    except OSError:
        return []
