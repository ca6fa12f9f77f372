"""Which columns of a table hold text and label: by the names that were given, else by the usual ones."""

from collections.abc import Sequence
from dataclasses import dataclass

from traind.config import ConfigError

TEXT_NAMES = ("text", "sentence", "review", "content", "comment", "tweet", "question", "utterance", "document", "body")
LABEL_NAMES = ("label", "category", "class", "sentiment", "intent", "score", "rating", "stars", "target", "labels")
"""What the columns are usually called, the likelier first; upper and lower case are the same."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What a configuration says of the columns: the name of each, or None for the usual ones."""

    text: str | None
    label: str | None
    is_labelled: bool = True
    """False where the text is all that is wanted: the label is then not looked for, and empty."""


def is_header(cells: Sequence[str], wanted: Columns) -> bool:
    """Whether a first row names its columns: by all the names that were given, or by one of the usual ones."""
    given = {name for name in (wanted.text, wanted.label) if name is not None}
    usual = {*TEXT_NAMES, *LABEL_NAMES}
    return bool(given and given <= set(cells)) or any(cell.strip().casefold() in usual for cell in cells)


def choose_columns(names: Sequence[str], place: str, key: str, wanted: Columns) -> tuple[str, str]:
    """Which of the named columns hold text and label. Raises ConfigError when that cannot be told.

    Without labels both are that of the text.
    """
    text = _chosen(names, wanted.text, TEXT_NAMES, place, "data.text")
    if not wanted.is_labelled:
        text = names[0] if text is None and len(names) == 1 else text
        if text is None:
            raise ConfigError(f"{key}: {place}: its columns are {_listed(names)}; name that of the text in data.text")
        return text, text
    label = _chosen(names, wanted.label, LABEL_NAMES, place, "data.label")
    if len(names) == 2 and (text is None) != (label is None):
        # One is known, so the other is what is left.
        text, label = text or _other(names, label), label or _other(names, text)
    if text is None or label is None or text == label:
        which = "text" if text is None else "label"
        raise ConfigError(f"{key}: {place}: its columns are {_listed(names)}; name that of the {which} in data.{which}")
    return text, label


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


def _other(names: Sequence[str], known: str | None) -> str:
    return names[1] if names[0] == known else names[0]


def _chosen(names: Sequence[str], wanted: str | None, usual: Sequence[str], place: str, key: str) -> str | None:
    if wanted is not None and wanted not in names:
        raise ConfigError(f"{key} = {wanted!r}: {place}: its columns are {_listed(names)}; name one of them")
    if wanted is not None:
        return wanted
    folded = {name.strip().casefold(): name for name in reversed(names)}
    return next((folded[name] for name in usual if name in folded), None)


def told(columns: tuple[str, str], more: str = "") -> str:
    """`text from 'sentence', label from 'label'`: what a guess by name must not leave unsaid."""
    text, label = columns
    return f"text from {text!r}" + (f", label from {label!r}" if label != text else "") + more


def told_of_both(of_train: str, of_eval: str) -> str:
    """One sentence where both sets are read alike, or one of them is no table."""
    is_different = of_train and of_eval not in ("", of_train)
    return f"{of_train}, of the eval set {of_eval}" if is_different else of_train or of_eval
