"""Orders: how they are written by anyone, and read, in order and once each, by the supervisor alone.

Guarantees: an order is one line of `control.jsonl` (or one file of `control.d/`); a malformed or oversized line is
reported and hides none after it; ids are stable, so that an order read twice is recognised; a control file that was
rewritten (`>` instead of `>>`) or replaced is read anew from its start, as a new generation.
"""

import hashlib
import os
import secrets
from enum import StrEnum
from typing import Any

import msgspec

from rundir.append import Appender
from rundir.atomic import write_atomic
from rundir.layout import RunDir
from rundir.records import encode

MAX_ORDER_BYTES = 64 * 1024
_FINGERPRINT_BYTES = 4096


class Verb(StrEnum):
    """What a run can be told."""

    PAUSE = "pause"
    PARK = "park"
    RESUME = "resume"
    CHECKPOINT = "checkpoint"
    EVAL = "eval"
    SET = "set"
    STOP = "stop"
    KILL = "kill"
    NOTE = "note"


SETTABLE = {
    "lr": "peak learning rate; the schedule's shape goes on",
    "epochs": "planned epochs; also extends a finished run",
    "max_steps": "planned optimizer steps; also extends a finished run",
    "clip_norm": "gradient clipping, 0 for none",
    "log_every": "optimizer steps between step records",
    "eval_every": "optimizer steps between evaluations",
    "save_every": "optimizer steps between checkpoints",
}
"""What `set` may change, and what it means."""


class Order(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One order to a run."""

    verb: Verb
    id: str = ""
    args: dict[str, Any] = {}
    at: float | None = None
    by: str | None = None


class Malformed(msgspec.Struct, kw_only=True):
    """A line that is no order, with the id under which it is refused."""

    id: str
    reason: str
    verb: str = ""
    by: str | None = None


class ControlPosition(msgspec.Struct, omit_defaults=True):
    """How far a control file has been read, in a form that survives the reader and notices a rewrite."""

    generation: int = 0
    inode: int = 0
    offset: int = 0
    fingerprint: str = ""
    """Hash of the last bytes before `offset`."""


def new_order_id() -> str:
    return secrets.token_hex(6)


def send(run: RunDir, order: Order) -> None:
    """Append an order (with its id) to the run's control file. Raises OSError."""
    appender = Appender(run.control)
    try:
        if not appender.append(encode(order)):
            raise OSError(28, "no room to write the order", str(run.control))
    finally:
        appender.close()


def send_by_rename(run: RunDir, order: Order) -> None:
    """The same for network filesystems, where appends of several hosts are not atomic. Raises OSError."""
    run.control_dir.mkdir(mode=0o700, exist_ok=True)
    write_atomic(run.control_dir / f"{order.id}.json", encode(order))


class ControlReader:
    """Reads a run's orders. Owns the position; remembers nothing of the orders themselves."""

    def __init__(self, run: RunDir, position: ControlPosition | None = None) -> None:
        self._run = run
        self.position = position if position is not None else ControlPosition()
        self._seen_stat: tuple[int, int, int] | None = None
        self._seen_files: set[str] = set()

    def poll(self) -> list[Order | Malformed]:
        """The orders that came since the last poll, in file order; then those of control.d by name."""
        return [*self._poll_file(), *self._poll_dir()]

    def _poll_file(self) -> list[Order | Malformed]:
        try:
            fd = os.open(self._run.control, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return []
        try:
            stat = os.fstat(fd)
            signature = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if signature == self._seen_stat:
                return []
            orders = self._read(fd, stat.st_ino, stat.st_size)
            self._seen_stat = signature
            return orders
        finally:
            os.close(fd)

    def _read(self, fd: int, inode: int, size: int) -> list[Order | Malformed]:
        place = self.position
        rewritten = place.offset > 0 and (
            place.inode != inode or size < place.offset or _fingerprint(fd, place.offset) != place.fingerprint
        )
        if rewritten or place.offset == 0:
            generation = place.generation + 1 if rewritten else place.generation
            place = ControlPosition(generation=generation, inode=inode)
        orders: list[Order | Malformed] = []
        offset = place.offset
        for line in _whole_lines(fd, offset):
            if line.strip():
                orders.append(self._parse(line, f"{place.generation}:{offset}"))
            offset += len(line)
        self.position = ControlPosition(place.generation, inode, offset, _fingerprint(fd, offset))
        return orders

    def _poll_dir(self) -> list[Order | Malformed]:
        try:
            entries = sorted(os.scandir(self._run.control_dir), key=lambda entry: entry.name)
        except OSError:
            return []
        orders: list[Order | Malformed] = []
        for entry in entries:
            if entry.name in self._seen_files or not entry.name.endswith(".json") or entry.name.startswith("."):
                continue
            if not entry.is_file(follow_symlinks=False):
                continue
            self._seen_files.add(entry.name)
            with open(entry.path, "rb") as file:
                orders.append(self._parse(file.read(MAX_ORDER_BYTES + 1), f"d:{entry.name}"))
        return orders

    def _parse(self, line: bytes, place: str) -> Order | Malformed:
        """An order, or why it is none."""
        line_id = hashlib.sha256(place.encode() + b"\0" + line.rstrip(b"\n")).hexdigest()[:12]
        if len(line) > MAX_ORDER_BYTES:
            return Malformed(id=line_id, reason=f"the line has {len(line)} bytes, more than {MAX_ORDER_BYTES}")
        try:
            raw = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Malformed(id=line_id, reason=f"not JSON: {error}")
        if not isinstance(raw, dict):
            return Malformed(id=line_id, reason='not an object like {"verb": "pause"}')
        given = raw.get("id")
        order_id = given if isinstance(given, str) and 0 < len(given) <= 64 else line_id
        verb = raw.get("verb")
        by = raw.get("by") if isinstance(raw.get("by"), str) else None
        if not isinstance(verb, str) or verb not in list(Verb):
            known = ", ".join(Verb)
            return Malformed(
                id=order_id, verb=str(verb)[:40], by=by, reason=f"unknown verb {str(verb)[:40]!r}; known: {known}"
            )
        try:
            order = msgspec.convert(raw, Order)
        except msgspec.ValidationError as error:
            return Malformed(id=order_id, verb=verb, by=by, reason=str(error))
        order.id = order_id
        return order


def _whole_lines(fd: int, offset: int) -> list[bytes]:
    """The lines from `offset` that have their newline. A torn last line waits for it."""
    data = bytearray()
    while piece := os.pread(fd, 1 << 20, offset + len(data)):
        data += piece
    return [line + b"\n" for line in bytes(data).split(b"\n")[:-1]]


def _fingerprint(fd: int, offset: int) -> str:
    start = max(0, offset - _FINGERPRINT_BYTES)
    return hashlib.sha256(os.pread(fd, offset - start, start)).hexdigest()[:16]
