"""The classes of texts and their ids: given in a file, known by the source, or derived. Written once, then frozen."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from rundir.atomic import write_atomic
from traind.config import ConfigError
from traind.data.labels import read_names

_INTEGER = re.compile(r"-?\d+")
SCORES_MAX = 512
"""Ordinal scores at most: which was taken for which is kept for all of them."""


class ScoreError(ValueError):
    """`label` is no ordinal score; the message says why, and the cure."""

    def __init__(self, label: str, why: str) -> None:
        super().__init__(f"the label {label!r} {why}")
        self.label = label


class ClassSet:
    """Class names by id. Immutable; two with the same names are equal."""

    def __init__(self, names: Iterable[str]) -> None:
        """Raises ValueError, naming the cure, when these cannot be the classes of anything."""
        self.names = tuple(names)
        if len(self.names) < 2:
            only = f"the only label is {self.names[0]!r}" if self.names else "there is no label"
            raise ValueError(f"{only}: nothing can be learnt from that; give texts of at least two classes")
        if len(set(self.names)) != len(self.names):
            raise ValueError("a label stands twice; keep one")
        broken = [name for name in self.names if any("\ud800" <= character <= "\udfff" for character in name)]
        if broken:
            raise ValueError(f"{broken[0]!a} has a lone surrogate; write both halves, or take it out")
        self.ids = {name: index for index, name in enumerate(self.names)}
        self._has_numbers = any(_INTEGER.fullmatch(name) for name in self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClassSet) and self.names == other.names

    def __hash__(self) -> int:
        return hash(self.names)

    def id_of(self, label: str) -> int | None:
        """The id of a name, else of a number that is an id itself; None for neither.

        Where a name is a number, another number is no id: of classes named 1 to 5, a 0 is none of them.
        """
        known = self.ids.get(label)
        if known is None and not self._has_numbers and _INTEGER.fullmatch(label) and 0 <= int(label) < len(self.names):
            return int(label)
        return known

    def write(self, path: Path) -> None:
        """A JSON list in the order of the ids, replaced atomically. Raises OSError."""
        write_atomic(path, (json.dumps(self.names, ensure_ascii=False, indent=1) + "\n").encode())


def read_classes(path: Path) -> ClassSet:
    """The classes of a JSON list, or of an object with `id2label` as a model's config.json has. Raises ConfigError."""
    try:
        return ClassSet(read_names(path, example='["negative", "positive"]'))
    except ValueError as error:
        raise ConfigError(f"task.labels: {path}: {error}") from None


def derive(labels: Iterable[str], *, ordinal: bool) -> ClassSet:
    """The classes of these labels: numbers in their order, names in alphabetical order.

    `ordinal`: they are scores from 0 to the highest, each its own id, whether or not every one occurs. Raises
    ScoreError when one of them cannot be that, ValueError when they are fewer than two classes.
    """
    distinct = set(labels)
    strange = sorted(label for label in distinct if not _INTEGER.fullmatch(label) or (ordinal and int(label) < 0))
    if ordinal and strange:
        raise ScoreError(strange[0], "is no score; give numbers from 0, or leave task.positive_from out")
    if ordinal:
        highest = max(distinct, key=int, default="0")
        if int(highest) >= SCORES_MAX:
            raise ScoreError(
                highest, f"is no score of few; give 0 to {SCORES_MAX - 1} at most, or name another data.label"
            )
        return ClassSet(str(score) for score in range(int(highest) + 1))
    return ClassSet(sorted(distinct) if strange else sorted(distinct, key=lambda label: (int(label), label)))
