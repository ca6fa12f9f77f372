"""The BIO labels and their ids: `O` is 0, the k-th type has 2k−1 for B- and 2k for I-. Written once, then frozen."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rundir.atomic import write_atomic
from traind.config import ConfigError

OUTSIDE = "O"
IGNORED = -100
"""The label id of a token that is not scored."""


class LabelSet:
    """Label names by id. Immutable; two with the same names are equal."""

    def __init__(self, names: Iterable[str]) -> None:
        """Raises ValueError, naming the cure, when the names are no BIO labels."""
        self.names = tuple(names)
        if not self.names or self.names[0] != OUTSIDE:
            raise ValueError(f"the first label is {self.names[:1]}, not 'O'; put \"O\" first")
        if len(set(self.names)) != len(self.names):
            raise ValueError("a label stands twice; keep one")
        broken = [name for name in self.names if any("\ud800" <= character <= "\udfff" for character in name)]
        if broken:
            raise ValueError(f"{broken[0]!a} has a lone surrogate; write both halves, or take it out")
        begins = {name[2:] for name in self.names if name.startswith("B-")}
        insides = {name[2:] for name in self.names if name.startswith("I-")}
        strange = [n for n in self.names[1:] if not (n.startswith(("B-", "I-")) and len(n) > 2)]
        if strange:
            raise ValueError(f"{strange[0]!r} is no BIO label; write B-{strange[0]} and I-{strange[0]}")
        if begins != insides:
            alone = sorted(begins ^ insides)[0]
            raise ValueError(f"{alone!r} needs both B-{alone} and I-{alone}")
        if any(self.names[i + 1] != "I-" + self.names[i][2:] for i in range(1, len(self.names), 2)):
            raise ValueError("the labels are out of order; put each I- right after its B-: O, B-X, I-X, B-Y, I-Y")
        self.ids = {name: index for index, name in enumerate(self.names)}
        self.types = tuple(name[2:] for name in self.names if name.startswith("B-"))
        """Entity types in the order of their B- labels."""

    @classmethod
    def of_types(cls, types: Iterable[str]) -> "LabelSet":
        """O, then B- and I- of each type in the given order."""
        return cls([OUTSIDE, *(prefix + name for name in types for prefix in ("B-", "I-"))])

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelSet) and self.names == other.names

    def __hash__(self) -> int:
        return hash(self.names)

    def begin(self, type_name: str) -> int:
        return self.ids[f"B-{type_name}"]

    def inside(self, type_name: str) -> int:
        return self.ids[f"I-{type_name}"]

    def write(self, path: Path) -> None:
        """A JSON list in the order of the ids, replaced atomically. Raises OSError."""
        write_atomic(path, (json.dumps(self.names, ensure_ascii=False, indent=1) + "\n").encode())


def read_labels(path: Path) -> LabelSet:
    """The labels of a JSON list, or of an object with `id2label` as a model's config.json has. Raises ConfigError."""
    try:
        return LabelSet(read_names(path, example='["O", "B-PER", "I-PER"]'))
    except ValueError as error:
        raise ConfigError(f"task.labels: {path}: {error}") from None


def read_names(path: Path, *, example: str) -> list[str]:
    """The names in such a file, in the order of their ids, whatever they name. Raises ConfigError with the example."""
    cure = f"give a JSON list like {example}"
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"task.labels: {path}: no such file; {cure}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"task.labels: {path}: cannot be read: {error}; {cure}") from None
    if isinstance(raw, dict):
        raw = _in_id_order(raw.get("id2label", raw))
    if not isinstance(raw, list) or not all(isinstance(name, str) for name in raw):
        raise ConfigError(f"task.labels: {path}: no list of names; {cure}")
    return raw


def _in_id_order(mapping: Any) -> list[Any] | None:
    if not isinstance(mapping, dict) or set(mapping) != {str(index) for index in range(len(mapping))}:
        return None
    return [mapping[str(index)] for index in range(len(mapping))]
