"""A full page of one table or text, with more of what is chosen below: paints and presses keys. Owns no records."""

from typing import ClassVar

from trainwatch.layout import Layout
from trainwatch.paint import Row
from trainwatch.panes.footer import line_of
from trainwatch.panes.header import paint_header
from trainwatch.panes.page import arrange_page
from trainwatch.screens.filter import FilterScreen
from trainwatch.screens.run_page import RunPage


class PageScreen(RunPage, FilterScreen):
    """Subclasses name their table of actions, paint `body` (and `detail`), and do what only they can."""

    PANE_NAMES = ("header", "body", "detail", "status", "keys")
    HAS_DETAIL: ClassVar[bool] = False
    FIRST_TO_GO: ClassVar[tuple[str, ...]] = ("theme",)
    """Names of actions in the order in which a narrow line loses their keys."""

    def paint_body(self, width: int, height: int) -> list[Row]:
        """Rows of exactly width × height."""
        raise NotImplementedError

    def paint_detail(self, width: int, height: int) -> list[Row]:
        raise NotImplementedError

    def do_here(self, action: str) -> None:
        """Do what the page alone can."""
        raise NotImplementedError

    def go_back(self) -> None:
        self.app.pop_screen()

    def filtered(self, text: str) -> str:  # noqa: ARG002
        return ""

    # --- painting ---------------------------------------------------------------------------------------------------

    def arranged(self, width: int, height: int) -> Layout:
        return arrange_page(width, height, has_detail=self.HAS_DETAIL)

    def paint(self, name: str, width: int, height: int) -> list[Row]:
        store, view = self.front.store, self.front.view
        match name:
            case "header":
                return paint_header(store, width, height, view.now, view.colour, is_past=bool(view.as_of))
            case "body":
                return self.paint_body(width, height)
            case "detail":
                return self.paint_detail(width, height)
            case "status":
                return self.paint_status(width)
            case _:
                return line_of(self.rows, width, self.FIRST_TO_GO, self.refusal_of)

    def _look(self) -> None:
        seen = self.seen()
        if seen != self._seen:
            self._seen = seen
            self.renewed()
            self.repaint()

    def seen(self) -> tuple[object, ...]:
        """What decides whether there is anything new to show."""
        return (self.front.store.revision, self.front.view.notice, self.front.view.trouble)

    def renewed(self) -> None:
        """The run's page has read something new."""

    # --- keys -------------------------------------------------------------------------------------------------------

    def do(self, action: str) -> None:
        row = next((each for each in self.rows if each.name == action), None)
        if row is None:
            return
        if reason := self.refusal_of(row):
            self.say(reason)
            return
        self.front.view.notice = self.pointed = ""
        match action:
            case "back":
                self.go_back()
            case "theme" | "help" | "quit":
                self.do_anywhere(action)
            case _:
                self.do_here(action)
        self.repaint()
