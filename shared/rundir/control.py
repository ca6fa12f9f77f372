"""Orders: how they are written by anyone, and read, in order and once each, by the supervisor alone.

Guarantees: an order is one line of `control.jsonl` (or one file of `control.d/`); a malformed or oversized line is
reported and hides none after it; ids are stable, so that an order read twice is recognised; a control file that was
rewritten (`>` instead of `>>`) or replaced is read anew from its start, as a new generation; memory is bounded
whatever is written; a symlink is not followed.
"""

import errno
import hashlib
import os
import stat
from pathlib import Path

import msgspec

from rundir.append import Appender
from rundir.atomic import write_atomic
from rundir.layout import RunDir
from rundir.orders import MAX_ORDER_BYTES, SETTABLE, Malformed, Order, Verb, new_order_id, parse_order
from rundir.records import encode
from rundir.secret import redact_value

__all__ = [
    "MAX_ORDER_BYTES",
    "SETTABLE",
    "ControlPosition",
    "ControlReader",
    "Malformed",
    "Order",
    "Verb",
    "new_order_id",
    "send",
    "send_by_rename",
]

MAX_POLL_BYTES = 1024 * 1024
"""How much of the control file one poll takes in."""
_FINGERPRINT_BYTES = 4096


class ControlPosition(msgspec.Struct, omit_defaults=True):
    """How far the orders have been read, in a form that survives the reader and notices a rewrite.

    Saved no later than with the orders' outcomes, it lets the next reader hand out each order that this one did not.
    """

    generation: int = 0
    """How many rewrites of the file were noticed."""
    inode: int = 0
    offset: int = 0
    fingerprint: str = ""
    """Hash of the first bytes and of the last before `offset`."""
    mtime_ns: int = 0
    """Of the file as it was read. Tells a rewrite with the same bytes."""
    inside_long_line: bool = False
    """Whether `offset` lies inside an oversized line that was refused already."""
    files: list[str] = []
    """Keys of the files of control.d that were read and are still there."""


def send(run: RunDir, order: Order) -> None:
    """Append an order (with its id) to the run's control file, less the secrets in its text. Raises OSError."""
    appender = Appender(run.control)
    try:
        if not appender.append(_line(order)):
            raise OSError(errno.ENOSPC, "no room to write the order", str(run.control))
    finally:
        appender.close()


def send_by_rename(run: RunDir, order: Order) -> None:
    """The same for network filesystems, where appends of several hosts are not atomic. Raises OSError."""
    run.control_dir.mkdir(mode=0o700, exist_ok=True)
    write_atomic(run.control_dir / f"{order.id}.json", _line(order))


def _line(order: Order) -> bytes:
    return encode(msgspec.structs.replace(order, args=redact_value(order.args, os.environ)))


class ControlReader:
    """Reads a run's orders. Owns the position; remembers nothing of the orders themselves.

    Reads at most `MAX_POLL_BYTES` a poll; what is beyond comes with the next. Never raises OSError: what cannot be
    read now is read at a later poll.
    """

    def __init__(self, run: RunDir, position: ControlPosition | None = None) -> None:
        self._run = run
        self.position = position if position is not None else ControlPosition()

    def poll(self) -> list[Order | Malformed]:
        """The orders that came since the last poll, in file order; then those of control.d by name."""
        return [*self._poll_file(), *self._poll_dir()]

    def _poll_file(self) -> list[Order | Malformed]:
        fd = _open_regular(self._run.control)
        if fd is None:
            return []
        try:
            return self._read(fd, os.fstat(fd))
        except OSError:
            return []
        finally:
            os.close(fd)

    def _read(self, fd: int, found: os.stat_result) -> list[Order | Malformed]:
        place = self.position
        at_end = place.inode == found.st_ino and place.offset == found.st_size
        if at_end and place.mtime_ns == found.st_mtime_ns:
            return []
        if _is_rewritten(fd, found, place):
            place = ControlPosition(place.generation + 1, found.st_ino, files=place.files)
        data = os.pread(fd, min(MAX_POLL_BYTES, found.st_size - place.offset), place.offset)
        orders: list[Order | Malformed] = []
        offset, inside_long_line = place.offset, place.inside_long_line
        *whole, rest = data.split(b"\n")
        for line in whole:
            if line.strip() and not inside_long_line:
                orders.append(parse_order(line, f"{place.generation}:{offset}".encode()))
            offset += len(line) + 1
            inside_long_line = False
        if len(rest) > MAX_ORDER_BYTES or inside_long_line:
            if not inside_long_line:
                orders.append(parse_order(rest, f"{place.generation}:{offset}".encode()))
            offset += len(rest)
            inside_long_line = True
        self.position = ControlPosition(
            generation=place.generation,
            inode=found.st_ino,
            offset=offset,
            fingerprint=_fingerprint(fd, offset),
            mtime_ns=found.st_mtime_ns,
            inside_long_line=inside_long_line,
            files=place.files,
        )
        return orders

    def _poll_dir(self) -> list[Order | Malformed]:
        try:
            names = sorted(path.name for path in self._run.control_dir.iterdir())
        except OSError:
            return []
        read_before = set(self.position.files)
        orders: list[Order | Malformed] = []
        keys: list[str] = []
        for name in names:
            if name.startswith(".") or not name.endswith(".json"):
                continue
            place = b"d:" + os.fsencode(name)
            key = hashlib.sha256(place).hexdigest()[:12]
            if key not in read_before:
                line = _read_small(self._run.control_dir / name)
                if not line.strip():
                    continue  # not there any more, no file, or still empty: its writer did not rename it into place
                orders.append(parse_order(line, place))
            keys.append(key)
        if keys != self.position.files:
            self.position = msgspec.structs.replace(self.position, files=keys)
        return orders


def _is_rewritten(fd: int, found: os.stat_result, place: ControlPosition) -> bool:
    """Whether the file is not the one that was read up to `place`, longer."""
    if place.offset == 0:
        return False
    if (
        place.inode != found.st_ino
        or found.st_size < place.offset
        or _fingerprint(fd, place.offset) != place.fingerprint
    ):
        return True
    # Read to its end, of the same size and bytes, yet written since: `>` with what it held before.
    return found.st_size == place.offset and place.mtime_ns not in (0, found.st_mtime_ns)


def _fingerprint(fd: int, offset: int) -> str:
    """Hash of a file's first bytes and of those before `offset`: either alone may be alike in two files."""
    head = os.pread(fd, min(offset, _FINGERPRINT_BYTES), 0)
    start = max(len(head), offset - _FINGERPRINT_BYTES)
    return hashlib.sha256(head + os.pread(fd, offset - start, start)).hexdigest()[:16]


def _open_regular(path: Path) -> int | None:
    """A descriptor on a regular file; None for a symlink, a pipe, a directory, or nothing."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return None
    return fd


def _read_small(path: Path) -> bytes:
    """The content of a file of control.d, at most one byte more than an order may have; nothing if it is no file."""
    fd = _open_regular(path)
    if fd is None:
        return b""
    try:
        return os.pread(fd, MAX_ORDER_BYTES + 1, 0)
    except OSError:
        return b""
    finally:
        os.close(fd)
