"""Orders: how they are written by anyone, and read, in order and once each, by the supervisor alone.

Guarantees: an order is one line of `control.jsonl` (or one file of `control.d/`); a malformed or oversized line is
reported and hides none after it; ids are stable, so that an order read twice is recognised; a control file that was
rewritten (`>` instead of `>>`) or replaced is read anew from its start, as a new generation; memory is bounded
whatever is written; nothing is taken from a file that others than the run's user and root may write, nor from what is
no regular file (`trust`).
"""

import errno
import hashlib
import os
import re
import stat

import msgspec

from rundir import trust
from rundir.append import Appender
from rundir.atomic import write_atomic
from rundir.layout import RunDir
from rundir.orders import (
    MAX_ID_LENGTH,
    MAX_ORDER_BYTES,
    SETTABLE,
    Malformed,
    Order,
    Verb,
    new_order_id,
    parse_order,
    refused_unread,
)
from rundir.records import encode
from rundir.secret import redact_value
from rundir.trust import DistrustedError

__all__ = [
    "MAX_ORDER_BYTES",
    "SETTABLE",
    "ControlPosition",
    "ControlReader",
    "Malformed",
    "Order",
    "Verb",
    "distrusted",
    "line_of",
    "new_order_id",
    "send",
    "send_by_rename",
]

MAX_POLL_BYTES = 1024 * 1024
"""How much of the control file one poll takes in."""
_FINGERPRINT_BYTES = 4096
_FILE_ID = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_ID_LENGTH}}}")


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
    """Of the file as it was read. While it and the size stay, the bytes are not looked at."""
    was_gone: bool = False
    """Whether there was no file when it was last looked for."""
    inside_long_line: bool = False
    """Whether `offset` lies inside an oversized line that was refused already."""
    files: list[str] = []
    """Keys of the files of control.d that were read and are still there."""


def send(run: RunDir, order: Order) -> None:
    """Append an order (with its id) to the run's control file, less the secrets in its text. Raises OSError."""
    appender = Appender(run.control)
    try:
        if not appender.append(line_of(order)):
            raise OSError(errno.ENOSPC, "no room to write the order", str(run.control))
    finally:
        appender.close()


def send_by_rename(run: RunDir, order: Order) -> None:
    """The same for network filesystems, where appends of several hosts are not atomic.

    Raises OSError, and ValueError for an id that is no file name of control.d.
    """
    if not _FILE_ID.fullmatch(order.id):
        raise ValueError(f"{order.id!r}: no id for a file of control.d; use letters, digits, - and _")
    run.control_dir.mkdir(mode=0o700, exist_ok=True)
    write_atomic(run.control_dir / f"{order.id}.json", line_of(order))


def line_of(order: Order) -> bytes:
    """An order as it stands in a file, less the secrets in its text."""
    return encode(msgspec.structs.replace(order, args=redact_value(order.args, os.environ)))


def distrusted(run: RunDir) -> str | None:
    """Why no order would be taken from the run's control file as it is now, and the cure; None where it would be."""
    reader = ControlReader(run)
    reader.poll()
    name = run.control.name
    return next((f"{run.path / place}: {why}" for place, why in reader.distrust.items() if place in (".", name)), None)


class ControlReader:
    """Reads a run's orders. Owns the position; remembers nothing of the orders themselves.

    Reads at most `MAX_POLL_BYTES` a poll; what is beyond comes with the next. Never raises OSError: what cannot be
    read now is read at a later poll.
    """

    def __init__(self, run: RunDir, position: ControlPosition | None = None) -> None:
        self._run = run
        self.position = position if position is not None else ControlPosition()
        self.distrust: dict[str, str] = {}
        """From what nothing is taken, by its path in the run directory, and why. As the last poll found it."""
        self.passed_over_bytes = 0
        """Of a file that others could write: what they may have written, and the last poll has left out for good."""
        self._distrusted: os.stat_result | None = None
        """The control file as it was last seen, if others could write it then."""
        self._was_open = False
        """Whether others could have put any file in its place since it was last read."""

    def poll(self) -> list[Order | Malformed]:
        """The orders that came since the last poll, in file order; then those of control.d by name."""
        self.passed_over_bytes = 0
        try:
            run_fd, owner = trust.open_run(self._run.path)
        except DistrustedError as error:
            self.distrust = {".": str(error)}
            self._was_open = True
            return []
        except OSError:
            return []
        self.distrust = {}
        try:
            return [*self._poll_file(run_fd, owner), *self._poll_dir(run_fd, owner)]
        finally:
            os.close(run_fd)

    def _poll_file(self, run_fd: int, owner: int) -> list[Order | Malformed]:
        name = self._run.control.name
        try:
            fd = trust.open_file(name, owner, within=run_fd)
        except DistrustedError as error:
            self.distrust[name] = str(error)
            is_file = error.found is not None and stat.S_ISREG(error.found.st_mode)
            self._distrusted = error.found if is_file else None
            if not _is_regular(name, run_fd):
                self._note_gone()
            return []
        except FileNotFoundError:
            self._distrusted, self._was_open = None, False  # what comes in its place is new
            self._note_gone()
            return []
        except OSError:
            return []
        try:
            found = os.fstat(fd)
            if self._was_open or self._is_the_distrusted(found):
                self._pass_over(fd, found)
            self._distrusted, self._was_open = None, False
            return self._read(fd, found)
        except OSError:
            return []
        finally:
            os.close(fd)

    def _note_gone(self) -> None:
        if not self.position.was_gone:
            self.position = msgspec.structs.replace(self.position, was_gone=True)

    def _is_the_distrusted(self, found: os.stat_result) -> bool:
        """Whether this is the file that others could write a moment ago, not a new one with its old inode number."""
        before = self._distrusted
        return before is not None and os.path.samestat(before, found) and found.st_size >= before.st_size

    def _pass_over(self, fd: int, found: os.stat_result) -> None:
        """Go on after all that stands there: nobody can say who wrote it."""
        end = found.st_size
        self.passed_over_bytes = max(0, end - self.position.offset)
        self.position = ControlPosition(
            generation=self.position.generation,
            inode=found.st_ino,
            offset=end,
            fingerprint=_fingerprint(fd, end),
            mtime_ns=found.st_mtime_ns,
            inside_long_line=end > 0 and os.pread(fd, 1, end - 1) != b"\n",
            files=self.position.files,
        )

    def _read(self, fd: int, found: os.stat_result) -> list[Order | Malformed]:
        place = self.position
        at_end = place.inode == found.st_ino and place.offset == found.st_size and not place.was_gone
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

    def _poll_dir(self, run_fd: int, owner: int) -> list[Order | Malformed]:
        folder = self._run.control_dir.name
        try:
            fd = trust.open_folder(folder, owner, within=run_fd)
        except DistrustedError as error:
            self.distrust[folder] = str(error)
            return []
        except OSError:
            return []
        try:
            return self._read_folder(fd, owner)
        except OSError:
            return []
        finally:
            os.close(fd)

    def _read_folder(self, folder_fd: int, owner: int) -> list[Order | Malformed]:
        read_before = set(self.position.files)
        orders: list[Order | Malformed] = []
        keys: list[str] = []
        for name in sorted(os.listdir(folder_fd)):
            if name.startswith(".") or not name.endswith(".json"):
                continue
            place = b"d:" + os.fsencode(name)
            key = hashlib.sha256(place).hexdigest()[:12]
            if key not in read_before:
                order = _read_order(name, owner, folder_fd, place)
                if order is None:
                    continue  # not there any more, or still empty: its writer did not rename it into place
                orders.append(order)
            keys.append(key)
        if keys != self.position.files:
            self.position = msgspec.structs.replace(self.position, files=keys)
        return orders


def _read_order(name: str, owner: int, folder_fd: int, place: bytes) -> Order | Malformed | None:
    """The order in a file of control.d; None where there is none yet. Of a long file no more is read than shows it."""
    try:
        fd = trust.open_file(name, owner, within=folder_fd)
    except DistrustedError as error:
        return refused_unread(place, f"control.d/{name}: {error}, and give the order anew")
    except OSError:
        return None
    try:
        line = os.pread(fd, MAX_ORDER_BYTES + 1, 0)
    except OSError:
        return None
    finally:
        os.close(fd)
    return parse_order(line, place) if line.strip() else None


def _is_regular(name: str, within: int) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=within, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _is_rewritten(fd: int, found: os.stat_result, place: ControlPosition) -> bool:
    """Whether the file is not the one that was read up to `place`, longer.

    A newer time of writing alone does not say so: a write sets it before the size, and a poll may come between the two.
    Of a file that was gone meanwhile it does: its successor may have its inode number, and begin alike.
    """
    return place.offset > 0 and (
        (place.was_gone and place.mtime_ns != found.st_mtime_ns)
        or place.inode != found.st_ino
        or found.st_size < place.offset
        or _fingerprint(fd, place.offset) != place.fingerprint
    )


def _fingerprint(fd: int, offset: int) -> str:
    """Hash of a file's first bytes and of those before `offset`: either alone may be alike in two files."""
    head = os.pread(fd, min(offset, _FINGERPRINT_BYTES), 0)
    start = max(len(head), offset - _FINGERPRINT_BYTES)
    return hashlib.sha256(head + os.pread(fd, offset - start, start)).hexdigest()[:16]
