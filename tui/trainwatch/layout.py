"""Where each pane is at a given size. Pure; the dashboard and `--once` share it."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Rect:
    x: int
    y: int
    width: int
    height: int


Layout: TypeAlias = dict[str, Rect]
"""Pane name to place. A pane that is not in it is not shown."""

SMALL_CHARTS = ("grad_norm", "lr", "memory")
WIDE, TALL = 110, 30
LINES_FOR_ALERTS = 20
"""Of the screen, from which the header has a line for what needs attention."""


def arrange(
    width: int, height: int, chosen: str = "charts", *, zoomed: bool = False, absent: AbstractSet[str] = frozenset()
) -> Layout:
    """Rectangles that cover the screen without overlapping, at any size down to nothing.

    `chosen` is the pane that a small screen shows beside the loss, and that `zoomed` shows alone. `absent`: panes that
    have nothing to show, and get no place; never the loss.
    """
    if width < 1 or height < 1:
        return {}
    chosen = "charts" if chosen in absent else chosen
    is_wide = width >= WIDE and height >= TALL
    head = 3 if height >= LINES_FOR_ALERTS else min(2, height // 4)
    foot = 2 if height >= 14 else (1 if height >= 3 else 0)
    places: Layout = {}
    if head:
        places["header"] = Rect(0, 0, width, head)
    if foot:
        places["status"] = Rect(0, height - foot, width, 1)
    if foot == 2:
        places["keys"] = Rect(0, height - 1, width, 1)
    body = Rect(0, head, width, height - head - foot)
    if zoomed or (height < 14 and chosen != "charts"):
        places |= _charts(body, absent) if chosen == "charts" else {chosen: body}
    elif is_wide:
        places |= _wide(body, absent)
    elif height < 14:
        places["loss"] = body
    else:
        places |= _compact(body, chosen, absent)
    return places


def _wide(body: Rect, absent: AbstractSet[str]) -> Layout:
    wanted = {"evals": max(6, body.height * 9 // 20), "orders": max(5, body.height // 6)}
    wanted = {name: lines for name, lines in wanted.items() if name not in absent}
    column = [name for name in ("evals", "events", "orders") if name not in absent]
    left = body.width * 16 // 25 if column else body.width
    console = max(5, body.height // 4) if "console" not in absent else 0
    places = _charts(Rect(body.x, body.y, left, body.height - console), absent)
    if console:
        places["console"] = Rect(body.x, body.y + body.height - console, left, console)
    filler = "events" if "events" in column else next(iter(column), "")
    y = body.y
    for name in column:
        others = sum(wanted.get(other, 0) for other in column if other != filler)
        lines = body.height - others if name == filler else wanted[name]
        places[name] = Rect(body.x + left, y, body.width - left, lines)
        y += lines
    return places


def _compact(body: Rect, chosen: str, absent: AbstractSet[str]) -> Layout:
    if chosen == "charts":
        return _charts(body, absent)
    loss = body.height // 2
    below = Rect(body.x, body.y + loss, body.width, body.height - loss)
    return {"loss": Rect(body.x, body.y, body.width, loss), chosen: below}


def _charts(area: Rect, absent: AbstractSet[str]) -> Layout:
    """The loss above, the three small charts side by side below it where there is room."""
    named = [name for name in SMALL_CHARTS if name not in absent]
    small = max(6, area.height * 2 // 5) if area.height >= 12 and named else 0
    places: Layout = {"loss": Rect(area.x, area.y, area.width, area.height - small)}
    if small:
        shown = named[: max(1, min(3, area.width // 22))]
        edges = [area.x + area.width * i // len(shown) for i in range(len(shown) + 1)]
        for name, start, end in zip(shown, edges, edges[1:], strict=False):
            places[name] = Rect(start, area.y + area.height - small, end - start, small)
    return places
