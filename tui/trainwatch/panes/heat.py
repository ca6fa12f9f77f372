"""Confusions as a heat map: rows the true labels, columns the predicted ones, each cell by its share of a row. Pure."""

import math
from collections.abc import Sequence

from rundir.records import EvalRecord
from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.paint import Row
from trainwatch.theme import HEAT_LEVELS

NAME_WIDTH = 22
CELL = 6
"""A count, or the beginning of a label's name."""
WIDE_CELL = 10
"""Where there is room."""
SLIM_CELL = 2
"""A colour alone: for many labels."""


def heat_lines(record: EvalRecord, width: int, shift: int = 0) -> tuple[list[Row], list[Row]]:
    """Headings, and a line a label. From the label number `shift` on, where not all have room beside each other."""
    names = [plain(name).replace("_", " ") for name in record.labels or {}]
    matrix = record.confusion or []
    if not names or len(matrix) != len(names) or any(len(row) != len(names) for row in matrix):
        return [[(" the confusions do not fit the labels", "dim")]], []
    name_width = _name_width(width)
    cell, count = _columns(len(names), width)
    is_slim = cell == SLIM_CELL
    columns = range(len(names))[min(shift, len(names) - count) :][:count]
    heading = "".join(_column_name(names, j, cell, is_slim=is_slim) for j in columns)
    head: list[Row] = [
        [(fmt.fit(" true ↓  predicted →" if name_width >= 20 else " true ↓", name_width + 1), "dim"), (heading, "dim")],
    ]
    if len(columns) < len(names):
        words = f" predicted labels {columns.start + 1} to {columns.stop} of {len(names)}; → ← for the others"
        head.insert(0, [(words, "dim")])
    lines = []
    for i, (name, row) in enumerate(zip(names, matrix, strict=True)):
        number = f"{i + 1:>3} " if is_slim else " "
        total = sum(row)
        cells = [_cell(row[j], total, cell, is_hit=i == j, is_slim=is_slim) for j in columns]
        lines.append([(fmt.fit(number + name, name_width) + " ", ""), *cells])
    return head, lines


def num_columns(record: EvalRecord, width: int) -> int:
    """How many predicted labels have room beside each other."""
    return _columns(len(record.labels or {}), width)[1]


def _name_width(width: int) -> int:
    return min(NAME_WIDTH, max(6, width // 4))


def _columns(num_labels: int, width: int) -> tuple[int, int]:
    """The width of a cell and how many there are: all of them, with counts or as colours alone; else as many as go."""
    room = max(CELL, width - _name_width(width) - 1)
    if num_labels * CELL <= room:
        return min(WIDE_CELL, room // max(1, num_labels)), num_labels
    if num_labels * SLIM_CELL <= room:
        return SLIM_CELL, num_labels
    return CELL, room // CELL


def _column_name(names: Sequence[str], j: int, cell: int, *, is_slim: bool) -> str:
    if is_slim:  # by their numbers, every fifth
        return str((j + 1) % 100).rjust(cell) if (j + 1) % 5 == 0 else " " * cell
    return " " + fmt.fit(names[j], cell - 1)


def _cell(value: int, total: int, cell: int, *, is_hit: bool, is_slim: bool) -> tuple[str, str]:
    level = level_of(value, total)
    style = f"{'hit' if is_hit else 'miss'}{level}" if level else "faint"
    if is_slim:
        return (" " * cell if level else "· ", style)
    if not level:
        return "·".rjust(cell - 1) + " ", style
    text = fmt.count(value) if abs(value) < 10**4 else fmt.short_count(value)
    return fmt.clip(text, cell - 1).rjust(cell - 1) + " ", style


def level_of(value: int, total: int) -> int:
    """0 for nothing, else 1 to `HEAT_LEVELS` by the share of the row."""
    if value <= 0 or total <= 0:
        return 0
    return max(1, min(HEAT_LEVELS, math.ceil(value / total * HEAT_LEVELS)))
