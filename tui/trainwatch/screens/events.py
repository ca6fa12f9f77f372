"""All events of a run: keys and pointer move a cursor, `enter` opens the evidence of an alert. Writes nothing."""

from typing import TYPE_CHECKING

from rundir.records import AlertEvent
from trainwatch.export.sheet import Texts, harmless
from trainwatch.findings import EventView
from trainwatch.layout import Layout
from trainwatch.paint import Row
from trainwatch.panes import hints
from trainwatch.panes.events import event_words
from trainwatch.panes.footer import line_of
from trainwatch.panes.timeline import arrange_timeline, paint_detail, paint_timeline, paint_timeline_header
from trainwatch.screens.ask import Report
from trainwatch.screens.filter import FilterScreen
from trainwatch.screens.run_page import RunPage
from trainwatch.timeline import Timeline, kind_of
from trainwatch.widgets.pane import Pane

if TYPE_CHECKING:
    from trainwatch.screens.run import RunScreen

_FIRST_TO_GO = ("theme", "last", "first", "rules", "down")


class EventsScreen(RunPage, FilterScreen):
    """Owns the cursor and the filter; the events are the store's."""

    PANE_NAMES = ("header", "events", "detail", "status", "keys")
    HINTS = hints.EVENTS
    SCREEN = "events"

    def __init__(self, front: "RunScreen") -> None:
        super().__init__(front)
        self.timeline = Timeline(self.store)
        self._detail_scroll = 0

    def arranged(self, width: int, height: int) -> Layout:
        return arrange_timeline(width, height)

    def paint(self, name: str, width: int, height: int) -> list[Row]:
        match name:
            case "header":
                return paint_timeline_header(self.timeline, width)
            case "events":
                return paint_timeline(self.timeline, width, height)
            case "detail":
                return paint_detail(self.timeline, width, height, self._detail_scroll)
            case "status":
                return self.paint_status(width)
            case _:
                return line_of(self.rows, width, _FIRST_TO_GO)

    def data(self) -> Texts:
        titles = ["at", "step", "kind", "name", "text", "superseded"]
        return Texts(titles, [_cells(view) for view in self.timeline.views])

    # --- keys and pointer -------------------------------------------------------------------------------------------

    @property
    def _room(self) -> int:
        return max(1, self.places["events"].height - 2) if "events" in self.places else 1

    def do(self, action: str) -> None:
        self.front.view.notice = self.pointed = ""
        moves = {
            "down": 1, "up": -1, "page-down": self._room, "page-up": -self._room, "first": -(10**9), "last": 10**9,
        }  # fmt: skip
        if action in moves:
            self.timeline.move(moves[action])
            self._detail_scroll = 0
        else:
            self._do_other(action)
        self.repaint()

    def _do_other(self, action: str) -> None:
        match action:
            case "open":
                self._open()
            case "rules":
                self._report()
            case "filter":
                self.open_filter(self.timeline.text, "alert  critical  -checkpoint  words")
            case "back":
                if self.timeline.text:
                    self.timeline.text = ""
                else:
                    self.app.pop_screen()
            case _:
                self.do_anywhere(action)

    def _report(self) -> None:
        """The rules that run here."""
        findings = self.store.findings
        if not findings.is_on:
            self.say("the run's own supervisor has run the alert rules; traind diagnose runs all of them again")
            return
        from trainwatch.evidence import cases_of, state_of_rules

        rows = state_of_rules(findings, cases_of(self.store.told))
        self.app.push_screen(Report("alert rules that run here; nothing of it is written to the run", rows))

    def _open(self) -> None:
        view = self.timeline.view
        if view is None or not isinstance(view.event, AlertEvent):
            self.say("this is no alert: all that is known of it is below" if view is not None else "there is no event")
            return
        from trainwatch.screens.evidence import EvidenceScreen

        self.app.push_screen(EvidenceScreen(self.front, view.event))

    def filtered(self, text: str) -> str:
        self.timeline.text = text
        return "" if self.timeline.views else "no event passes"

    def on_pane_chosen(self, message: Pane.Chosen) -> None:
        line = self.timeline.top + message.y - 1
        if message.pane == "events" and 0 < message.y <= self._room and line < len(self.timeline.views):
            self.timeline.choose(line)
            self._detail_scroll = 0
            if message.count == 2:
                self._open()
            self.repaint()

    def on_pane_scrolled(self, message: Pane.Scrolled) -> None:
        if message.pane == "detail":
            self._detail_scroll = max(0, self._detail_scroll - message.lines)
        else:
            self.timeline.move(-message.lines)
        self.repaint()


def _cells(view: EventView) -> list[str]:
    event = view.event
    name, text, _ = event_words(event)
    step = "" if event.step is None else str(event.step)
    return [repr(event.at), step, kind_of(event), harmless(name), harmless(text), str(view.superseded).lower()]
