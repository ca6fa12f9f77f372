"""The end of console.log. Pure; every line passes `rundir.text.plain`."""

from itertools import islice

from rundir.text import plain
from trainwatch.paint import Row, box
from trainwatch.store import Store


def paint_console(
    store: Store, width: int, height: int, scroll: int = 0, style: str = "border", *, is_past: bool = False
) -> list[Row]:
    """Rows of exactly width × height; `scroll` lines up from the end. When they were printed the page knows."""
    room = max(0, height - 2)
    hidden = min(scroll, max(0, len(store.console) - room))
    newest_first = islice(reversed(store.console), hidden, hidden + room)
    lines: list[Row] = [[(" " + plain(line), "console")] for line in newest_first]
    if not store.console:
        nothing = "of then: two clicks, or Enter, open its page there" if is_past else "nothing printed yet"
        lines = [[(f" {nothing}", "dim")]]
    note: Row = [(f"↓ {hidden} more", "dim")] if hidden else []
    return box([("console", "title")], lines[::-1], width, height, note=note, style=style)
