"""Which labels an evaluation took for which: a small table, rows the true ones, columns the predicted ones. Pure."""

from rundir.records import EvalRecord
from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.paint import Row

MOST_LABELS = 8
"""Of more, the table would no longer be read."""
_NAME = 12
_CELL = 9


def confusion_lines(latest: EvalRecord, width: int) -> list[Row]:
    """Nothing where there is no matrix, it does not fit, or its size is not that of the labels."""
    names = [plain(name).replace("_", " ") for name in latest.labels or {}]
    matrix = latest.confusion or []
    is_square = len(matrix) == len(names) and all(len(row) == len(names) for row in matrix)
    if not names or not is_square or len(names) > MOST_LABELS:
        return []
    cell = min(_CELL, (width - 1 - _NAME) // len(names))
    if cell < 4:
        return []
    name_width = width - 1 - cell * len(names)
    head = "".join(fmt.clip(name, cell - 1).rjust(cell) for name in names)
    lines: list[Row] = [[(fmt.fit(" true ↓  predicted →", name_width + 1), "dim"), (head, "dim")]]
    for i, (name, row) in enumerate(zip(names, matrix, strict=True)):
        cells = [(_count(value, cell), _style(value, is_hit=i == j)) for j, value in enumerate(row)]
        lines.append([(fmt.fit(" " + name, name_width + 1), ""), *cells])
    return lines


def _count(value: int, cell: int) -> str:
    return fmt.clip(fmt.count(value) if abs(value) < 10**5 else fmt.short_count(value), cell - 1).rjust(cell)


def _style(value: int, *, is_hit: bool) -> str:
    if value == 0:
        return "faint"
    return "ok" if is_hit else "warn"
