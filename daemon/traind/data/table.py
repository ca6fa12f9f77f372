"""Texts with a label each, out of a table in any of the supported formats. Knows what a row is, not what is learnt."""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traind.config import ConfigError
from traind.data.delimited import Cells, delimited_rows
from traind.data.header import may_be_names
from traind.data.record import RecordError, whole
from traind.data.textfile import Fault, collect, decode, read_bytes

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
TEXT_NAMES = ("text", "sentence", "review", "content", "comment", "tweet", "question", "utterance", "document", "body")
LABEL_NAMES = ("label", "category", "class", "sentiment", "intent", "score", "rating", "stars", "target", "labels")
"""What the columns are usually called, the likelier first; upper and lower case are the same."""


_WHOLE = re.compile(r"\A(-?\d+)\.0+\Z")
"""A whole number that went through a column of fractions."""


@dataclass(frozen=True, slots=True)
class Row:
    """A text, its label as it stands there (a whole number without fraction), and where both stand."""

    text: str
    label: str
    place: str


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a source in its order."""

    rows: list[Row]
    digest: str
    """SHA-256 of what they came from."""
    names: tuple[str, ...] | None = None
    """Label names in the order of their ids, where the source itself knows them."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What a configuration says of the columns: the name of each, or None for the usual ones."""

    text: str | None
    label: str | None
    is_labelled: bool = True
    """False where the text is all that is wanted: the label is then not looked for, and empty."""


def read_table(path: Path, key: str, wanted: Columns) -> Table:
    """All rows of a file. Raises ConfigError naming `key`, file and line, and the cure."""
    data = read_bytes(path, key, "correct the path, or take sample:reviews")
    rows: Iterator[Row | Fault]
    match path.suffix:
        case ".csv" | ".tsv":
            rows = _delimited(decode(data, path, key), path, key, wanted)
        case ".jsonl":
            rows = _jsonl(decode(data, path, key), path, key, wanted)
        case ".parquet":
            rows = _parquet(path, key, wanted)
        case _:
            known = ", ".join(SUFFIXES)
            cure = f"give one of {known}, sample:reviews or hub:NAME"
            raise ConfigError(f"{key}: {path}: unknown format {path.suffix!r}; {cure}")
    return Table(collect(rows, key), hashlib.sha256(data).hexdigest())


def as_row(text: Any, label: Any, place: str, columns: tuple[str, str]) -> Row | Fault:
    """A row of values of any type, or what is wrong with it. Without labels both columns are that of the text."""
    text_name, label_name = columns
    try:
        if not isinstance(text, str):
            raise RecordError(f"{text_name!r} is {_shown(text)}, no text; write a string")
        label = whole(_label(label, label_name), repr(label_name)) if label_name != text_name else ""
        return Row(whole(text, repr(text_name)), label, place)
    except RecordError as error:
        return Fault(f"{place}: {error}")


def _label(value: Any, name: str) -> str:
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    if isinstance(value, bool | int):
        return str(int(value))
    if isinstance(value, str) and value.strip():
        return _WHOLE.sub(r"\1", value.strip())
    raise RecordError(f"{name!r} is {_shown(value)}, no label; write a name or a whole number")


def _shown(value: Any) -> str:
    return "empty" if value is None or value == "" else repr(value)[:40]


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


def _delimited(text: str, path: Path, key: str, wanted: Columns) -> Iterator[Row | Fault]:
    parsed = list(delimited_rows(text, path))
    table = [row for row in parsed if isinstance(row, Cells)]
    yield from (row for row in parsed if isinstance(row, Fault))
    if not table:
        return
    names = table[0].cells
    if _is_header(names, wanted):
        columns = choose_columns(names, str(path), key, wanted)
        del table[0]
    else:
        names = [str(number) for number in range(1, len(names) + 1)]
        columns = choose_columns(names, f"{path} (no header)", key, _guessed(table, wanted))
        if not (wanted.text or wanted.label):
            _refuse_names(table, columns, path, key)
    text_index, label_index = (names.index(name) for name in columns)
    for row in table:
        if len(row.cells) != len(names):
            cure = "put a text that holds the separator in quotes"
            yield Fault(f"{path}:{row.line}: has {len(row.cells)} columns, the first row has {len(names)}; {cure}")
        else:
            yield as_row(row.cells[text_index], row.cells[label_index], f"{path}:{row.line}", columns)


def _is_header(cells: Sequence[str], wanted: Columns) -> bool:
    """Whether a first row names its columns: by all the names that were given, or by one of the usual ones."""
    given = {name for name in (wanted.text, wanted.label) if name is not None}
    usual = {*TEXT_NAMES, *LABEL_NAMES}
    return bool(given and given <= set(cells)) or any(cell.strip().casefold() in usual for cell in cells)


def _refuse_names(table: Sequence[Cells], columns: tuple[str, str], path: Path, key: str) -> None:
    """Raises ConfigError where the first row may be names: they would be learnt as a text and as a class of its own."""
    text, label = columns
    numbers = {"data.text": text} if text == label else {"data.text": text, "data.label": label}
    whole = [row.cells for row in table if len(row.cells) == len(table[0].cells)]
    cells = {what: [row[int(number) - 1] for row in whole] for what, number in numbers.items()}
    if may_be_names(cells["data.text"], cells.get("data.label", [])):
        names, as_numbers = (
            " and ".join(f"{what} = {value!r}" for what, value in found.items())
            for found in ({what: column[0] for what, column in cells.items()}, numbers)
        )
        raise ConfigError(
            f"{key}: {path}:{table[0].line}: may be the names of the columns, or a first row; set {names} if they are "
            f"names, else {as_numbers}"
        )


def _guessed(table: Sequence[Cells], wanted: Columns) -> Columns:
    """Of two columns without names the label is the one with fewer different values, the second of equal ones."""
    if len(table[0].cells) != 2 or wanted.text or wanted.label:
        return wanted
    first, second = (len({row.cells[side] for row in table if len(row.cells) == 2}) for side in (0, 1))
    text, label = ("2", "1") if first < second else ("1", "2")
    return Columns(text, label, wanted.is_labelled)


def _jsonl(text: str, path: Path, key: str, wanted: Columns) -> Iterator[Row | Fault]:
    """Split at newlines alone: JSON strings may hold U+2028, which `splitlines` would take for one."""
    columns: tuple[str, str] | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Fault(f"{place}: not JSON: {error}; write one object a line")
            continue
        if not isinstance(record, dict):
            yield Fault(f'{place}: is no object; write {{"text": "…", "label": "…"}}')
            continue
        columns = columns or choose_columns(list(record), place, key, wanted)
        yield as_row(record.get(columns[0]), record.get(columns[1]), place, columns)


def _parquet(path: Path, key: str, wanted: Columns) -> Iterator[Row | Fault]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        cure = "pip install pyarrow, or convert the file to .jsonl"
        raise ConfigError(f"{key}: {path}: reading Parquet needs pyarrow; {cure}") from None
    try:
        columns = choose_columns(parquet.read_schema(path).names, str(path), key, wanted)
        table = parquet.read_table(path, columns=list(dict.fromkeys(columns)))
    except (ArrowException, OSError) as error:
        raise ConfigError(f"{key}: {path}: not Parquet: {str(error).splitlines()[0]}; write it again") from None
    values = zip(*(table.column(name).to_pylist() for name in columns), strict=True)
    for number, (text, label) in enumerate(values, start=1):
        yield as_row(text, label, f"{path}: row {number}", columns)
