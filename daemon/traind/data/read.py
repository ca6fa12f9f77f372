"""Reading the supported files into documents, every fault with its file and line."""

import json
from collections.abc import Iterator
from pathlib import Path

from traind.config import ConfigError
from traind.data.document import Document
from traind.data.labels import LabelSet
from traind.data.record import RecordError, conll_document, parse_record
from traind.data.textfile import Fault, collect, decode, read_bytes

COLUMN_SUFFIXES = (".conll", ".txt", ".bio")


def read_documents(path: Path, key: str, labels: LabelSet | None) -> tuple[list[Document], bytes]:
    """The documents of a file, in its order, and its bytes. Raises ConfigError naming `key`, file and line."""
    data = read_bytes(path, key, "correct the path, or take sample:propaganda")
    text = decode(data, path, key)
    if path.suffix == ".jsonl":
        parsed = _jsonl(text, path, labels)
    elif path.suffix == ".json":
        parsed = _json_list(text, path, key, labels)
    elif path.suffix in COLUMN_SUFFIXES:
        parsed = _columns(text, path)
    else:
        known = ", ".join((".jsonl", ".json", *COLUMN_SUFFIXES))
        raise ConfigError(f"{key}: {path}: unknown format {path.suffix!r}; give one of {known}, or sample:propaganda")
    return collect(parsed, key), data


def _jsonl(text: str, path: Path, labels: LabelSet | None) -> Iterator[Document | Fault]:
    """Split at newlines alone: JSON strings may hold U+2028, which `splitlines` would take for one."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield parse_record(json.loads(line), f"{path.name}:{number}", labels)
        except RecordError as error:
            yield Fault(f"{path}:{number}: {error}")
        except (ValueError, RecursionError) as error:
            yield Fault(f"{path}:{number}: not JSON: {error}")


def _json_list(text: str, path: Path, key: str, labels: LabelSet | None) -> Iterator[Document | Fault]:
    try:
        records = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{key}: {path}:{error.lineno}: not JSON: {error.msg}; mend it, or name it .jsonl") from None
    except RecursionError:
        raise ConfigError(f"{key}: {path}: nested too deeply; give a list of objects") from None
    if not isinstance(records, list):
        raise ConfigError(f"{key}: {path}: is no list; give a list of objects, or name it .jsonl")
    for index, record in enumerate(records):
        try:
            yield parse_record(record, f"{path.name}[{index}]", labels)
        except RecordError as error:
            yield Fault(f"{path}: item {index}: {error}")


def _columns(text: str, path: Path) -> Iterator[Document | Fault]:
    """CoNLL: first column the token, last one its tag, blank line between sentences, `-DOCSTART-` between documents."""
    rows: list[tuple[str, str]] = []
    first, block = 1, 0
    faulty = False
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        columns = _cells(line)
        starts_document = line.startswith("-DOCSTART-")
        if columns and not starts_document:
            first = first if rows else number
            if len(columns) == 1:
                faulty = True
                yield Fault(f"{path}:{number}: {columns[0]!r} is one column; write the token, then its tag")
            else:
                rows.append((columns[0], columns[-1]))
        elif rows or faulty:
            if rows and not faulty:
                yield _sentence(rows, path, first, block)
            rows, faulty = [], False
        block += starts_document


def _cells(line: str) -> list[str]:
    """The columns of a line, apart by tabs, else by spaces; other white space, such as U+00A0, is part of a token."""
    if not line.strip():
        return []
    line = line.strip(" \t\r")
    return [cell for cell in line.split("\t" if "\t" in line else " ") if cell]


def _sentence(rows: list[tuple[str, str]], path: Path, first: int, block: int) -> Document | Fault:
    for offset, row in enumerate(rows):
        try:
            conll_document([row], "", block)
        except RecordError as error:
            return Fault(f"{path}:{first + offset}: {error}")
    return conll_document(rows, f"{path.name}:{first}", block)
