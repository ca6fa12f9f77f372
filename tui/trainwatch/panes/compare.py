"""Runs side by side: their curves in one chart, best and last of each metric, and only what differs. Pure."""

import math
from dataclasses import replace

import numpy as np
from rich.cells import cell_len

from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.comparison.board import Board, Compared
from trainwatch.layout import Layout, Rect
from trainwatch.lens import XAxis, words
from trainwatch.listing.column import parted, state_of
from trainwatch.metric import place_of, unit_of, written
from trainwatch.paint import Row, box, fit_row, flow, hint_line, spread
from trainwatch.panes.chart import Chart, Curve, paint_chart
from trainwatch.panes.title import value_near

_EMPTY = np.empty(0)
NAME_WIDTH = 20
"""Cells for the name of a metric at least; more where the figures of all runs leave them."""
KEY_WIDTH = 28
VALUE_WIDTH = 8
CELL_WIDTH = 2 * VALUE_WIDTH + 3
"""Last and best of a run; where that has no room for all of them, the last alone."""
LEAST_VALUE = 8
MOST_LEGEND_LINES = 3
_BESIDE_NAME = 7
"""Cells of a run's mark and letter, and to the next one."""
WIDE, TALL = 110, 24


def arrange_comparison(width: int, height: int, pane: str, num_lines: int, *, alone: bool) -> Layout:
    """Where each pane is: the chart above; below it metrics and differences, or one of them.

    `num_lines`: that the names of the runs take.
    """
    if width < 1 or height < 1:
        return {}
    head = min(1 + num_lines, max(0, height // 4))
    foot = 2 if height >= 14 else (1 if height >= 3 else 0)
    body = height - head - foot
    places: Layout = {"header": Rect(0, 0, width, head)}
    chart = body if alone or body < 10 else max(6, body * 11 // 20)
    places["chart"] = Rect(0, head, width, chart)
    below = Rect(0, head + chart, width, body - chart)
    if width >= WIDE and height >= TALL:
        left = width // 2
        places["metrics"] = Rect(0, below.y, left, below.height)
        places["differences"] = Rect(left, below.y, width - left, below.height)
    else:
        places[pane] = below
    places["status"] = Rect(0, height - foot, width, min(1, foot))
    places["keys"] = Rect(0, height - 1, width, foot - 1)
    return {name: place for name, place in places.items() if place.height > 0}


def legend_lines(board: Board, width: int) -> int:
    """How many lines the names of the runs take where there is no crosshair, at most three."""
    return min(MOST_LEGEND_LINES, len(_legends(board, width, MOST_LEGEND_LINES, has_values=False)))


def paint_comparison_header(board: Board, width: int, height: int) -> list[Row]:
    """What is drawn, and every run in its colour: with its value at the crosshair, where there is one."""
    left: Row = [
        (f" {fmt.counted(len(board.runs), 'run')}  ", "title"),
        (plain(board.metric), "value"),
        (f" by {board.lens.axis}", "dim"),
    ]
    look = words(replace(board.lens, axis=XAxis.STEP))  # which axis it is stands beside the metric
    rows = [spread(left, [(look + " ", "notice")] if look else [], width)]
    rows = [*rows, *_legends(board, width, height - 1)][:height]
    return rows + [fit_row([], width)] * (height - len(rows))


def _legends(board: Board, width: int, height: int, *, has_values: bool = True) -> list[Row]:
    """Every run with as much of its name as lets all of them be named."""
    parts = [parted(run.entry.id) for run in board.runs]
    names = [name for _, name in parts]
    shorter = [stamp[9:] + name for stamp, name in parts]
    shortest = names if len(set(names)) == len(names) else shorter
    per_line = -(-len(board.runs) // max(1, height))
    clipped = [fmt.clip(name, max(1, width // per_line - _BESIDE_NAME)) for name in shortest]
    rows: list[Row] = []
    for wanted, with_state in (
        ([stamp + name for stamp, name in parts], True), (shorter, True), (shorter, False), (shortest, False),
        (clipped, False),
    ):  # fmt: skip
        legends = zip(board.runs, wanted, strict=True)
        named = [_legend(run, name, with_state=with_state) for run, name in legends]
        valued = [[*row, *_at_crosshair(run, board)] for run, row in zip(board.runs, named, strict=True)]
        rows = flow(valued if has_values else named, width, 2)
        if len(rows) <= height:
            return rows
    return rows


def _legend(run: Compared, name: str, *, with_state: bool) -> Row:
    row: Row = [(f"● {run.letter} ", run.style), (fmt.clip(name, 40), "title")]
    if with_state:
        row.append((" " + state_of(replace(run.entry, status=run.store.status, verdict=run.store.verdict))[0], "dim"))
    return row


def _at_crosshair(run: Compared, board: Board) -> Row:
    line = run.line(board.metric, board.lens.axis)
    if board.lens.cursor is None or line is None:
        return []
    _, value = value_near(line.x, line.column.values, board.lens.cursor)
    return [(" " + written(board.metric, value), "value")]


def comparison_chart(board: Board) -> Chart:
    """The chosen metric of every run."""
    axis, unit = board.lens.axis, unit_of(board.metric)
    curves = [curve for run in board.runs if (curve := _curve(run, board)) is not None]
    ends = [end for run in board.runs if (end := run.lines.ends(axis)) is not None]
    title = board.metric
    if board.lens.cursor is not None:
        title += f" @ {place_of(board.lens.cursor, axis)}"
    return Chart(
        title=plain(title),
        x=_EMPTY,
        column=None,
        unit=unit[0],
        unit_name=unit[1],
        x_format=fmt.elapsed if axis is XAxis.TIME else fmt.short_count,
        x_least=1.0 if axis is XAxis.STEP else 0.0,
        x_total=max(ends) if ends and any(not run.store.has_ended for run in board.runs) else None,
        ended=all(run.store.ends_with_data for run in board.runs),
        smoothed=board.metric == "loss",
        overlay=curves,
        empty="none of the runs has it" if board.is_read else "reading …",
    )


def _curve(run: Compared, board: Board) -> Curve | None:
    line = run.line(board.metric, board.lens.axis)
    if line is None:
        return None
    points = (line.x, line.column.values) if line.is_sparse else (_EMPTY, _EMPTY)
    return Curve(line.x, line.column, run.style, f"{run.style}-faint", run.style, *points, run.style, run.letter)


def paint_comparison_chart(board: Board, width: int, height: int) -> list[Row]:
    """Rows of exactly width × height; keeps the scales for the next time."""
    rows, board.scales = paint_chart(comparison_chart(board), width, height, board.scales, board.lens)
    return rows


def room_in_metrics(width: int, num_runs: int) -> tuple[int, bool]:
    """Of how many runs the figures have room, and whether that is with the best beside the last."""
    room = width - 2 - NAME_WIDTH
    has_best = room // CELL_WIDTH >= num_runs
    return (num_runs if has_best else max(1, room // (VALUE_WIDTH + 2))), has_best


def room_in_differences(width: int) -> int:
    """Of how many runs the values have room."""
    return max(1, (width - 2 - _key_width(width - 2)) // LEAST_VALUE)


def _key_width(width: int) -> int:
    return min(KEY_WIDTH, max(1, width // 3))


def _which(shown: list[Compared], board: Board, further: str) -> Row:
    """Which of the runs stand in a table; nothing where all do."""
    if len(shown) == len(board.runs):
        return []
    return [(f"{shown[0].letter} – {shown[-1].letter} of {len(board.runs)} runs, ", "dim"), (further, "key")]


def paint_metrics(board: Board, width: int, height: int, further: str = "> <") -> list[Row]:
    """Rows of exactly width × height: last and best of each metric in each run; the best of all stands out.

    `further`: the keys that move on to further runs.
    """
    names, room = board.metrics, max(1, height - 3)
    at = names.index(board.metric) if board.metric in names else 0
    board.top = max(0, min(board.top, at, len(names) - room), at - room + 1)
    most, has_best = room_in_metrics(width, len(board.runs))
    shown = board.columns(most)
    left = width - 2 - len(shown) * (CELL_WIDTH if has_best else VALUE_WIDTH + 2)
    name_width = max(NAME_WIDTH, min(left, 3 + max((cell_len(plain(name)) for name in names), default=0)))
    heading: Row = [(" " * name_width, "")]
    for run in shown:
        heading.append((f"{run.letter} ".rjust(4), run.style))
        heading.append(
            ("last".rjust(VALUE_WIDTH - 4) + ("best".rjust(VALUE_WIDTH + 1) if has_best else "") + "  ", "dim")
        )
    lines = [heading]
    lines += [
        _metric_line(name, name_width, board, shown, has_best=has_best) for name in names[board.top : board.top + room]
    ]
    style = "border-chosen" if board.pane == "metrics" else "border"
    return box([("metrics", "title")], lines, width, height, note=_which(shown, board, further), style=style)


def _metric_line(name: str, name_width: int, board: Board, shown: list[Compared], *, has_best: bool) -> Row:
    is_drawn = name == board.metric
    named = fmt.fit(plain(name), name_width - 2) + " "
    row: Row = [("❯" if is_drawn else " ", "key"), (named, "chosen" if is_drawn else "")]
    winner = board.winner(name)
    for run in shown:
        last, best = run.last(name), run.best(name)
        has_line = run.line(name, XAxis.STEP) is not None
        newest = written(name, last) if has_line else fmt.MISSING
        row.append((newest.rjust(VALUE_WIDTH), "value" if has_line else "faint"))
        is_best = winner is not None and board.runs[winner] is run
        text = written(name, best) if has_best and not math.isnan(best) else ""
        text = text.rjust(VALUE_WIDTH + 1) if has_best else ""
        row.append((text + ("▲ " if is_best else "  "), "ok" if is_best else "dim"))
    return row


def difference_lines(board: Board, width: int) -> list[Row]:
    """Headings and keys with the value of each run, clipped to a share of the width; of the others than the first,
    what is not as there stands out."""
    key_width = _key_width(width)
    shown = board.columns(room_in_differences(width + 2))
    first = board.runs.index(shown[0])
    cell = (width - key_width) // len(shown)
    lines: list[Row] = [[(" " * key_width, ""), *((fmt.fit(run.letter, cell), run.style) for run in shown)]]
    for heading, differences in board.differences():
        lines.append([(heading, "title"), (f"  {len(differences):,}" if differences else "  no difference", "dim")])
        for key, values in differences:
            row: Row = [(" " + fmt.fit(plain(key), key_width - 2) + " ", "dim")]
            for number, value in enumerate(values[first : first + len(shown)], first):
                style = "faint" if value is None else "dim" if number and value == values[0] else "value"
                row.append((fmt.fit(_clipped(value, cell - 1), cell - 1) + " ", style))
            lines.append(row)
    return lines


def _clipped(value: str | None, width: int) -> str:
    """Of a path its end, as that is what differs."""
    text = fmt.MISSING if value is None else plain(value)
    return "…" + text[-(width - 1) :] if "/" in text and len(text) > width > 4 else text


def paint_differences(board: Board, width: int, height: int, further: str = "> <") -> list[Row]:
    """Rows of exactly width × height: the keys of configuration and environment that are not the same in all runs.

    `further`: the keys that move on to further runs.
    """
    lines = difference_lines(board, max(1, width - 2))
    room = max(1, height - 2)
    start = max(0, min(board.scroll, len(lines) - room))
    style = "border-chosen" if board.pane == "differences" else "border"
    left = len(lines) - start - room
    note = _which(board.columns(room_in_differences(width)), board, further)
    note += [("  " if note else "", ""), (f"{left} more ↓", "dim")] if left > 0 else []
    return box([("what differs", "title")], lines[start : start + room], width, height, note=note, style=style)


def paint_comparison_status(board: Board, width: int, notice: str, pointed: str, trouble: str = "") -> list[Row]:
    """One line. "N runs compared" is written only once all were read. `trouble`: why this is not the newest."""
    if board.is_read:
        left: Row = [(f" {fmt.counted(len(board.runs), 'run')} compared", "value")]
    else:
        share = min(run.store.progress for run in board.runs)
        left = [(f" reading … {min(99, int(100 * share))}%", "warn")]
    return [hint_line(left, notice, pointed, width, trouble)]
