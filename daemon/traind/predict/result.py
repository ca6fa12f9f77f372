"""What a model says of one text, by kind: plain values that become a JSON line. Knows no torch and no terminal."""

from typing import TypeAlias

import msgspec

from rundir.records import Number


class Span(msgspec.Struct, frozen=True):
    """A stretch of a text. `start` and `end` count characters (code points)."""

    text: str
    label: str
    score: Number
    """Mean probability of the span's token labels."""
    start: int
    end: int


class Spans(msgspec.Struct, frozen=True):
    """Of a token classification."""

    text: str
    spans: list[Span]


class Labelled(msgspec.Struct, frozen=True):
    """Of a text classification."""

    text: str
    label: str
    score: Number
    scores: dict[str, Number]
    """Probability by label, in the model's order."""
    truncated: bool
    """Whether the model saw only the beginning of the text."""


class Generated(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of a causal language model."""

    prompt: str
    text: str
    memorised: bool | None = None
    """Whether the text stands word for word in the training text; absent where that is not at hand."""


Prediction: TypeAlias = Spans | Labelled | Generated


def readable(score: float) -> float:
    """A probability in as many digits as mean anything."""
    return round(score, 6)
