"""A CSV file with a column of steps, followed as it grows; and the directory that a run's CSV sink writes."""

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rundir.column import Floats
from rundir.tail import Tail
from rundir.text import plain
from trainwatch.foreign.name import placed
from trainwatch.foreign.points import Points
from trainwatch.foreign.source import ForeignError, Polled

STEP_NAMES = ("step", "global_step", "trainer/global_step", "_step", "iteration", "iter", "steps", "batch", "epoch")
"""What the column of steps may be called, in small letters; the first that is there is taken."""
_TIMES = ("at", "wall_time", "wall time", "timestamp", "_timestamp", "time")
_NO_CURVES = frozenset({"attempt", "trigger", "best", "started_at", "_runtime", ""})
SINK_FILES = {"steps.csv": "", "evals.csv": "eval/"}
"""What of a run's `csv` directory is shown, and what goes before its names."""


@dataclass(frozen=True, slots=True)
class _Header:
    delimiter: str
    step: int
    time: int | None
    tags: dict[int, str]
    """By column."""


def parse_header(line: str, stem: str, prefix: str = "") -> _Header:
    """Which column is what. Raises ForeignError where none holds steps."""
    delimiter = max(",;\t", key=line.count)
    names = [name.strip() for name in _cells(line, delimiter)]
    lower = [name.lower() for name in names]
    step = next((lower.index(name) for name in STEP_NAMES if name in lower), None)
    if step is None:
        shown = plain(", ".join(names)[:80]) or "none"
        raise ForeignError(f"no column of steps, which is called one of {', '.join(STEP_NAMES[:4])}, …; found: {shown}")
    time = next((lower.index(name) for name in _TIMES if name in lower), None)
    tags = {}
    for i, name in enumerate(names):
        if i not in (step, time) and lower[i] not in _NO_CURVES:
            # TensorBoard's own download has one curve, named in the file's name.
            tag = stem.rpartition("tag-")[2] if lower[i] == "value" else name
            tags[i] = tag if placed(tag)[0] else prefix + tag
    return _Header(delimiter, step, time, tags)


class _File:
    """Owns the position in one file and what its header says."""

    def __init__(self, path: Path, prefix: str) -> None:
        self.path, self._prefix = path, prefix
        self._tail = Tail(path)
        self._header: _Header | None = None

    def poll(self, points: Points) -> tuple[float, bool]:
        """The share that has been read, and whether the file was begun anew: then nothing was taken."""
        chunk = self._tail.poll()
        if chunk.restarted:
            return 0.0, True
        lines = chunk.lines
        if self._header is None and lines:
            first, _, lines = lines.partition(b"\n")
            self._header = parse_header(_text(first.removeprefix(b"\xef\xbb\xbf")), self.path.stem, self._prefix)
        if self._header is not None and lines.strip():
            _take(_text(lines), self._header, points)
        if chunk.at_end or not self.path.exists():
            return 1.0, False
        return min(0.999, self._tail.offset / max(1, self.path.stat().st_size)), False


class CsvSource:
    """Owns the files, and begins all of them anew when one is."""

    kind = "CSV"
    planned_steps: int | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = self._opened()

    def _opened(self) -> list[_File]:
        if not self.path.is_dir():
            prefix = "eval/" if self.path.name == "evals.csv" else ""
            return [_File(self.path, prefix)]
        return [_File(self.path / name, prefix) for name, prefix in SINK_FILES.items()]

    def poll(self, points: Points) -> Polled:
        progress, fault = 1.0, ""
        for file in self._files:
            try:
                share, is_anew = file.poll(points)
            except ForeignError as error:
                share, is_anew, fault = 1.0, False, f"{file.path.name}: {error}"
            if is_anew:
                self._files = self._opened()
                points.clear()
                return Polled(0.0)
            progress = min(progress, share)
        return Polled(progress, fault)


def _take(text: str, header: _Header, points: Points) -> None:
    table = _quick(text, header.delimiter)
    if table is None:
        table = _slow(text, header)
    if table.shape[1] <= header.step:
        return
    steps = table[:, header.step]
    times = table[:, header.time] if header.time is not None and header.time < table.shape[1] else ()
    for i, tag in header.tags.items():
        if i >= table.shape[1]:
            continue
        there = ~np.isnan(table[:, i])
        if there.all():
            points.add(tag, steps, table[:, i], times)
        elif there.any():
            at = times[there] if len(times) else ()
            points.add(tag, steps[there], table[there, i], at)


def _quick(text: str, delimiter: str) -> Floats | None:
    """All cells, where each of them is a number."""
    try:
        return np.loadtxt(io.StringIO(text), delimiter=delimiter, ndmin=2, comments=None, encoding=None)
    except ValueError:
        return None


def _slow(text: str, header: _Header) -> Floats:
    """Row by row; what is no number, or not there, is nan."""
    width = 1 + max([header.step, header.time or 0, *header.tags])
    rows = [
        [_number(row[i]) if i < len(row) else math.nan for i in range(width)]
        for line in text.split("\n")
        if (row := _cells(line, header.delimiter))
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, width)


def _cells(line: str, delimiter: str) -> list[str]:
    """Of one line; of one that is no CSV (a stray carriage return, a field without end) what stands between."""
    try:
        return next(csv.reader([line.rstrip("\r")], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
