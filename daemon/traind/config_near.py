"""What was meant by a key or value that a configuration does not know. Knows no section by name."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from traind.config_synonym import synonym

_ELSEWHERE = 0.75
"""How near a key of another section must be: there are a hundred, and one of them is always a little like it."""


def key_cure(name: str, section: str, known: Mapping[str, Sequence[str]]) -> str:
    """The keys that an unknown `name` may stand for; `known`: the keys of each section, "" for those of none.

    In this order: that name in other sections, the key that other trainers call so, a near one in its own, a very near
    one in others, all of its own.
    """
    other = [key for keys in known.values() for key in keys]
    if name not in other and (elsewhere := synonym(name)):
        return f"did you mean {elsewhere}?"
    meant = name if name in other else near(name, known[section])
    sections = [section] if meant in known[section] else []
    if not sections:
        meant = meant or near(name, other, cutoff=_ELSEWHERE)
        sections = [place for place, keys in known.items() if meant in keys]
    if not sections:
        return f"known: {', '.join(known[section])}"
    return f"did you mean {' or '.join(f'{place}.{meant}' if place else str(meant) for place in sections)}?"


def value_cure(value: object, choices: Sequence[str]) -> str:
    """The near one of `choices`, and all of them."""
    meant = near(value, choices) if isinstance(value, str) else None
    return (f"did you mean {meant}? " if meant else "") + f"one of {', '.join(choices)}"


def near(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The most similar of `known`, upper and lower case aside; None where none is. `cutoff`: as difflib has it."""
    by_folded = {other.casefold(): other for other in known}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=cutoff)
    return by_folded[found[0]] if found else None


def choices_of(hint: Any) -> list[str]:
    """The strings that a type lists one by one; empty where other values than None are allowed too."""
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    parts = [part for part in get_args(hint) if part is not type(None)]
    if hasattr(hint, "__metadata__"):
        parts = parts[:1]
    return choices_of(parts[0]) if len(parts) == 1 else []
