"""The vocabulary of orders: verbs, what can be set, and how one line is judged. Plain values, no files."""

import hashlib
import secrets
import shlex
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

MAX_ORDER_BYTES = 64 * 1024
"""A longer line is no order; it is refused without being held whole."""
MAX_ID_LENGTH = 64
MAX_BY_LENGTH = 128
MAX_TEXT_LENGTH = 2000
"""Characters of a text among the arguments: that of a note, say."""
MAX_DEPTH = 8
"""How deep an order's arguments may nest."""
MAX_VALUES = 64
"""How many values and names all arguments together may have."""
MAX_INTEGER = 2**53
"""Beyond it no reader of JSON need know a whole number exactly."""
MAX_REASON_LENGTH = 500
"""Of a refusal: it may quote what was given."""


class Verb(StrEnum):
    """What a run can be told."""

    PAUSE = "pause"
    PARK = "park"
    RESUME = "resume"
    CHECKPOINT = "checkpoint"
    EVAL = "eval"
    SET = "set"
    ROLLBACK = "rollback"
    KEEP = "keep"
    DISCARD = "discard"
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
    """A line that is no order, with the id under which it is refused. Every text in it is short."""

    id: str
    reason: str
    verb: str = ""
    by: str | None = None


def new_order_id() -> str:
    return secrets.token_hex(6)


def command_of(verb: str, args: Mapping[str, Any], reference: str) -> str:
    """What gives an order at a shell: `traind rollback RUN --lr-factor 0.33`. The run is quoted, as its texts are."""
    if verb == Verb.ROLLBACK:
        words = [word for name, value in args.items() for word in (f"--{name.replace('_', '-')}", f"{value}")]
    elif verb in (Verb.KEEP, Verb.DISCARD):
        words = ["--step", f"{args.get('step')}", *(["--no-more"] if args.get("kept") is False else [])]
    elif verb == Verb.NOTE:
        words = [shlex.quote(str(args.get("text", "")))]
    else:
        words = [f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in args.items()]
    return " ".join(["traind", str(verb), shlex.quote(reference), *words])


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
    verb = _word(raw.get("verb"))
    by = raw["by"] if isinstance(raw.get("by"), str) else None

    def refused(reason: str) -> Malformed:
        short_by = None if by is None else by[:MAX_BY_LENGTH]
        return Malformed(id=order_id, verb=verb, by=short_by, reason=reason[:MAX_REASON_LENGTH])

    if raw.get("verb") not in list(Verb):
        return refused(f"unknown verb {verb!r}; known: {', '.join(Verb)}")
    if by is not None and len(by) > MAX_BY_LENGTH:
        return refused(f"by: longer than {MAX_BY_LENGTH} characters")
    if fault := _fault_of_size(raw.get("args")):
        return refused(f"args: {fault}")
    try:
        order = msgspec.convert(raw, Order)
    except msgspec.ValidationError as error:
        return refused(str(error))
    order.id = order_id
    return order


def refused_unread(place: bytes, reason: str) -> Malformed:
    """The refusal of an order whose text nobody may rely on: not even its id is taken from it."""
    return Malformed(id=hashlib.sha256(place).hexdigest()[:12], reason=reason[:MAX_REASON_LENGTH])


def _word(value: Any) -> str:
    """A verb as it can be repeated, whatever stood there."""
    return value[:40] if isinstance(value, str) else str(None if value is None else type(value).__name__)


def _fault_of_size(args: Any) -> str | None:
    """Why arguments are too much to be written into an outcome; None when they are not. Never raises."""
    values, depth, num_values = [args], 0, 0
    while values:
        if depth > MAX_DEPTH:
            return f"nested deeper than {MAX_DEPTH}"
        inner: list[Any] = []
        for value in values:
            if isinstance(value, dict):
                inner += [*value.keys(), *value.values()]
            elif isinstance(value, list):
                inner += value
            elif isinstance(value, str) and len(value) > MAX_TEXT_LENGTH:
                return f"a text longer than {MAX_TEXT_LENGTH} characters"
            elif isinstance(value, int) and abs(value) > MAX_INTEGER:
                return f"a whole number beyond {MAX_INTEGER}"
        num_values += len(inner)
        if num_values > MAX_VALUES:
            return f"more than {MAX_VALUES} names and values"
        values, depth = inner, depth + 1
    return None
