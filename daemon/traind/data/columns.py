"""Which columns of a table hold text and label: by the names that were given, else by the usual ones."""

from collections.abc import Sequence
from dataclasses import dataclass

from traind.config import ConfigError
from traind.config_near import near

TEXT_NAMES = ("text", "sentence", "review", "content", "comment", "tweet", "question", "utterance", "document", "body")
LABEL_NAMES = ("label", "category", "class", "sentiment", "intent", "score", "rating", "stars", "target", "labels")
"""What the columns are usually called, the likelier first; upper and lower case are the same."""
_SHOWN = 40
"""Characters of a cell that are shown where it may be a text."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What a configuration says of the columns: the name of each, or None for the usual ones."""

    text: str | None
    label: str | None
    is_labelled: bool = True
    """False where the text is all that is wanted: the label is then not looked for, and empty."""


def is_header(cells: Sequence[str], wanted: Columns) -> bool:
    """Whether a first row names its columns: by a name that was given or one like it, or by one of the usual ones."""
    given = [name for name in (wanted.text, wanted.label) if name is not None]
    names = [name for name in given if not _is_position(name, len(cells))]
    if given and not names:
        by_given = set(given) <= set(cells) and all(cell.strip().isdecimal() for cell in cells)
    else:
        by_given = any(near(name, cells) for name in names)
    usual = {*TEXT_NAMES, *LABEL_NAMES}
    return by_given or any(cell.strip().casefold() in usual for cell in cells)


def _is_position(name: str, num_columns: int) -> bool:
    """Whether it is what a column without a name is called by."""
    return name in map(str, range(1, num_columns + 1))


def refuse_unnamed(first: Sequence[str], place: str, key: str, wanted: Columns) -> None:
    """Raises ConfigError where columns are still to be named, and the first row, which names none that is known or
    given, could hold their names: whoever took the numbers instead would train on it."""
    given = {"data.text": wanted.text, "data.label": wanted.label}
    numbers = [str(number) for number in range(1, len(first) + 1)]
    shown = _listed([cell if len(cell) <= _SHOWN else cell[:_SHOWN] + "…" for cell in first])
    for what, name in given.items():
        if name is not None and name not in numbers:
            cure = f"name one of them, or, if that is a first row and no names, one of {_listed(numbers)}"
            raise ConfigError(f"{what} = {name!r}: {place}: is not among {shown}; {cure}")
    if wanted.text is None and wanted.label is None:
        unset = "data.text and data.label" if wanted.is_labelled else "data.text"
        raise ConfigError(
            f"{key}: {place}: may be the names of the columns, or a first row: {shown}; set {unset} to one of these "
            f"{'each ' if wanted.is_labelled else ''}if they are names, else to one of {_listed(numbers)}"
        )


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
        meant = near(wanted, names)
        cure = f"did you mean {meant!r}?" if meant else "name one of them"
        raise ConfigError(f"{key} = {wanted!r}: {place}: its columns are {_listed(names)}; {cure}")
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
