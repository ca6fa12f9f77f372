"""A screen made of panes: places them, paints what changed, and says what the pointer is on. Owns no data."""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Input

from trainwatch import keymap
from trainwatch.actions import Action
from trainwatch.dashboard import joined
from trainwatch.keyname import shown
from trainwatch.layout import Layout, Rect
from trainwatch.lens import Extent, Lens, after, marked, taken, why_unchanged
from trainwatch.paint import Row
from trainwatch.panes.chart import Scales
from trainwatch.panes.footer import key_under
from trainwatch.panes.hints import LOWEST
from trainwatch.widgets.compositor import NarrowCompositor
from trainwatch.widgets.pane import LEAST_DRAG, Pane

if TYPE_CHECKING:
    from trainwatch.export.sheet import Table


@dataclass(frozen=True, slots=True)
class Command:
    """A row of the command palette."""

    name: str
    help: str
    action: str
    """What `PaneScreen.do` understands."""
    refusal: str = ""
    """Why it is not possible now."""


class PaneScreen(Screen[None]):
    """Subclasses name their panes, and say where each is and what it shows."""

    PANE_NAMES: tuple[str, ...] = ()
    CHART_PANES: ClassVar[frozenset[str]] = frozenset()
    """Those of whose axis a part can be chosen by dragging."""
    SCREEN: ClassVar[str] = ""
    """Of `keymap.SCREENS`: whose table is bound to keys, each row to `press(name)`."""
    HINTS: ClassVar[Mapping[str, str]] = {}
    """What each pane is, in words."""
    STAYS: ClassVar[str] = ""
    """What leaving does not touch."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[Action, ...] = keymap.rows(self.SCREEN) if self.SCREEN else ()
        for key, name in _pressed(self.rows).items():
            binding = Binding(key, f"press('{name}')", show=False, priority=key == "tab")
            self._bindings.key_to_bindings[key] = [binding]
        self.places: Layout = {}
        self.painted_at = 0.0
        """By the monotonic clock."""
        self._compositor = NarrowCompositor()

    def arranged(self, width: int, height: int) -> Layout:
        """Where each pane is at a size."""
        raise NotImplementedError

    def paint(self, name: str, width: int, height: int) -> list[Row]:
        """Rows of exactly width × height of one pane."""
        raise NotImplementedError

    def commands(self) -> Iterable[Command]:
        """What the command palette offers: the rows of the screen's table."""
        return [Command(row.name.replace("-", " "), row.help, row.name, self.refusal_of(row)) for row in self.rows]

    def refusal_of(self, action: Action) -> str:  # noqa: ARG002
        """Why a row is not possible now; empty where it is."""
        return ""

    def do(self, action: str) -> None:
        """Do what a command names, or say why not."""
        raise NotImplementedError

    def say(self, notice: str) -> None:
        """Show a line in the status line until the next key."""
        raise NotImplementedError

    def key_of(self, action: str) -> str:
        """The key of an action of this screen; empty where it has none."""
        return next((row.key for row in self.rows if row.name == action), "")

    def action_press(self, name: str) -> None:
        """Do what is on the key of an action."""
        self.choose(name)

    def take_unbound(self, key: str) -> None:
        """A key that came down to the app, and is bound to nothing: said, so that none is silent."""
        if key not in self.active_bindings and not self.query(Input):
            self.say(unbound(key, self.rows))

    def choose(self, action: str) -> None:
        """Do what an action names, of this screen's own or of every screen's."""
        match action:
            case "export":
                from trainwatch.screens.export import ask_export  # most never do

                ask_export(self)
            case "copy":
                self._copy()
            case _:
                self.do(action)

    def _copy(self) -> None:
        if copied := self.copied():
            self.app.copy_to_clipboard(copied)
            self.say(f"{_SENT} ({_SENT_HINT}): {copied}" if _in_tmux() else f"copied: {copied}")
        else:
            self.say("nothing to copy here")

    def action_under(self, x: int) -> Action | None:
        """The action whose key the line of keys shows at a cell."""
        place = self.places.get("keys")
        key = key_under(self.paint("keys", place.width, 1)[0], x) if place is not None else ""
        return next((row for row in self.rows if key and shown(row.key) == key), None)

    def hint(self, pane: str, x: int) -> str:
        """What the pointer is on, in words."""
        if pane == "keys" and (row := self.action_under(x)) is not None:
            return row.help
        return self.HINTS.get(pane, "") or LOWEST.get(pane, "")

    def on_pane_chosen(self, message: Pane.Chosen) -> None:
        """A click on a key presses it. What other panes do when they are chosen, subclasses say besides."""
        if message.pane == "keys" and (row := self.action_under(message.x)) is not None:
            self.action_press(row.name)

    @property
    def quit_hint(self) -> str:
        """How to leave, in words."""
        key = self.key_of("quit")
        way = f"press {shown(key)} to quit" if key else "quit is in the palette, ctrl+p"
        return "; ".join(filter(None, (way, self.STAYS)))

    def data(self) -> "Table | None":
        """What is behind that which is seen, as a table; None where it is no data."""
        return None

    def copied(self) -> str:
        """What goes to the clipboard; empty where there is nothing to copy."""
        return ""

    @property
    def subject(self) -> str:
        """What is shown, for the name of a file."""
        return "trainwatch"

    def picture(self) -> list[Row]:
        """What is seen, without the line of keys."""
        places = {name: place for name, place in self.places.items() if name != "keys"}
        return joined(places, self.paint, self.size.height)

    def compose(self) -> ComposeResult:
        # Placed before the first layout: a second one would send the whole screen once more.
        self.places = self.arranged(*self.app.size)
        for name in self.PANE_NAMES:
            pane = Pane(name, partial(self.paint, name), has_axis=name in self.CHART_PANES)
            _place(pane, self.places.get(name))
            yield pane

    def on_resize(self) -> None:
        self.place_panes()

    def place_panes(self) -> None:
        """Lay out anew where that changes anything."""
        places = self.arranged(*self.size)
        if places == self.places:
            return
        self.places = places
        for pane in self.query(Pane):
            _place(pane, places.get(pane.id or ""))
        self.call_after_refresh(self.repaint)

    @property
    def is_covered(self) -> bool:
        """Whether another such screen lies above it; a question does not cover it. (To `is_current` it is the same.)"""
        stack = self.app.screen_stack
        return self in stack and any(isinstance(above, PaneScreen) for above in stack[stack.index(self) + 1 :])

    def on_screen_resume(self) -> None:
        self.repaint()

    def repaint(self) -> None:
        """Paint what is visible, all panes in the same frame. A screen that another one covers is painted when it
        comes back."""
        if self.is_covered:
            return
        for pane in self.query(Pane):
            pane.repaint()
        self.painted_at = time.monotonic()

    def let_go(self) -> None:
        """A drag that goes on chooses nothing any more."""
        for pane in self.query(Pane):
            pane.let_go()

    def restyle(self) -> None:
        """Paint everything once more: the palette is another."""
        for pane in self.query(Pane):
            pane.restyle()


_SENT, _SENT_HINT = "sent to the terminal's clipboard", "tmux: set -s set-clipboard on"


def _in_tmux() -> bool:
    """It passes what is copied on only where it is told to: whether it was, nobody hears."""
    return "TMUX" in os.environ


def said_of_copy(what: str, more: str) -> str:
    """What is said of something copied: first what tells it from the rest, then `more`."""
    return f"{_SENT}: {what} ({_SENT_HINT}; {more})" if _in_tmux() else f"copied: {what} ({more})"


def looked(action: str, lens: Lens, whole: Extent | None) -> tuple[Lens, str]:
    """The lens after an action of `actions.CHART_ACTIONS`, and why it is the same where it is."""
    if whole is None:
        return lens, "nothing is drawn yet"
    made = after(action, lens, whole)
    return made, why_unchanged(action, lens) if made == lens else ""


def dragged(lens: Lens, whole: Extent, drag: Pane.Dragged, scales: Scales, width: int) -> Lens:
    """The lens after a drag over a chart that was drawn with these scales in so many cells; unchanged beside it."""
    between = scales.between(drag.start, drag.x, width)
    if between is None:
        return replace(lens, marked=None)
    if not drag.is_over:
        return marked(lens, *between)
    if abs(drag.x - drag.start) < LEAST_DRAG:  # drawn back to where it began
        return replace(lens, marked=None)
    return taken(marked(lens, *between), whole)


def unbound(key: str, rows: Iterable[Action]) -> str:
    """What is said of a key that does nothing on a screen with these rows."""
    help_key = next((shown(row.key) for row in rows if row.name == "help" and row.key), "ctrl+p")
    meant = next((row for row in keymap.rows("run") if row.key == key), None)
    if meant is None:
        return f"{shown(key)} does nothing here; {help_key} lists the keys"
    what = meant.label or meant.name.replace("-", " ")
    return f"{shown(key)} ({what}) is a key of the run's own page; {help_key} lists those of this one"


def _pressed(rows: Iterable[Action]) -> dict[str, str]:
    """Key to name of the first action that it has; `=` is `+` without shift, where nothing else is on it."""
    keys: dict[str, str] = {}
    for row in rows:
        if row.key:
            keys.setdefault(row.key, row.name)
    if "plus" in keys:
        keys.setdefault("equals_sign", keys["plus"])
    return keys


def _place(pane: Pane, place: Rect | None) -> None:
    pane.display = place is not None
    if place is not None:
        pane.styles.offset = (place.x, place.y)
        pane.styles.width, pane.styles.height = place.width, place.height
