"""The whole console: its rows with what was searched for highlighted, and where in it one is. Pure."""

from dataclasses import dataclass

from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.consolelog.search import Expression
from trainwatch.consolelog.view import ConsoleView, ShownRow, visible
from trainwatch.paint import Row, box

MARGIN = 2
"""Columns left of the text: a sign at what was found."""


@dataclass(frozen=True, slots=True)
class About:
    """What there is to say of the log besides its lines."""

    what: str = ""
    """Why this is not all of it; empty where it is."""
    number: int | None = None
    """Of the uppermost line; None while it is not known."""
    filter_text: str = ""
    filter_share: float = 1.0
    """How far the filter has looked."""
    is_full: bool = False
    """Whether the filter holds no more lines."""


def paint_console_page(view: ConsoleView | None, about: About, width: int, height: int) -> list[Row]:
    """Rows of exactly width × height."""
    title: Row = [("console", "title")]
    if about.what:
        title.append((f"  {about.what}", "warn"))
    if view is None:
        return box(title, [[(" nothing printed yet", "dim")]], width, height, style="border-chosen")
    title.append((f"  {_amount(view.file.size - view.file.begin)}", "dim"))
    if about.filter_text:
        title.append((f"  & {plain(about.filter_text)}", "notice"))
        title.append((f" {_filtered(view, about)}", "dim"))
    view.resize(width - 2 - MARGIN - 1, height - 2)
    lines = [_row(row, view) for row in view.rows()]
    if not lines:
        empty = " no line passes the filter" if view.sieve is not None else " nothing printed yet"
        lines = [[(empty, "dim")]]
    return box(title, lines, width, height, note=_position(view, about), style="border-chosen")


def _amount(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.2f} GB" if num_bytes >= 1e9 else f"{fmt.short_count(num_bytes)}B"


def _filtered(view: ConsoleView, about: About) -> str:
    count = view.sieve.count if view.sieve is not None else 0
    lines = fmt.counted(count, "line")
    if about.is_full:
        return f"the first {lines}"
    return lines if about.filter_share >= 1 else f"{lines} so far, {int(100 * about.filter_share)}% looked through"


def _position(view: ConsoleView, about: About) -> Row:
    number = f"line {fmt.count(about.number)}  " if about.number is not None else ""
    if view.follows:
        return [(number, "dim"), ("at the end", "ok")]
    return [(number, "dim"), (f"{round(100 * view.share)}%", "value")]


def _row(row: ShownRow, view: ConsoleView) -> Row:
    sign = ("❯ ", "key") if row.line.start == view.hit and row.start == (0 if view.wraps else view.left) else ("  ", "")
    is_later = view.then is not None and row.line.start >= view.then
    return [sign, *_highlighted(row, view.expression, "faint" if is_later else "console")]


def _highlighted(row: ShownRow, expression: Expression | None, style: str) -> Row:
    """What was searched for stands out, also where it goes on in the next row."""
    spans: Row = []
    at, stop = row.start, row.start + len(row.text)
    for first, behind in expression.marks(visible(row.line.text)) if expression is not None else ():
        start, end = max(first, at), min(behind, stop)
        if first >= stop:
            break
        if start < end:
            spans += [(row.text[at - row.start : start - row.start], style)] if start > at else []
            spans.append((row.text[start - row.start : end - row.start], "notice"))
            at = end
    return [*spans, (row.text[at - row.start :], style)]
