"""Whether a first row that holds no usual name may yet be the names of its columns. Knows cells alone."""

import re
from collections.abc import Sequence

_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
_IDENTIFIER = re.compile(r"[^\W\d][\w.-]*")
_RARE = 0.1
"""Share of the other texts that may be a single word where the first one stands out by being one."""


def may_be_names(texts: Sequence[str], labels: Sequence[str]) -> bool:
    """Of the columns of text and label, first row first; `labels` is empty where there are none.

    The name of a label column is a label that no other row has, while the others are numbers or come again; that of a
    text column is a single word among sentences.
    """
    if len(texts) < 2:
        return False
    if labels:
        first, others = labels[0], labels[1:]
        if _is_number(first) or first in others:
            return False
        return len(set(others)) < len(others) or all(map(_is_number, others))
    words = sum(_is_word(text) for text in texts[1:])
    return _is_word(texts[0]) and words <= _RARE * (len(texts) - 1)


def could_be_names(rows: Sequence[Sequence[str]]) -> bool:
    """Of all columns, first row first: whether that holds a different word each that no later row has there, and no
    number. Much weaker than `may_be_names`: for where somebody is asked anyway."""
    first = rows[0]
    if len(rows) < 2 or len(first) < 2 or len({cell.strip() for cell in first}) < len(first):
        return False
    if any(not cell.strip() or _is_number(cell) for cell in first):
        return False
    return all(first[side] not in {row[side] for row in rows[1:]} for side in range(len(first)))


def _is_number(label: str) -> bool:
    return _NUMBER.fullmatch(label.strip()) is not None


def _is_word(text: str) -> bool:
    return _IDENTIFIER.fullmatch(text.strip()) is not None
