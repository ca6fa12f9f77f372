"""All metrics of one run: follows it, turns keys into looks. Decides nothing by itself and writes nothing."""

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from rundir.layout import RunDir
from rundir.series import STEP_FIELDS
from trainwatch.actions import CHART_ACTIONS
from trainwatch.export.reading import reading_of
from trainwatch.export.sheet import Table, sheet_of_run
from trainwatch.feed import Feed, read_opened
from trainwatch.gallery import MOST_CHARTS, Gallery, arrange_gallery
from trainwatch.layout import Layout
from trainwatch.lens import ZOOM, after, zoomed
from trainwatch.metric import Lines, marked_words
from trainwatch.paint import Row
from trainwatch.panes import hints
from trainwatch.panes.footer import line_of
from trainwatch.panes.gallery import paint_gallery_chart, paint_gallery_header, paint_gallery_status
from trainwatch.remote.run import lag, place_of, trouble
from trainwatch.screens.ask import Help
from trainwatch.screens.filter import FilterScreen
from trainwatch.screens.panes import dragged
from trainwatch.store import Store
from trainwatch.travel.past import Past, read_tape
from trainwatch.travel.target import place_words
from trainwatch.widgets.pane import Pane

if TYPE_CHECKING:
    from trainwatch.app import TrainwatchApp

FRAME_S = 0.5
POLL_S = 1.0
STILL_POLL_S = 15.0
_LENS_NAMES = {action.name for action in CHART_ACTIONS}
_FIRST_TO_GO = (
    "theme", "events", "page-down", "cursor-right", "outliers", "follow", "pan-right", "next", "log", "smoother",
    "x-axis", "fit", "zoom-in", "filter",
)  # fmt: skip


class GalleryScreen(FilterScreen):
    """Owns a store of its own, with every column: the run's own page does with a few."""

    PANE_NAMES = ("header", *(f"chart-{number}" for number in range(MOST_CHARTS)), "status", "keys")
    CHART_PANES = frozenset(f"chart-{number}" for number in range(MOST_CHARTS))
    HINTS = hints.METRICS
    SCREEN = "metrics"
    STAYS = "the run goes on"

    def __init__(self, run: RunDir, metric: str = "", as_of: float | None = None) -> None:
        """`metric` stands alone at first; `as_of`: the time at which the run is to be shown, instead of now."""
        super().__init__()
        self.gallery = Gallery(Lines(Store(run, read_opened(run))), chosen=metric, alone=bool(metric))
        self.notice = ""
        self.pointed = ""
        self._feed = Feed(run, STEP_FIELDS, whole_machine=True)
        self._as_of = as_of

    # --- painting ---------------------------------------------------------------------------------------------------

    def arranged(self, width: int, height: int) -> Layout:
        return arrange_gallery(width, height, alone=self.gallery.alone)

    @property
    def page_size(self) -> int:
        return max(1, sum(name.startswith("chart-") for name in self.places))

    def paint(self, name: str, width: int, height: int) -> list[Row]:
        match name:
            case "header":
                return paint_gallery_header(self.gallery, self.page_size, width)
            case "status":
                run = self.gallery.lines.store.run
                words = self.pointed or self.gallery.chosen
                return paint_gallery_status(self.gallery, width, self.notice, words, trouble(run) or lag(run))
            case "keys":
                return line_of(self.rows, width, _FIRST_TO_GO)
            case _:
                return paint_gallery_chart(self.gallery, _number_of(name), self.page_size, width, height)

    # --- following --------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self.place_panes()
        follow = self._follow() if self._as_of is None else self._show_past(self._as_of)
        self.run_worker(follow, name="follow", exit_on_error=True)

    async def _show_past(self, at: float) -> None:
        """The run as it stood at a time, once."""
        run, opened = self.gallery.lines.store.run, self.gallery.lines.store.opened
        try:
            past = await asyncio.to_thread(lambda: Past(run, opened, read_tape(run, STEP_FIELDS, whole_machine=True)))
        except OSError as error:
            self.say(f"cannot read the run: {error}")
            return
        self.gallery.lines = Lines(past.seek(at))
        self.say(place_words(past.store, past.tape, at, time.time()))

    def on_unmount(self) -> None:
        self._feed.close()
        self.gallery.lines.let_go()  # the screen itself waits for a collection of garbage, which may be long in coming

    async def _follow(self) -> None:
        """Ask for a batch, apply it, paint, wait. The next is asked for only when the last was applied."""
        store = self.gallery.lines.store
        while True:
            batch = await asyncio.to_thread(self._feed.polled)
            if isinstance(batch, OSError):
                self.notice = f"cannot read the run: {batch}"
            else:
                store.apply(batch)
            is_at_end = isinstance(batch, OSError) or batch.at_end
            if is_at_end or time.monotonic() - self.painted_at > FRAME_S:
                self.repaint()
            if is_at_end:
                is_still = store.is_still and not (trouble(store.run) or lag(store.run))
                await asyncio.sleep(STILL_POLL_S if is_still else POLL_S)

    # --- keys and pointer -------------------------------------------------------------------------------------------

    def do(self, action: str) -> None:
        gallery = self.gallery
        self.pointed = ""
        if self._as_of is None:  # else it says of when this is
            self.notice = ""
        if action in _LENS_NAMES:
            if gallery.whole is not None:
                gallery.lens = after(action, gallery.lens, gallery.whole)
        else:
            self._do_other(action)
        self.repaint()

    def _do_other(self, action: str) -> None:
        gallery = self.gallery
        match action:
            case "open":
                gallery.alone = not gallery.alone
            case "next" | "previous":
                gallery.move(1 if action == "next" else -1)
            case "page-down" | "page-up":
                gallery.move(self.page_size if action == "page-down" else -self.page_size)
            case "filter":
                self.open_filter(gallery.text, "loss  eval/  -system")
            case "events":
                gallery.shows_events = not gallery.shows_events
            case "theme":
                cast("TrainwatchApp", self.app).next_theme()
            case "back":
                self.let_go()
                if not gallery.back():
                    self.app.pop_screen()
            case "help":
                self.app.push_screen(Help(self.rows, (("ctrl+p", "palette", "every action by name"),)))
            case _:
                self.app.exit()
        self.place_panes()

    def filtered(self, text: str) -> str:
        self.gallery.text = text
        return "" if self.gallery.names else "no metric passes"

    def on_pane_chosen(self, message: Pane.Chosen) -> None:
        if (name := self._name_of(message.pane)) is not None:
            self.gallery.chosen = name
            if message.count == 2:
                self.gallery.alone = not self.gallery.alone
                self.place_panes()
            self.repaint()

    def on_pane_scrolled(self, message: Pane.Scrolled) -> None:
        name = self._name_of(message.pane)
        whole = self.gallery.whole
        if name is not None and whole is not None:
            at = self._place_of(message.pane, name, message.x)
            factor = 1 / ZOOM if message.lines > 0 else ZOOM
            self.gallery.lens = zoomed(self.gallery.lens, whole, factor, at)
            self.repaint()

    def on_pane_pointed(self, message: Pane.Pointed) -> None:
        """The crosshair stands in all charts where the pointer is in one."""
        name = self._name_of(message.pane)
        at = self._place_of(message.pane, name, message.x) if name is not None else None
        pointed = f"{name}; {hints.CHART}" if name is not None else self.hint(message.pane, message.x)
        if at != self.gallery.lens.cursor or pointed != self.pointed:
            self.gallery.lens, self.pointed = replace(self.gallery.lens, cursor=at), pointed
            self.repaint()

    def on_pane_dragged(self, message: Pane.Dragged) -> None:
        """A stretch of the axis is chosen, in all charts, and seen alone once the button is let go."""
        gallery, name = self.gallery, self._name_of(message.pane)
        scales, place = gallery.scales.get(name or ""), self.places.get(message.pane)
        if scales is not None and place is not None and gallery.whole is not None:
            gallery.lens = dragged(gallery.lens, gallery.whole, message, scales, place.width)
            self.pointed = marked_words(gallery.lens) or name or ""
            self.repaint()

    def _place_of(self, pane: str, name: str, x: int) -> float | None:
        scales = self.gallery.scales.get(name)
        return scales.at(x, self.places[pane].width) if scales is not None and pane in self.places else None

    def _name_of(self, pane: str) -> str | None:
        """The metric in a pane."""
        if not pane.startswith("chart-"):
            return None
        page = [self.gallery.chosen] if self.gallery.alone else self.gallery.page(self.page_size)
        number = _number_of(pane)
        return page[number] if number < len(page) and page[number] else None

    def data(self) -> Table:
        gallery = self.gallery
        names = [gallery.chosen] if gallery.alone else gallery.page(self.page_size)
        seen = gallery.lens.over(gallery.whole) if gallery.whole is not None and gallery.lens.seen is not None else None
        return sheet_of_run(gallery.lines, names, gallery.lens.axis, seen)

    def copied(self) -> str:
        gallery = self.gallery
        names = [gallery.chosen] if gallery.alone else gallery.page(self.page_size)
        return reading_of(gallery.lines, names, gallery.lens) or place_of(gallery.lines.store.run)

    @property
    def subject(self) -> str:
        return self.gallery.lines.store.run.id

    def say(self, notice: str) -> None:
        self.notice = notice
        self.repaint()


def _number_of(pane: str) -> int:
    return int(pane.removeprefix("chart-"))
