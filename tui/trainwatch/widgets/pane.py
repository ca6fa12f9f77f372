"""The one widget: shows a painter's rows and sends to the terminal only the cells that changed."""

from collections.abc import Callable
from functools import cache
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.events import Click, MouseDown, MouseMove, MouseScrollDown, MouseScrollUp, MouseUp
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from trainwatch import theme
from trainwatch.paint import Row
from trainwatch.theme import Palette

NEAR = 12
"""Spans nearer than this go out as one: a cursor position and a style cost more than the cells between."""

WHEEL_LINES = 3
LEAST_DRAG = 2
"""Cells that the pointer moves with its button down before that is no click any more."""

Painter = Callable[[int, int], list[Row]]
"""(width, height) to rows of exactly that many cells."""


def style_of(name: str) -> Style:
    return _style_in(theme.current(), name)


@cache
def _style_in(palette: Palette, name: str) -> Style:
    wanted = palette.styles[name]
    return Style.parse(wanted if " on " in wanted else f"{wanted} on {palette.background}")


def _has_ground(*names: str) -> bool:
    """Whether any of some styles has a ground of its own."""
    return any(" on " in theme.current().styles.get(name, "") for name in names)


class Pane(Widget):
    """Owns what is on screen of one pane. Reads nothing by itself: the screen calls `repaint`."""

    class Chosen(Message):
        """The pane was clicked, at a cell of it; `count` is 2 of a double click's second."""

        def __init__(self, pane: str, x: int, y: int, count: int) -> None:
            super().__init__()
            self.pane = pane
            self.x, self.y = x, y
            self.count = count

    class Scrolled(Message):
        """The wheel was turned over a cell of the pane: up is positive."""

        def __init__(self, pane: str, lines: int, x: int, y: int) -> None:
            super().__init__()
            self.pane = pane
            self.lines = lines
            self.x, self.y = x, y

    class Pointed(Message):
        """The pointer came to another cell of the pane."""

        def __init__(self, pane: str, x: int, y: int) -> None:
            super().__init__()
            self.pane = pane
            self.x, self.y = x, y

    class Dragged(Message):
        """The pointer was moved with its button down, from one column of the pane to another, or beyond its edges."""

        def __init__(self, pane: str, start: int, x: int, *, is_over: bool) -> None:
            super().__init__()
            self.pane = pane
            self.start, self.x = start, x
            self.is_over = is_over
            """The button was let go."""

    ALLOW_SELECT: ClassVar[bool] = False
    DEFAULT_CSS = "Pane { position: absolute; display: none; }"

    def __init__(self, name: str, painter: Painter, *, has_axis: bool = False) -> None:
        """`has_axis`: of which a part can be chosen by dragging."""
        super().__init__(id=name)
        self._painter = painter
        self._has_axis = has_axis
        self._pressed: int | None = None
        """The column in which the button went down."""
        self._is_dragged = False
        """Whether it was moved since: letting go is no click then."""
        self._rows: list[Row] = []
        self._strips: list[Strip] = []

    def repaint(self) -> None:
        """Paint anew and refresh the spans of cells that differ from what is shown."""
        width, height = self.size
        if not self.display or not self._is_painted_for(width, height):
            return  # a new size is laid out first, and then asks for its lines
        rows = self._painter(width, height)
        changed: list[Region] = []
        for y, (old, new) in enumerate(zip(self._rows, rows, strict=True)):
            if old != new:
                changed += [Region(start, y, stop - start, 1) for start, stop in _differences(old, new, width)]
                self._strips[y] = _strip(new, width)
        self._rows = rows
        if changed:
            self.refresh(*changed)

    def on_mouse_down(self, event: MouseDown) -> None:
        self._is_dragged = False
        if self._has_axis and event.button == 1:
            self._pressed = event.x
            self.capture_mouse()

    def on_mouse_up(self, event: MouseUp) -> None:
        start = self._pressed
        if self.let_go() and start is not None:
            self.post_message(self.Dragged(self.id or "", start, event.x, is_over=True))

    def let_go(self) -> bool:
        """No more of this drag is told. Whether there was one."""
        was_dragged = self._is_dragged and self._pressed is not None
        if self._pressed is not None:
            self._pressed = None
            self.release_mouse()
        return was_dragged

    def on_click(self, event: Click) -> None:
        if self._is_dragged:
            return
        self.post_message(self.Chosen(self.id or "", event.x, event.y, event.chain))

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        self.post_message(self.Scrolled(self.id or "", WHEEL_LINES, event.x, event.y))

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        self.post_message(self.Scrolled(self.id or "", -WHEEL_LINES, event.x, event.y))

    def on_mouse_move(self, event: MouseMove) -> None:
        if self._pressed is not None:
            self._is_dragged = self._is_dragged or abs(event.x - self._pressed) >= LEAST_DRAG
            if self._is_dragged:
                self.post_message(self.Dragged(self.id or "", self._pressed, event.x, is_over=False))
            return
        self.post_message(self.Pointed(self.id or "", event.x, event.y))

    def restyle(self) -> None:
        """Forget what was painted: styles look different now."""
        self._strips = []
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        if not self._is_painted_for(width, height):
            self._rows = self._painter(width, height)
            self._strips = [_strip(row, width) for row in self._rows]
        return self._strips[y] if y < len(self._strips) else Strip.blank(width, style_of(""))

    def _is_painted_for(self, width: int, height: int) -> bool:
        return len(self._strips) == height > 0 and self._strips[0].cell_length == width


def _strip(row: Row, width: int) -> Strip:
    strip = Strip([Segment(text, style_of(style)) for text, style in _merged(row)])
    return strip if strip.cell_length == width else strip.adjust_cell_length(width, style_of(""))


def _merged(row: Row) -> Row:
    """The same cells in fewer spans: blanks take the style of what stands before them, where neither has a ground."""
    merged: Row = []
    for text, style in row:
        if merged and (style == merged[-1][1] or (not text.strip(" ") and not _has_ground(style, merged[-1][1]))):
            merged[-1] = (merged[-1][0] + text, merged[-1][1])
        else:
            merged.append((text, style))
    return merged


def _differences(old: Row, new: Row, width: int) -> list[tuple[int, int]]:
    """The spans of cells in which two rows of a width differ; the whole row where characters are not one cell wide."""
    before, after = _cells(old), _cells(new)
    if before is None or after is None or len(before) != len(after):
        return [(0, width)]
    spans: list[tuple[int, int]] = []
    for i, (a, b) in enumerate(zip(before, after, strict=True)):
        if a != b:
            if spans and i - spans[-1][1] < NEAR:
                spans[-1] = (spans[-1][0], i + 1)
            else:
                spans.append((i, i + 1))
    return spans


def _cells(row: Row) -> list[tuple[str, str]] | None:
    """Each cell as it looks: a blank looks the same in every style without a ground of its own."""
    cells = [
        (character, "" if character == " " and not _has_ground(style) else style)
        for text, style in row
        for character in text
    ]
    return cells if len(cells) == sum(cell_len(text) for text, _ in row) else None
