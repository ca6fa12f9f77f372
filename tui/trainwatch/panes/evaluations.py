"""The page of evaluations: all of them with all metrics; labels, confusions and texts of the chosen one. Pure."""

import math
from collections.abc import Sequence

from rundir.records import EvalRecord
from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.evaluations.board import EvalBoard, Part
from trainwatch.paint import Row, box
from trainwatch.panes.evals import label_cell
from trainwatch.panes.heat import heat_lines
from trainwatch.panes.page import cells, window
from trainwatch.panes.samples import sample_lines
from trainwatch.scores import numeric, values_of

_STEP, _EPOCH, _WHAT = 10, 8, 11
_METRIC = 19
"""A value, whether it is the best, and the change since the evaluation before."""
HEAD_LINES = 2
"""Of the table's box: its edge and the names of the columns."""
_LABEL_COLUMNS = ("precision", "recall", "f1", "support")


def num_metrics(width: int) -> int:
    """How many have room beside each other in a table of a width."""
    return max(1, (width - 2 - 2 - _STEP - _EPOCH - _WHAT) // _METRIC)


def paint_evaluations(board: EvalBoard, baseline: dict[str, float], width: int, height: int) -> list[Row]:
    """Rows of exactly width × height."""
    records, names, chosen = board.records, board.metrics, board.index
    style = "border-chosen" if board.part is Part.TABLE else "border"
    title: Row = [("evaluations", "title"), (f" {len(records)}", "value")]
    if not records:
        return box(title, [[(" no evaluation yet", "dim")]], width, height, style=style)
    first = board.shift.get(Part.TABLE, 0)
    shown = names[first : first + num_metrics(width)]
    room = max(0, height - 1 - HEAD_LINES - bool(baseline))
    board.top = window(chosen, board.top, len(records), room)
    heads = [("step", _STEP, "dim"), ("epoch", _EPOCH, "dim"), ("", -_WHAT, "dim")]
    lines: list[Row] = [[("  ", ""), *cells(heads), *_metric_heads(shown)]]
    for i in range(board.top, min(board.top + room, len(records))):
        before = records[i + 1] if i + 1 < len(records) else None
        lines.append(_record_line(board, records[i], before, shown, is_chosen=i == chosen))
    if baseline:
        lines.append(_baseline_line(baseline, shown))
    note = _note(names, first, len(shown), len(records) - board.top - room)
    return box(title, lines, width, height, note=note, style=style)


def _note(names: Sequence[str], first: int, num_shown: int, num_hidden: int) -> Row:
    parts = []
    if num_shown < len(names):
        parts.append(f"metrics {first + 1} to {first + num_shown} of {len(names)}: → ←")
    if num_hidden > 0:
        parts.append(f"{num_hidden} more ↓")
    return [("  ".join(parts), "dim")] if parts else []


def _metric_heads(names: Sequence[str]) -> Row:
    titles = [fmt.clip(plain(name).replace("_", " "), _METRIC - 2) for name in names]
    return [(" " + title.rjust(_METRIC - 10).ljust(_METRIC - 1), "dim") for title in titles]


def _record_line(
    board: EvalBoard, record: EvalRecord, before: EvalRecord | None, names: Sequence[str], *, is_chosen: bool
) -> Row:
    epoch = f"{record.epoch:.2f}" if record.epoch is not None and math.isfinite(record.epoch) else fmt.MISSING
    is_best = record is board.scores.best_record
    what = "best" if is_best else ("" if record.trigger == "schedule" else f"by {record.trigger}")
    row: Row = [("❯ ", "key") if is_chosen else ("  ", "")]
    step_style = "chosen" if is_chosen else "value"
    row += cells([(fmt.count(record.step), _STEP, step_style), (epoch, _EPOCH, "dim")])
    row += cells([(f" {what}", -_WHAT, "ok" if is_best else "dim")])
    values, earlier = values_of(record), values_of(before) if before is not None else {}
    for name in names:
        row += _metric_cells(board, name, values.get(name), earlier.get(name))
    return row


def _metric_cells(board: EvalBoard, name: str, value: float | None, before: float | None) -> Row:
    if value is None:
        return [(f" {fmt.MISSING.rjust(_METRIC - 10)}{' ' * 9}", "faint")]
    is_best = value == board.scores.best.get(name)
    change = fmt.change(value, before) if before is not None else ""
    is_better = change.startswith("-") == board.scores.is_lower_better(name)
    is_plain = is_better or change.strip("+-0.") == ""
    style = "alert" if not math.isfinite(value) else ("ok" if is_best else "value")
    return [
        (" " + fmt.clip(fmt.number(value), _METRIC - 10).rjust(_METRIC - 10), style),
        ("▲" if is_best else " ", "ok"),
        (change.ljust(8), "dim" if is_plain else "warn"),
    ]


def _baseline_line(baseline: dict[str, float], names: Sequence[str]) -> Row:
    row: Row = [("  ", ""), *cells([("baseline", _STEP, "dim"), ("", _EPOCH, ""), ("", -_WHAT, "")])]
    for name in names:
        value = fmt.number(baseline[name]) if name in baseline else ""
        row.append((f" {value.rjust(_METRIC - 10)}{' ' * 9}", "dim"))
    return row


def paint_part(board: EvalBoard, width: int, height: int) -> list[Row]:
    """What is shown of the chosen evaluation. Rows of exactly width × height."""
    part, record = board.shown_detail, board.record
    if part is None or record is None:
        return box([], [], width, height)
    head, lines = part_lines(board, part, width)
    room = max(0, height - 2 - len(head))
    start = max(0, min(board.scroll.get(part, 0), len(lines) - room))
    title: Row = []
    for other in board.details:
        title += [(str(other), "title" if other is part else "dim"), ("  ", "")]
    title.append((f"@ {fmt.count(record.step)}", "value"))
    hidden = len(lines) - start - room
    note: Row = [(f"{hidden} more ↓", "dim")] if hidden > 0 else []
    style = "border-chosen" if board.part is part else "border"
    return box(title, [*head, *lines[start : start + room]], width, height, note=note, style=style)


def part_lines(board: EvalBoard, part: Part, width: int) -> tuple[list[Row], list[Row]]:
    """Headings that stay, and what is scrolled, of a part of the chosen evaluation in a box of a width."""
    record = board.record
    if record is None:
        return [], []
    match part:
        case Part.LABELS:
            return label_lines(record, board.before, width - 2)
        case Part.CONFUSION:
            return heat_lines(record, width - 2, board.shift.get(part, 0))
        case _:
            return [], sample_lines(record.samples or [], width - 2)


def label_lines(record: EvalRecord, before: EvalRecord | None, width: int) -> tuple[list[Row], list[Row]]:
    """Every figure of each label, and how its F1 has changed; those with most examples first."""
    table = {name: numeric(dict(values)) for name, values in (record.labels or {}).items()}
    earlier = {name: numeric(dict(values)) for name, values in ((before.labels if before else None) or {}).items()}
    known = list(dict.fromkeys(name for values in table.values() for name in values))
    usual = [name for name in _LABEL_COLUMNS if name in known]
    columns = usual + [name for name in known if name not in usual]
    cell = 11
    columns = columns[: max(1, (width - 20 - 11) // cell)]
    name_width = max(6, min(40, width - 1 - cell * len(columns) - 11))
    heads = "".join(fmt.clip(plain(name), cell - 1).rjust(cell) for name in columns)
    head: list[Row] = [[(fmt.fit(" label", name_width + 1), "dim"), (heads, "dim")]]
    if "f1" in columns and earlier:
        head[0].append((" f1 change".rjust(10), "dim"))
    lines: list[Row] = []
    for name, values in sorted(table.items(), key=lambda item: (-item[1].get("support", 0.0), item[0])):
        row: Row = [(fmt.fit(" " + plain(name).replace("_", " "), name_width + 1), "")]
        row += [label_cell(column, values.get(column), cell) for column in columns]
        now, then = values.get("f1"), earlier.get(name, {}).get("f1")
        if "f1" in columns and now is not None and then is not None:
            change = fmt.change(now, then)
            row.append((change.rjust(10), "warn" if change.startswith("-") and change.strip("+-0.") else "dim"))
        lines.append(row)
    return head, lines
