"""Texts with a label each, out of a table in any of the supported formats. Knows what a row is, not what is learnt."""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from traind.config import ConfigError
from traind.data.columns import Columns, choose_columns, is_header, refuse_unnamed, told
from traind.data.delimited import Cells, delimited_rows
from traind.data.header import could_be_names, may_be_names
from traind.data.record import RecordError, whole
from traind.data.textfile import Fault, collect, decode, read_bytes

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")

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
    columns: str = ""
    """Which columns were taken for text and label, for a person; empty where there are none to choose from."""


def read_table(path: Path, key: str, wanted: Columns) -> Table:
    """All rows of a file. Raises ConfigError naming `key`, file and line, and the cure."""
    data = read_bytes(path, key, "correct the path, or take sample:reviews")
    match path.suffix:
        case ".csv" | ".tsv":
            rows, columns = _delimited(decode(data, path, key), path, key, wanted)
        case ".jsonl":
            rows, columns = _jsonl(decode(data, path, key), path, key, wanted)
        case ".parquet":
            rows, columns = _parquet(path, key, wanted)
        case _:
            known = ", ".join(SUFFIXES)
            cure = f"give one of {known}, sample:reviews or hub:NAME"
            raise ConfigError(f"{key}: {path}: unknown format {path.suffix!r}; {cure}")
    return Table(collect(rows, key), hashlib.sha256(data).hexdigest(), columns=columns)


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


_Read: TypeAlias = tuple[Iterable[Row | Fault], str]
"""The rows of a file, and which of its columns they are."""


def _delimited(text: str, path: Path, key: str, wanted: Columns) -> _Read:
    is_semicolon = path.suffix == ".csv" and _has_semicolons(text, path, wanted)
    parsed = list(delimited_rows(text, path, ";" if is_semicolon else ","))
    table = [row for row in parsed if isinstance(row, Cells)]
    faults = [row for row in parsed if isinstance(row, Fault)]
    if not table:
        return faults, ""
    names, has_header = table[0].cells, is_header(table[0].cells, wanted)
    if has_header:
        columns = choose_columns(names, str(path), key, wanted)
        del table[0]
    else:
        names = [str(number) for number in range(1, len(names) + 1)]
        guessed = _guessed(table, wanted)
        if could_be_names(_even(table)):
            refuse_unnamed(table[0].cells, f"{path}:{table[0].line}", key, guessed)
        columns = choose_columns(names, f"{path} (no header)", key, guessed)
        if not (wanted.text or wanted.label):
            _refuse_names(table, columns, path, key)
    notes = [*(["no header"] if not has_header else []), *(["separated by ;"] if is_semicolon else [])]
    more = f" ({', '.join(notes)})" if notes else ""
    return [*faults, *_rows(table, names, columns, path)], told(columns, more)


def _rows(table: Iterable[Cells], names: Sequence[str], columns: tuple[str, str], path: Path) -> Iterator[Row | Fault]:
    text_index, label_index = (names.index(name) for name in columns)
    for row in table:
        if len(row.cells) != len(names):
            cure = "put a text that holds the separator in quotes"
            yield Fault(f"{path}:{row.line}: has {len(row.cells)} columns, the first row has {len(names)}; {cure}")
        else:
            yield as_row(row.cells[text_index], row.cells[label_index], f"{path}:{row.line}", columns)


def _has_semicolons(text: str, path: Path, wanted: Columns) -> bool:
    """Whether a .csv file is apart by `;`, as spreadsheets write it where the comma is the decimal point.

    Its first row is then a single cell by commas; by semicolons it names columns that are known, or, where a label is
    wanted and one column cannot hold both, every row has as many cells.
    """
    first_by_comma = next(delimited_rows(text, path), None)
    if isinstance(first_by_comma, Cells) and len(first_by_comma.cells) > 1:
        return False
    rows = delimited_rows(text, path, ";")
    first = next(rows, None)
    if not isinstance(first, Cells) or len(first.cells) < 2:
        return False
    if is_header(first.cells, wanted):
        return True
    return wanted.is_labelled and all(isinstance(row, Cells) and len(row.cells) == len(first.cells) for row in rows)


def _refuse_names(table: Sequence[Cells], columns: tuple[str, str], path: Path, key: str) -> None:
    """Raises ConfigError where the first row may be names: they would be learnt as a text and as a class of its own."""
    text, label = columns
    numbers = {"data.text": text} if text == label else {"data.text": text, "data.label": label}
    cells = {what: [row[int(number) - 1] for row in _even(table)] for what, number in numbers.items()}
    if may_be_names(cells["data.text"], cells.get("data.label", [])):
        names, as_numbers = (
            " and ".join(f"{what} = {value!r}" for what, value in found.items())
            for found in ({what: column[0] for what, column in cells.items()}, numbers)
        )
        raise ConfigError(
            f"{key}: {path}:{table[0].line}: may be the names of the columns, or a first row; set {names} if they are "
            f"names, else {as_numbers}"
        )


def _even(table: Sequence[Cells]) -> list[list[str]]:
    """The rows that have as many cells as the first."""
    return [row.cells for row in table if len(row.cells) == len(table[0].cells)]


def _guessed(table: Sequence[Cells], wanted: Columns) -> Columns:
    """Of two columns without names the label is the one with fewer different values, the second of equal ones."""
    if len(table[0].cells) != 2 or wanted.text or wanted.label:
        return wanted
    first, second = (len({row.cells[side] for row in table if len(row.cells) == 2}) for side in (0, 1))
    text, label = ("2", "1") if first < second else ("1", "2")
    return Columns(text, label, wanted.is_labelled)


def _jsonl(text: str, path: Path, key: str, wanted: Columns) -> _Read:
    rows: list[Row | Fault] = []
    columns: tuple[str, str] | None = None
    for place, record in _objects(text, path):
        if isinstance(record, Fault):
            rows.append(record)
        else:
            columns = columns or choose_columns(list(record), place, key, wanted)
            rows.append(as_row(record.get(columns[0]), record.get(columns[1]), place, columns))
    return rows, "" if columns is None else told(columns)


def _objects(text: str, path: Path) -> Iterator[tuple[str, dict[str, Any] | Fault]]:
    """Each with its place. Split at newlines alone: JSON strings may hold U+2028, where `splitlines` would split."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield place, Fault(f"{place}: not JSON: {error}; write one object a line")
            continue
        if not isinstance(record, dict):
            record = Fault(f'{place}: is no object; write {{"text": "…", "label": "…"}}')
        yield place, record


def _parquet(path: Path, key: str, wanted: Columns) -> _Read:
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
    rows = [as_row(text, label, f"{path}: row {number}", columns) for number, (text, label) in enumerate(values, 1)]
    return rows, told(columns)
