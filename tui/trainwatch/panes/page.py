"""What full pages have in common: where their parts are, and lists of which one line is chosen. Pure."""

from trainwatch import format as fmt
from trainwatch.layout import Layout, Rect
from trainwatch.paint import Row

DETAIL = 7
"""Lines of the box that says more of the chosen line."""
TALL = 20
"""A screen of fewer lines has no such box."""


def arrange_page(width: int, height: int, *, has_detail: bool = False) -> Layout:
    """The run above, the page itself, more of what is chosen, status and keys."""
    if width < 1 or height < 1:
        return {}
    head = 1 if height >= 8 else 0
    foot = 2 if height >= 14 else (1 if height >= 3 else 0)
    detail = DETAIL if has_detail and height >= TALL else 0
    parts = {"header": head, "body": height - head - foot - detail, "detail": detail, "status": min(1, foot)}
    places: Layout = {}
    y = 0
    for name, lines in (*parts.items(), ("keys", foot - 1)):
        if lines > 0:
            places[name] = Rect(0, y, width, lines)
            y += lines
    return places


def window(chosen: int, top: int, num_lines: int, room: int) -> int:
    """The first line on screen, moved from `top` as little as it takes to have the chosen one there."""
    room = max(1, room)
    return max(0, min(max(min(top, chosen), chosen - room + 1), num_lines - room))


def cells(values: list[tuple[str, int, str]]) -> Row:
    """(text, width, style): right-aligned in as many cells; a negative width aligns left."""
    row: Row = []
    for text, width, style in values:
        if width < 0:
            row.append((fmt.fit(text, -width - 1) + " ", style))
        else:
            row.append((" " + fmt.clip(text, width - 1).rjust(width - 1), style))
    return row
