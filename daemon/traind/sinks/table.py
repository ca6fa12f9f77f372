"""One CSV file that grows by rows, gets new columns when it must, and whose end can be taken back. Knows no records.

Guarantees: the first column is the step, and it ascends; a reader sees whole rows, or the beginning of the last; a
column once there stays at its place.
"""

import csv
import io
import mmap
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rundir.text import plain
from traind.sinks.sink import StartOverError, State


class Table:
    """Owns the file and its header. Rows wait in memory until `commit`."""

    def __init__(self, path: Path, columns: Sequence[str], state: State | None) -> None:
        """Begin the file with `columns`, or go on from a state. Raises StartOverError when the two do not fit."""
        self._path = path
        self._rows: list[bytes] = []
        if state is None:
            self._columns = list(columns)
            path.write_bytes(_line(self._columns))
        else:
            self._columns = _restore(path, state)
        self._fd = self._open()

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)

    def add(self, values: Mapping[str, object]) -> None:
        """Append a row; a name that is new becomes the last column, empty in the rows before."""
        values = {plain(name): value for name, value in values.items()}
        if new := [name for name in values if name not in self._columns]:
            self._add_columns(new)
        self._rows.append(_line([values.get(name, "") for name in self._columns]))

    def _add_columns(self, names: list[str]) -> None:
        self._flush()
        self._columns += names
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        with open(self._path, "rb") as old, open(temporary, "wb") as new:
            old.readline()
            new.write(_line(self._columns))
            new.writelines(row.rstrip(b"\n") + b"," * len(names) + b"\n" for row in old)
        os.close(self._fd)
        temporary.replace(self._path)
        self._fd = self._open()

    def cut(self, step: int) -> None:
        """Drop the rows beyond a step. Looks at no more of the file than it drops."""
        self._drop(step + 1, {})

    def drop(self, step: int, **values: str) -> None:
        """Drop the rows of a step, which must be the last, that have these values."""
        self._drop(step, values)

    def _drop(self, step: int, values: Mapping[str, str]) -> None:
        self._flush()
        places = {self._columns.index(name): value.encode() for name, value in values.items()}
        kept: list[bytes] = []
        end = os.fstat(self._fd).st_size
        for start, row in self._rows_from_end():
            fields = row.rstrip(b"\n").split(b",")
            if int(fields[0]) < step:
                break
            end = start
            if any(fields[place] != value for place, value in places.items()):
                kept.append(row)
        os.truncate(self._fd, end)
        self._rows = kept[::-1]

    def _rows_from_end(self) -> Iterator[tuple[int, bytes]]:
        """Place and text of each row, the last first; without the header."""
        header_bytes = len(_line(self._columns))
        with mmap.mmap(self._fd, 0, access=mmap.ACCESS_READ) as view:
            end = len(view)
            while end > header_bytes:
                start = view.rfind(b"\n", 0, end - 1) + 1
                yield start, view[start:end]
                end = start

    def _flush(self) -> None:
        data = memoryview(b"".join(self._rows))
        while data:
            data = data[os.write(self._fd, data) :]
        self._rows = []

    def commit(self) -> State:
        self._flush()
        size = os.fstat(self._fd).st_size
        return {"size": size, "crc": _last_row_crc(self._fd, size)}

    def close(self) -> None:
        self._flush()
        os.close(self._fd)


def _restore(path: Path, state: State) -> list[str]:
    """Take back what was written after the state. Returns the columns."""
    try:
        with open(path, "r+b") as file:
            if _last_row_crc(file.fileno(), state["size"]) != state["crc"]:
                raise StartOverError(str(path))
            file.truncate(state["size"])
            return next(csv.reader([file.readline().decode()]))
    except FileNotFoundError:
        raise StartOverError(str(path)) from None


def _last_row_crc(fd: int, size: int, num_bytes: int = 512) -> int:
    """By which the file is known again: a rewritten header or another attempt's row changes it."""
    start = max(0, size - num_bytes)
    return zlib.crc32(os.pread(fd, size - start, start))


def _line(fields: Sequence[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(fields)
    return text.getvalue().encode()
