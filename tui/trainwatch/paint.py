"""What every pane is painted with: rows of styled spans, clipped and padded to cells, and a titled box. Pure.

A row is a list of (text, style name); `theme` knows what a style name looks like. The dashboard and `--once` show the
same rows.
"""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from rich.cells import cell_len

from rundir.text import plain
from trainwatch.format import clip

LEAST_HINT = 12
"""Cells of a hint that still say something."""

Span: TypeAlias = tuple[str, str]
Row: TypeAlias = list[Span]


def row_width(row: Iterable[Span]) -> int:
    return sum(cell_len(text) for text, _ in row)


def clip_row(row: Iterable[Span], width: int) -> Row:
    """At most `width` cells; an ellipsis where something was cut."""
    clipped: Row = []
    left = width
    for text, style in row:
        length = cell_len(text)
        if length > left:
            if left > 0:
                clipped.append((clip(text, left), style))
            return clipped
        if text:
            clipped.append((text, style))
            left -= length
    return clipped


def fit_row(row: Iterable[Span], width: int) -> Row:
    """Exactly `width` cells."""
    fitted = clip_row(row, width)
    missing = width - row_width(fitted)
    return [*fitted, (" " * missing, "")] if missing > 0 else fitted


def spread(left: Row, right: Row, width: int, *, least: int | None = None) -> Row:
    """Two rows on one line, the second at the right edge; it goes first when there is no room for both.

    `least`: so many cells of the second, or more, are worth showing though the rest is cut off.
    """
    room = width - row_width(left)
    length = row_width(right)
    if length + 1 > room:
        if least is None or room < least + 2:
            return fit_row(left, width)
        return [*left, ("  ", ""), *fit_row(right, room - 2)]
    return [*left, (" " * (room - length), ""), *right]


def hint_line(left: Row, notice: str, hint: str, width: int, trouble: str = "") -> Row:
    """The line of a screen that says how much was read, why that is old, what was last said, and what the pointer is
    on: of that as much as there is room for."""
    if trouble:
        left = [*left, ("  " + plain(trouble), "warn")]
    if notice:
        left = [*left, ("   ", ""), (plain(notice), "notice")]
    return spread(left, [(plain(hint) + " ", "dim")] if hint else [], width, least=LEAST_HINT)


def flow(groups: Sequence[Row], width: int, gap: int = 3) -> list[Row]:
    """Groups laid out on as many lines as they need, whole groups only, each line a cell in from the left."""
    lines: list[Row] = []
    for group in groups:
        if lines and row_width(lines[-1]) + gap + row_width(group) <= width:
            lines[-1] += [(" " * gap, ""), *group]
        else:
            lines.append([(" ", ""), *group])
    return [fit_row(line, width) for line in lines]


def box(
    title: Row,
    body: Sequence[Row],
    width: int,
    height: int,
    *,
    note: Row | None = None,
    foot: Row | None = None,
    style: str = "border",
) -> list[Row]:
    """A rounded box of exactly width × height around the body; the body alone where it is too small for a box."""
    if width < 4 or height < 3:
        rows = [fit_row(row, width) for row in body[:height]]
        return rows + [fit_row([], width)] * (height - len(rows))
    inner = width - 2
    shown = [fit_row(row, inner) for row in body[: height - 2]]
    shown += [fit_row([], inner)] * (height - 2 - len(shown))
    side: Span = ("│", style)
    return [
        _edge("╭", "╮", title, note or [], width, style),
        *([side, *row, side] for row in shown),
        _foot(foot, width, style),
    ]


def _edge(left: str, right: str, title: Row, note: Row, width: int, style: str) -> Row:
    room = width - 4
    head = clip_row(title, room - 2) if room > 3 else []
    head = [(" ", ""), *head, (" ", "")] if head else []
    tail = [(" ", ""), *note, (" ", "")] if note and row_width(head) + row_width(note) + 3 <= room else []
    fill = room - row_width(head) - row_width(tail)
    return [(left + "─", style), *head, ("─" * fill, style), *tail, ("─" + right, style)]


def _foot(foot: Row | None, width: int, style: str) -> Row:
    """The lower edge; `foot` fills it between the corners, where it fits exactly."""
    if foot is not None and row_width(foot) == width - 2:
        return [("╰", style), *foot, ("╯", style)]
    return [("╰" + "─" * (width - 2) + "╯", style)]


def text_of(rows: Iterable[Row]) -> str:
    """The rows without their styles, one a line, trailing blanks removed."""
    return "\n".join("".join(text for text, _ in row).rstrip() for row in rows)
