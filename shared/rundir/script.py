"""What a run that a script writes for itself takes: as orders, and why not the others; as numbers. Pure."""

import math
from collections.abc import Collection, Mapping
from typing import Any, SupportsFloat, assert_never

from rundir.control import SETTABLE, Order, Verb
from rundir.records import Number
from rundir.status import State

TAKEABLE = (str(Verb.CHECKPOINT), str(Verb.EVAL), *SETTABLE)
"""What a script may say that it takes: two verbs, and what `set` may change. It always takes `stop`."""
_COUNTS = ("max_steps", "log_every", "eval_every", "save_every")
_MAY_BE_ZERO = "clip_norm"


def check_takes(takes: Collection[str]) -> frozenset[str]:
    """Raises ValueError on a word that is not among `TAKEABLE`."""
    if unknown := sorted(set(takes) - set(TAKEABLE)):
        raise ValueError(f"takes: {', '.join(unknown)}: no such order; there are {', '.join(TAKEABLE)}")
    return frozenset(takes)


_UNKNOWN = {
    Verb.PARK: "pause or stop it",
    Verb.ROLLBACK: "pause or stop it",
    Verb.KEEP: "its files are its own",
    Verb.DISCARD: "its files are its own",
}
"""What a script's run does not take, and what to do instead."""


def refusal(order: Order, state: State, takes: Collection[str], pid: int) -> str | None:
    """Why a script does not take an order in this state; None when it does."""
    if order.verb in (Verb.SET, Verb.NOTE):
        return _set_refusal(order.args, takes) if order.verb is Verb.SET else _note_refusal(order.args)
    if order.args and order.verb not in _UNKNOWN:
        return f"{order.verb} takes no arguments here"
    match order.verb:
        case Verb.STOP:
            return "the run is stopping" if state is State.STOPPING else None
        case Verb.PAUSE:
            return "the run is already paused" if state is State.PAUSED else None
        case Verb.RESUME:
            return None if state is State.PAUSED else "the run is not paused: it is training"
        case Verb.CHECKPOINT | Verb.EVAL:
            return None if str(order.verb) in takes else f"this script takes no {order.verb} orders"
        case Verb.PARK | Verb.ROLLBACK | Verb.KEEP | Verb.DISCARD:
            return f"a script's run knows no {order.verb}; {_UNKNOWN[order.verb]}"
        case Verb.KILL:
            return f"a script is not killed by an order; stop it, or end process {pid}"
        case other:
            assert_never(other)


def _note_refusal(args: dict[str, Any]) -> str | None:
    text = args.get("text")
    return None if isinstance(text, str) and text.strip() else "a note needs a text"


def _set_refusal(args: dict[str, Any], takes: Collection[str]) -> str | None:
    if not args:
        return "nothing to set; e.g. lr=1e-5"
    for key, value in args.items():
        if key not in takes:
            known = ", ".join(name for name in SETTABLE if name in takes)
            return f"{key}: this script lets " + (f"only {known} be set" if known else "nothing be set")
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return f"{key} = {value!r}: must be a number"
        if key in _COUNTS and (value != int(value) or value < 1):
            return f"{key} = {value!r}: must be a whole number above 0"
        if value < 0 or (value == 0 and key != _MAY_BE_ZERO):
            return f"{key} = {value!r}: must be above 0"
    return None


def must_number(name: str, value: SupportsFloat) -> float:
    """What a script measured, as a float. Raises ValueError, with its name, for what is no number."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name}: {value!r} is no number") from None


def number(name: str, value: SupportsFloat | None) -> float | None:
    """The same of a value that may be absent."""
    return None if value is None else must_number(name, value)


def numbers(values: Mapping[str, SupportsFloat]) -> dict[str, Number] | None:
    """The same of several; None where there are none."""
    return {name: must_number(name, value) for name, value in values.items()} or None
