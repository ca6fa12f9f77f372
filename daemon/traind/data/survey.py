"""A corpus as `traind check` looks at it: texts, what must be predicted of each, where each stands. Plain values."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Split:
    """The train or the eval set, one entry a document in each of the three."""

    texts: Sequence[str]
    """Words of a tagged sentence are joined by spaces; of a document that came as token ids the text is unknown: ""."""
    targets: Sequence[Hashable]
    """A label name, a tuple of spans or of tags; None where the text itself is the target."""
    places: Sequence[str]
    """File and line, or an id: what a person looks for."""

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class Survey:
    """Both sets."""

    train: Split
    eval: Split
    labels: tuple[str, ...]
    """Names by id; empty without labels."""
