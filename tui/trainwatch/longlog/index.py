"""The index of a log: its step records as columns on disk, the others as lines, up to an offset. Read only here.

A directory of its own in the user's cache. `meta` is replaced atomically and says how much of the other files counts;
these only grow, so that whoever has them mapped is never disturbed. What does not agree with `meta`, or a log that is
not the one that was read, is no index: the log itself is always there.

Column n has three files: `n.values` (float64, with room behind), `n.blocks` (bounds of blocks of rows, four float64
each) and `n.marks` (int64 rows whose value is there and not finite). Column 0 is the axis of steps.
"""

import hashlib
import io
import mmap
import os
import platform
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rundir.column import BLOCK, Bounds, Column, Floats, Indices
from rundir.records import METRICS_DECODER, decode_lines
from rundir.series import STEP_FIELDS, StepBlock, Storage
from trainwatch.cache import cache_home
from trainwatch.longlog.pieces import MetricsPiece
from trainwatch.mount import is_remote

FORMAT = 1
META = "meta"
OTHERS = "others"
AXIS = ""
"""Name of column 0."""
SUM_ROWS = 131_072
"""Rows whose words have one sum between them: a MiB."""
VALUE_BYTES, BLOCK_BYTES, MARK_BYTES = 8, 32, 8
_SPOTS, _SPOT_BYTES, _END_BYTES = 64, 4096, 65_536
"""By what a log is known again: so many places in its course, its beginning and its end."""


class ColumnMeta(msgspec.Struct):
    """What counts of the files of one column."""

    name: str
    sums: list[int]
    """Of each `SUM_ROWS` rows, as words of 64 bits, modulo 2^64."""
    blocks_crc: int
    num_marks: int
    marks_crc: int


class Segment(msgspec.Struct, tag="steps"):
    """Rows of one attempt between two cuts."""

    attempt: int
    start: int
    stop: int
    columns: list[int]
    """Which had a value in them."""


class Others(msgspec.Struct, tag="others"):
    """So many of the lines of the file of others."""

    count: int


class Meta(msgspec.Struct):
    """What an index covers, and how all of it is checked."""

    format: int
    device: int
    inode: int
    covered_bytes: int
    """Of the log; ends with a line."""
    fingerprint: int
    """Of what is covered."""
    rows: int
    columns: list[ColumnMeta]
    order: list[Segment | Others]
    growing: int
    """Which of `order` is the segment that the next rows may belong to; -1 where none is."""
    num_others: int
    others_bytes: int
    others_crc: int
    skipped: int
    """Lines that were no record."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """What an index had to say."""

    meta: Meta
    pieces: tuple[MetricsPiece, ...]


def index_root() -> Path:
    return cache_home() / "index"


def place_of(log: Path) -> Path:
    """Where the index of a log lies, or would."""
    path = log.resolve()
    key = hashlib.sha256(f"{platform.node()}\0{path}".encode(errors="surrogateescape")).hexdigest()[:16]
    return index_root() / key


def fingerprint(fd: int, size: int) -> int:
    """Checksum of the beginning, the end and places between of the first `size` bytes; of all of them where few."""
    crc = 0
    ends = [(0, min(size, _END_BYTES)), (max(0, size - _END_BYTES), min(size, _END_BYTES))]
    spots = [(i * (size // _SPOTS), min(_SPOT_BYTES, size // _SPOTS)) for i in range(_SPOTS)]
    for start, length in [*ends, *spots]:
        crc = zlib.crc32(os.pread(fd, length, start), crc)
    return crc


def read_meta(place: Path) -> Meta | None:
    """None where there is none that can be read."""
    try:
        data = (place / META).read_bytes()
        crc, _, body = data.partition(b"\n")
        if int(crc, 16) != zlib.crc32(body):
            return None
        meta = msgspec.json.decode(body, type=Meta)
    except (OSError, ValueError, msgspec.DecodeError):
        return None
    return meta if meta.format == FORMAT else None


def written_meta(meta: Meta) -> bytes:
    body = msgspec.json.encode(meta)
    return b"%08x\n" % zlib.crc32(body) + body


def open_index(place: Path, log_fd: int, fields: Sequence[str]) -> Indexed | None:
    """What the index says of the log behind a descriptor; None where that cannot be relied on."""
    meta = read_meta(place)
    if meta is None or not is_of(meta, log_fd):
        return None
    try:
        pieces = _read(place, meta, fields)
        os.utime(place)
    except (OSError, ValueError, IndexError, OverflowError):
        return None
    return Indexed(meta, pieces) if pieces is not None else None


def is_of(meta: Meta, log_fd: int) -> bool:
    """Whether it is this log that was read, which has only grown since."""
    stat = os.fstat(log_fd)
    return (
        (meta.device, meta.inode) == (stat.st_dev, stat.st_ino)
        and stat.st_size >= meta.covered_bytes
        and fingerprint(log_fd, meta.covered_bytes) == meta.fingerprint
    )


class _DamagedError(ValueError):
    """What is on disk does not agree with what was written."""


def _read(place: Path, meta: Meta, fields: Sequence[str]) -> tuple[MetricsPiece, ...] | None:
    others = _others(place, meta)
    unwanted = set(STEP_FIELDS) - set(fields)
    maps = not is_remote(place)  # what another machine removes is gone under whoever has it mapped
    wanted = [n for n, column in enumerate(meta.columns) if column.name not in unwanted]
    opened = {n: _OpenColumn(place, n, meta, maps=maps) for n in wanted}
    pieces: list[MetricsPiece] = []
    for entry in meta.order:
        if isinstance(entry, Others):
            pieces += others[: entry.count]
            others = others[entry.count :]
            continue
        columns = [n for n in entry.columns if n in opened]
        pieces.append(_block(entry, meta, {n: opened[n] for n in [0, *columns]}))
    return tuple(pieces)


def _others(place: Path, meta: Meta) -> list[Any]:
    with open(place / OTHERS, "rb") as file:
        lines = file.read(meta.others_bytes)
    if len(lines) != meta.others_bytes or zlib.crc32(lines) != meta.others_crc:
        raise _DamagedError(OTHERS)
    records = decode_lines(lines, METRICS_DECODER).records
    if len(records) != meta.num_others:
        raise _DamagedError(OTHERS)
    return records


def _block(segment: Segment, meta: Meta, columns: dict[int, "_OpenColumn"]) -> StepBlock:
    start, stop = segment.start, segment.stop
    names = {n: meta.columns[n].name for n in columns if n}
    storage = None
    if start == 0:
        made = {name: columns[n].as_column(stop) for n, name in names.items()}
        storage = Storage(columns[0].as_column(stop), made)
    marks = {name: found for n, name in names.items() if len(found := columns[n].marks_in(start, stop))}
    return StepBlock(
        columns[0].values[start:stop],
        {name: columns[n].values[start:stop] for n, name in names.items()},
        marks,
        attempt=segment.attempt,
        storage=storage,
    )


class _OpenColumn:
    """One column, checked and mapped. Raises OSError or ValueError where it is not as it was written."""

    def __init__(self, place: Path, number: int, meta: Meta, *, maps: bool) -> None:
        """`maps`: whether it is mapped, or read into memory."""
        column, rows = meta.columns[number], meta.rows
        with open(place / f"{number}.values", "rb", buffering=0) as file:
            _check_values(file, rows, column.sums)
            self.values, self._storage = _mapped(file, rows) if maps else _loaded(file, rows)
        num_blocks = rows // BLOCK
        blocks = _whole_file(place / f"{number}.blocks", num_blocks * BLOCK_BYTES, column.blocks_crc)
        self._blocks = np.frombuffer(blocks, np.float64).reshape(num_blocks, 4)
        marks = _whole_file(place / f"{number}.marks", column.num_marks * MARK_BYTES, column.marks_crc)
        self._marks: Indices = np.frombuffer(marks, np.int64)

    def as_column(self, size: int) -> Column:
        """The first rows as a growing column, whose changes stay in memory."""
        bounds = Bounds(*(np.ascontiguousarray(self._blocks[: size // BLOCK, i]) for i in range(4)))
        return Column.over(self._storage, size, bounds, self.marks_in(0, size))

    def marks_in(self, start: int, stop: int) -> Indices:
        """Counted from `start`."""
        first, last = np.searchsorted(self._marks, [start, stop])
        return self._marks[first:last] - start


def _mapped(file: io.FileIO, rows: int) -> tuple[Floats, Floats]:
    """The rows; and the same with the room behind them, for changes that stay in this process."""
    size = os.fstat(file.fileno()).st_size // VALUE_BYTES * VALUE_BYTES
    kept = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    grows = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY)
    return np.frombuffer(kept, np.float64)[:rows], np.frombuffer(grows, np.float64)


def _loaded(file: io.FileIO, rows: int) -> tuple[Floats, Floats]:
    file.seek(0)
    values = np.fromfile(file, np.float64, rows)
    return values, values.copy()


def _check_values(file: io.FileIO, rows: int, sums: list[int]) -> None:
    if len(sums) != -(-rows // SUM_ROWS):
        raise _DamagedError(file.name)
    buffer = np.empty(SUM_ROWS, dtype=np.uint64)
    for i, expected in enumerate(sums):
        words = buffer[: min(SUM_ROWS, rows - i * SUM_ROWS)]
        if file.readinto(words.data) != words.nbytes or int(words.sum()) != expected:
            raise _DamagedError(file.name)


def _whole_file(path: Path, size: int, crc: int) -> bytes:
    with open(path, "rb") as file:
        data = file.read(size)
    if len(data) != size or zlib.crc32(data) != crc:
        raise _DamagedError(path)
    return data
