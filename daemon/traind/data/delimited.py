"""CSV and TSV as rows of cells, with the line on which each begins. Knows no column by its meaning."""

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from traind.data.textfile import Fault


@dataclass(frozen=True, slots=True)
class Cells:
    """A row; blank lines are none."""

    cells: list[str]
    line: int


def delimited_rows(text: str, path: Path, separator: str = ",") -> Iterator[Cells | Fault]:
    """The rows of a .csv file (RFC 4180 quotes) or, whatever the separator, of a .tsv file (tabs)."""
    return _tabs(text) if path.suffix == ".tsv" else _quoted(text, path, separator)


def _quoted(text: str, path: Path, separator: str) -> Iterator[Cells | Fault]:
    # A document may be longer than the 128 KiB that the module takes for a sign of a missing quote; strict finds that.
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(_lines(text), strict=True, delimiter=separator)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield Cells(cells, line)
            line = reader.line_num + 1
    except csv.Error as error:
        yield Fault(f'{path}:{line}: not CSV: {error}; write a quote inside quotes twice: ""')


def _lines(text: str) -> Iterator[str]:
    """Split at newlines alone: `splitlines` would also split at U+2028, which may stand in a text."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _tabs(text: str) -> Iterator[Cells]:
    """Tab-separated values have no quoting; yet what writes them with quotes doubles those inside, as pandas does."""
    for line, row in enumerate(text.split("\n"), start=1):
        if row.strip():
            yield Cells([_unquoted(cell) for cell in row.rstrip("\r").split("\t")], line)


def _unquoted(cell: str) -> str:
    if len(cell) >= 2 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1].replace('""', ""):
        return cell[1:-1].replace('""', '"')
    return cell
