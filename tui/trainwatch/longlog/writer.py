"""Writes the index of a log while the log is read, and goes on with it as the log grows. One writer an index.

What is written counts from `commit` on only, and the rest is overwritten by whoever goes on: whatever this process dies
of, `meta` and what it vouches for agree. No fsync: after a power loss the sums do not, and the log is read once more.
"""

import contextlib
import errno
import os
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rundir.atomic import write_atomic
from rundir.column import BLOCK, NO_MARKS, Floats, Indices, block_bounds
from rundir.records import ResumeRecord, encode
from rundir.series import StepBlock, marks_from
from trainwatch.cache import locked, trim
from trainwatch.longlog.index import (
    AXIS,
    BLOCK_BYTES,
    FORMAT,
    MARK_BYTES,
    META,
    OTHERS,
    SUM_ROWS,
    VALUE_BYTES,
    ColumnMeta,
    Meta,
    Others,
    Segment,
    read_meta,
    written_meta,
)
from trainwatch.longlog.pieces import MetricsPiece

MAX_INDEX_BYTES = 4 * 1024**3
"""Of the disk, for all indexes together, when one is begun."""
LEAST_ROOM_ROWS = 65_536
"""Room behind the rows of a column, for those of a run that goes on while somebody has it mapped."""
MOST_COLUMNS = 160
"""Of an index: each has three descriptors while it is written, and two where it is mapped; of those there are 1024."""
FREE_SHARE = 0.5
"""An index takes a third of its log at most; none is begun where the disk has less than this share of it free."""


class IndexWriter:
    """Owns the files of one index, of which it holds the lock. Any method may raise OSError: it is then lost."""

    def __init__(self, place: Path, lock: int, meta: Meta | None) -> None:
        """Use `begun` or `continued`. Takes the lock over, also where it raises."""
        self._place = place
        self._lock = lock
        self._order: list[Segment | Others] = list(meta.order) if meta is not None else []
        self._growing = self._order[meta.growing] if meta is not None and meta.growing >= 0 else None
        self._rows = meta.rows if meta is not None else 0
        self._skipped = meta.skipped if meta is not None else 0
        self._num_others = meta.num_others if meta is not None else 0
        known = meta.columns if meta is not None else [ColumnMeta(AXIS, [], 0, 0, 0)]
        self._columns: list[_ColumnFiles] = []
        with contextlib.ExitStack() as opened:
            opened.callback(os.close, lock)
            self._others = _Grown(place / OTHERS, meta.others_bytes if meta else 0, meta.others_crc if meta else 0)
            opened.callback(self._others.close)
            for n, each in enumerate(known):
                self._columns.append(_ColumnFiles(place, n, each, self._rows))
                opened.callback(self._columns[-1].close)
            opened.pop_all()
        self._numbers = {each.name: n for n, each in enumerate(known) if n}

    def add(self, pieces: Sequence[MetricsPiece], skipped: int) -> None:
        """What the next lines came to, with all their columns, and how many of them were no record."""
        self._skipped += skipped
        for piece in pieces:
            if isinstance(piece, StepBlock):
                self._add_steps(piece)
            else:
                self._add_other(piece)

    def _add_steps(self, block: StepBlock) -> None:
        segment, skip = self._growing, 0
        if isinstance(segment, Segment) and segment.attempt == block.attempt and segment.stop == self._rows:
            skip = int(np.searchsorted(block.x, self._columns[0].last, side="right"))
        else:
            segment = self._growing = Segment(block.attempt, self._rows, self._rows, [])
            self._order.append(segment)
        if skip >= len(block):
            return
        self._columns[0].append(block.x[skip:], NO_MARKS)
        for name, values in block.columns.items():
            marks = marks_from(block, name, skip)
            if skip and not len(marks) and np.isnan(values[skip:]).all():
                continue  # what had a value was dropped
            number = self._number_of(name)
            column = self._columns[number]
            column.pad(self._rows)
            column.append(values[skip:], marks)
            if number not in segment.columns:
                segment.columns.append(number)
        self._rows += len(block) - skip
        segment.stop = self._rows

    def _number_of(self, name: str) -> int:
        if name not in self._numbers:
            if len(self._columns) >= MOST_COLUMNS:
                raise OSError(errno.EMFILE, "more columns than an index may have", str(self._place))
            self._numbers[name] = len(self._columns)
            self._columns.append(_ColumnFiles(self._place, len(self._columns), ColumnMeta(name, [], 0, 0, 0), 0))
        return self._numbers[name]

    def _add_other(self, record: Any) -> None:
        self._others.append(encode(record))
        self._num_others += 1
        if isinstance(record, ResumeRecord):
            self._growing = None
        if self._order and isinstance(last := self._order[-1], Others):
            last.count += 1
        else:
            self._order.append(Others(1))

    def commit(self, stat: os.stat_result, covered_bytes: int, fingerprint: int) -> None:
        """What was added covers so many bytes of the log: from now on it counts."""
        for column in self._columns:
            column.pad(self._rows)
            column.make_room()
        growing = next((i for i, entry in enumerate(self._order) if entry is self._growing), -1)
        meta = Meta(
            format=FORMAT,
            device=stat.st_dev,
            inode=stat.st_ino,
            covered_bytes=covered_bytes,
            fingerprint=fingerprint,
            rows=self._rows,
            columns=[column.meta for column in self._columns],
            order=self._order,
            growing=growing,
            num_others=self._num_others,
            others_bytes=self._others.size,
            others_crc=self._others.crc,
            skipped=self._skipped,
        )
        write_atomic(self._place / META, written_meta(meta), durable=False)

    def close(self) -> None:
        self._others.close()
        for column in self._columns:
            column.close()
        os.close(self._lock)

    def discard(self) -> None:
        """The log is another one, or the disk is full: no index is better than a wrong one."""
        try:
            _emptied(self._place)
        finally:
            self.close()


def begun(place: Path, log_bytes: int) -> IndexWriter | None:
    """A writer of a new index; None where another program writes one, or the disk has no room. Raises OSError."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if shutil.disk_usage(place.parent).free < FREE_SHARE * log_bytes:
        return None
    lock = locked(place)
    if lock < 0:
        return None
    try:
        trim(place.parent, MAX_INDEX_BYTES)
        _emptied(place)  # whoever has the old files mapped keeps them: they are not written to again
    except OSError:
        os.close(lock)
        raise
    return IndexWriter(place, lock, None)


def continued(place: Path, meta: Meta) -> IndexWriter | None:
    """A writer that goes on where an index ends; None where another program does. Raises OSError."""
    lock = locked(place)
    if lock < 0:
        return None
    if read_meta(place) != meta:  # another program went on meanwhile
        os.close(lock)
        return None
    return IndexWriter(place, lock, meta)


def _emptied(place: Path) -> None:
    for path in [place / META, *(each for each in place.iterdir() if each.name not in {"lock", META})]:
        path.unlink(missing_ok=True)


class _Grown:
    """A file that is appended to from a size on, and the checksum of it all."""

    def __init__(self, path: Path, size: int, crc: int) -> None:
        self.size, self.crc = size, crc
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def append(self, data: bytes) -> None:
        _write_at(self.fd, data, self.size)
        self.size += len(data)
        self.crc = zlib.crc32(data, self.crc)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.fd)


class _ColumnFiles:
    """The three files of one column."""

    def __init__(self, place: Path, number: int, meta: ColumnMeta, rows: int) -> None:
        self.rows = rows
        self._name, self._sums = meta.name, list(meta.sums)
        self._fd = os.open(place / f"{number}.values", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with contextlib.ExitStack() as opened:
            opened.callback(os.close, self._fd)
            self._blocks = _Grown(place / f"{number}.blocks", rows // BLOCK * BLOCK_BYTES, meta.blocks_crc)
            opened.callback(self._blocks.close)
            self._marks = _Grown(place / f"{number}.marks", meta.num_marks * MARK_BYTES, meta.marks_crc)
            opened.callback(self._marks.close)
            start = rows // BLOCK * BLOCK
            self._ragged: Floats = self._read(start, rows)
            """The values behind the last whole block."""
            self.last = float(self._read(rows - 1, rows)[0]) if rows else np.nan
            opened.pop_all()

    def _read(self, start: int, stop: int) -> Floats:
        return np.frombuffer(os.pread(self._fd, (stop - start) * VALUE_BYTES, start * VALUE_BYTES), np.float64)

    @property
    def meta(self) -> ColumnMeta:
        num_marks = self._marks.size // MARK_BYTES
        return ColumnMeta(self._name, list(self._sums), self._blocks.crc, num_marks, self._marks.crc)

    def append(self, values: Floats, marks: Indices) -> None:
        values = np.ascontiguousarray(values)
        _write_at(self._fd, values.data.cast("B"), self.rows * VALUE_BYTES)
        self._sum(values.view(np.uint64))
        if len(marks):
            self._marks.append((marks + self.rows).astype(np.int64).tobytes())
        pending = np.concatenate([self._ragged, values])
        whole = len(pending) // BLOCK * BLOCK
        if whole:
            bounds = block_bounds(pending[:whole])
            self._blocks.append(np.column_stack([bounds.low, bounds.high, bounds.total, bounds.count]).tobytes())
        self._ragged = pending[whole:]
        self.rows += len(values)
        self.last = float(values[-1])

    def pad(self, rows: int) -> None:
        """Fill up with nan to so many rows."""
        while self.rows < rows:
            self.append(np.full(min(rows - self.rows, SUM_ROWS), np.nan), NO_MARKS)

    def _sum(self, words: npt.NDArray[np.uint64]) -> None:
        row = self.rows
        while len(words):
            room = SUM_ROWS - row % SUM_ROWS
            part = int(words[:room].sum())
            if row % SUM_ROWS:
                self._sums[-1] = (self._sums[-1] + part) % 2**64
            else:
                self._sums.append(part)
            row, words = row + min(room, len(words)), words[room:]

    def make_room(self) -> None:
        wanted = self.rows + max(self.rows // 2, LEAST_ROOM_ROWS)
        size = os.fstat(self._fd).st_size
        if size < (self.rows + LEAST_ROOM_ROWS // 2) * VALUE_BYTES:
            os.ftruncate(self._fd, wanted * VALUE_BYTES)  # a hole: it takes up no room on the disk

    def close(self) -> None:
        os.close(self._fd)
        self._blocks.close()
        self._marks.close()


def _write_at(fd: int, data: bytes | memoryview, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written
