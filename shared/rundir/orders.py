"""The vocabulary of orders: verbs, what can be set, and how one line is judged. Plain values, no files."""

import hashlib
import secrets
from enum import StrEnum
from typing import Any

import msgspec

MAX_ORDER_BYTES = 64 * 1024
"""A longer line is no order; it is refused without being held whole."""
MAX_ID_LENGTH = 64
MAX_DEPTH = 8
"""How deep an order's arguments may nest."""


class Verb(StrEnum):
    """What a run can be told."""

    PAUSE = "pause"
    PARK = "park"
    RESUME = "resume"
    CHECKPOINT = "checkpoint"
    EVAL = "eval"
    SET = "set"
    ROLLBACK = "rollback"
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


def new_order_id() -> str:
    return secrets.token_hex(6)


def parse_order(line: bytes, place: bytes) -> Order | Malformed:
    """An order, or why it is none. Never raises.

    A line without an id of its own gets one from its text and `place`, which must be the same whenever it is read.
    """
    line_id = hashlib.sha256(place + b"\0" + line[:MAX_ORDER_BYTES].rstrip(b"\n")).hexdigest()[:12]
    if len(line) > MAX_ORDER_BYTES:
        return Malformed(id=line_id, reason=f"the line is longer than {MAX_ORDER_BYTES} bytes")
    try:
        raw = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Malformed(id=line_id, reason=f"not JSON: {error}")
    if not isinstance(raw, dict):
        return Malformed(id=line_id, reason='not an object like {"verb": "pause"}')
    given = raw.get("id")
    order_id = given if isinstance(given, str) and 0 < len(given) <= MAX_ID_LENGTH else line_id
    verb = str(raw.get("verb"))[:40]
    by = raw.get("by") if isinstance(raw.get("by"), str) else None
    if raw.get("verb") not in list(Verb):
        return Malformed(id=order_id, verb=verb, by=by, reason=f"unknown verb {verb!r}; known: {', '.join(Verb)}")
    if _is_deeper_than(raw, MAX_DEPTH):
        return Malformed(id=order_id, verb=verb, by=by, reason=f"nested deeper than {MAX_DEPTH}")
    try:
        order = msgspec.convert(raw, Order)
    except msgspec.ValidationError as error:
        return Malformed(id=order_id, verb=verb, by=by, reason=str(error))
    order.id = order_id
    return order


def _is_deeper_than(value: Any, depth: int) -> bool:
    """Whether a value nests deeper: it would have to be written into an outcome, from a deeper stack than ours."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_is_deeper_than(each, depth - 1) for each in inner)
