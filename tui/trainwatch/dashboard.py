"""The dashboard as a function: a store and a view come to the rows of each pane, and of all panes together. Pure.

The terminal program shows the panes one by one, `--once` prints them together; both get the same rows from here.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Protocol

from trainwatch.actions import PAGE_ACTIONS, Action, Situation
from trainwatch.layout import Layout, arrange
from trainwatch.lens import Lens
from trainwatch.metric import Lines
from trainwatch.paint import Row, text_of
from trainwatch.panes.chart import WHOLE, Scales, paint_chart
from trainwatch.panes.charts import CHARTS, chart_of
from trainwatch.panes.console import paint_console
from trainwatch.panes.evals import num_eval_lines, paint_evals
from trainwatch.panes.events import num_event_lines, paint_events
from trainwatch.panes.footer import paint_keys, paint_status
from trainwatch.panes.header import paint_header
from trainwatch.panes.orders import paint_orders
from trainwatch.store import Answer, Store

PANE_NAMES = ("header", *CHARTS, "evals", "events", "orders", "console", "status", "keys")


@dataclass
class View:
    """What the viewer adds to the store: what is chosen, how far it is scrolled, what was last said."""

    chosen: str = "charts"
    zoomed: bool = False
    notice: str = ""
    read_only: bool = False
    now: float = 0.0
    colour: str = ""
    """Style of a run that is marked for comparison."""
    has_table: bool = False
    """Whether there is a table of runs to go back to."""
    lens: Lens = WHOLE
    """How the charts are looked at."""
    pointed: str = ""
    """What the pointer is on, in words."""
    as_of: str = ""
    """The place in the past, in words; empty where the run is shown as it is now."""
    trouble: str = ""
    """Why what is shown is not the newest, where the run is on another host; in words."""
    quit_key: str = ""
    """What leaves, for the status line where there is no line of keys."""
    actions: Sequence[Action] = PAGE_ACTIONS
    """What the line of keys names."""
    scroll: dict[str, int] = field(default_factory=dict)
    scales: dict[str, Scales] = field(default_factory=dict)
    lines: Lines | None = None
    """Of the store that was painted last: what it has computed of a long run is not computed at every painting."""

    def lines_of(self, store: Store) -> Lines:
        if self.lines is None or self.lines.store is not store:
            self.lines = Lines(store)
        return self.lines

    @property
    def is_by_step(self) -> bool:
        """Whether memory is drawn over the steps, too: what is seen of the others is seen of it."""
        return self.lens.seen is not None or self.lens.cursor is not None or self.lens.marked is not None

    def layout(self, width: int, height: int, absent: AbstractSet[str] = frozenset()) -> Layout:
        """`absent`: panes that have nothing to show."""
        return arrange(width, height, self.chosen, zoomed=self.zoomed, absent=absent)


SCROLLING = ("console", "events", "orders", "evals")


class _Scrolling(Protocol):
    def __call__(self, store: Store, width: int, height: int, *, scroll: int, style: str) -> list[Row]: ...


_SCROLLING: dict[str, _Scrolling] = {"evals": paint_evals, "events": paint_events}


def situation(store: Store, view: View) -> Situation:
    """What decides which actions make sense now."""
    return Situation(
        reference=store.opened.far_path or store.opened.reference,
        host=store.opened.host,
        state=store.status.state if store.status is not None else None,
        verdict=store.verdict,
        read_only=view.read_only or bool(store.opened.source),
        pending=frozenset(o.verb for o in store.orders.values() if o.answer(view.now) is Answer.PENDING),
        by_script=store.by_script,
        takes=store.takes,
        is_past=bool(view.as_of),
    )


def scroll_limit(name: str, store: Store, width: int, height: int) -> int:
    """How many lines a pane of a size can be scrolled."""
    num_lines = {
        "console": len(store.console),
        "events": num_event_lines(store, width),
        "orders": len(store.orders),
        "evals": num_eval_lines(store, width),
    }
    return max(0, num_lines.get(name, 0) - max(0, height - 2))


def paint_pane(name: str, store: Store, view: View, width: int, height: int) -> list[Row]:
    """One pane of `PANE_NAMES`: rows of exactly width × height."""
    style = "border-chosen" if name == view.chosen else "border"
    scroll = view.scroll.get(name, 0)
    if name in CHARTS:
        lines = view.lines_of(store) if view.is_by_step else None
        scales = view.scales.get(name, Scales())
        rows, view.scales[name] = paint_chart(chart_of(name, store, lines), width, height, scales, view.lens)
        return rows
    if name in _SCROLLING:
        return _SCROLLING[name](store, width, height, scroll=scroll, style=style)
    match name:
        case "header":
            return paint_header(store, width, height, view.now, view.colour, is_past=bool(view.as_of))
        case "console":
            return paint_console(store, width, height, scroll, style, is_past=bool(view.as_of))
        case "orders":
            return paint_orders(store, width, height, view.now, scroll, style)
        case "status":
            read_only = view.read_only or bool(store.opened.source)
            return paint_status(
                store,
                width,
                view.notice,
                view.pointed,
                read_only=read_only,
                quit_key=view.quit_key,
                trouble=view.trouble,
                as_of=view.as_of,
            )
        case "keys":
            has_alert = bool(store.active_alerts)
            return paint_keys(
                situation(store, view), width, has_table=view.has_table, has_alert=has_alert, actions=view.actions
            )
        case _:
            raise ValueError(name)


def paint_all(store: Store, view: View, width: int, height: int) -> list[Row]:
    """The whole picture, without the line of keys."""
    places = {name: place for name, place in view.layout(width, height, store.absent).items() if name != "keys"}
    return joined(places, lambda name, w, h: paint_pane(name, store, view, w, h), height)


def joined(places: Layout, paint: Callable[[str, int, int], list[Row]], height: int) -> list[Row]:
    """Panes side by side, as rows."""
    lines: list[list[tuple[int, Row]]] = [[] for _ in range(height)]
    for name, place in places.items():
        for y, row in enumerate(paint(name, place.width, place.height)):
            lines[place.y + y].append((place.x, row))
    return [[span for _, row in sorted(parts, key=lambda part: part[0]) for span in row] for parts in lines]


def paint_text(store: Store, view: View, width: int, height: int) -> str:
    """The same as plain text."""
    return text_of(paint_all(store, view, width, height)).rstrip("\n")
