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
from trainwatch.lens import ZOOM, zoomed
from trainwatch.metric import Lines, marked_words
from trainwatch.paint import Row
from trainwatch.panes import hints
from trainwatch.panes.footer import line_of
from trainwatch.panes.gallery import paint_gallery_chart, paint_gallery_header, paint_gallery_status
from trainwatch.remote.run import lag, place_of, trouble
from trainwatch.screens.ask import Help
from trainwatch.screens.filter import FilterScreen
from trainwatch.screens.panes import dragged, looked
from trainwatch.screens.travel import TravelScreen
from trainwatch.travel.past import Past, Playhead, read_tape
from trainwatch.travel.tape import Tape
from trainwatch.widgets.pane import Pane

if TYPE_CHECKING:
    from trainwatch.app import TrainwatchApp

FRAME_S = 0.5
POLL_S = 1.0
STILL_POLL_S = 15.0
_LENS_NAMES = {action.name for action in CHART_ACTIONS}
_WAYS = ("faster", "play", "go-to", "later", "now", "earlier")
_LOOKS_FIRST = (
    "theme", "events", "page-down", "cursor-right", "outliers", "follow", "pan-right", "next", "log", "smoother",
    "x-axis", "fit", "zoom-in", "filter",
)  # fmt: skip


class GalleryScreen(FilterScreen, TravelScreen):
    """Owns a store of its own, with every column: the run's own page does with a few. Goes back in the run like it."""

    PANE_NAMES = ("header", *(f"chart-{number}" for number in range(MOST_CHARTS)), "status", "keys")
    CHART_PANES = frozenset(f"chart-{number}" for number in range(MOST_CHARTS))
    HINTS = hints.METRICS
    SCREEN = "metrics"
    STAYS = "the run goes on"

    def __init__(self, run: RunDir, metric: str = "", as_of: float | None = None) -> None:
        """`metric` stands alone at first; `as_of`: the time at which the run is to be shown, instead of now."""
        super().__init__(run, read_opened(run))
        self._live_lines = Lines(self.live)
        self.gallery = Gallery(self._live_lines, chosen=metric, alone=bool(metric))
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
                words, past = self.pointed or self.gallery.chosen, self.place_in_past(time.time())
                return paint_gallery_status(self.gallery, width, self.notice, words, trouble(run) or lag(run), past)
            case "keys":
                is_past = self.playhead is not None
                return line_of(self.rows, width, (*_LOOKS_FIRST, *_WAYS) if is_past else (*_WAYS, *_LOOKS_FIRST))
            case _:
                return paint_gallery_chart(self.gallery, _number_of(name), self.page_size, width, height)

    # --- following --------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self.place_panes()
        self.run_worker(self._follow(), name="follow", exit_on_error=True)
        if self._as_of is not None:
            self.run_worker(self._show_past(self._as_of), name="past", exit_on_error=True)

    async def _show_past(self, at: float) -> None:
        """The run as it stood where its own page stands."""
        try:
            tape = await asyncio.to_thread(self.read_tape)
        except OSError as error:
            self.say(f"cannot read the run: {error}")
            return
        self.playhead = Playhead(Past(self.live.run, self.live.opened, tape))
        self.stand(at)

    def read_tape(self) -> Tape:
        return read_tape(self.live.run, STEP_FIELDS, whole_machine=True)

    def repaint(self) -> None:
        """Of the store that is shown: going back in the run makes another."""
        shown = self.gallery.lines
        if shown.store is not self.store:
            self.gallery.lines = self._live_lines if self.store is self.live else Lines(self.store)
            if shown is not self._live_lines:
                shown.let_go()
        super().repaint()

    def on_unmount(self) -> None:
        self._feed.close()
        self.gallery.lines.let_go()
        self._live_lines.let_go()  # the screen itself waits for a collection of garbage, which may be long in coming

    async def _follow(self) -> None:
        """Ask for a batch, apply it, paint, wait. The next is asked for only when the last was applied."""
        store = self.live
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
        self.notice = self.pointed = ""
        if action in _LENS_NAMES:
            gallery.lens, self.notice = looked(action, gallery.lens, gallery.whole)
        else:
            self._do_other(action)
        self.repaint()

    def _do_other(self, action: str) -> None:
        gallery = self.gallery
        match action:
            case "open":
                gallery.alone = not gallery.alone
            case "next" | "previous" | "page-down" | "page-up":
                by = 1 if action in ("next", "previous") else self.page_size
                if not gallery.move(by if action in ("next", "page-down") else -by):
                    self.notice = (
                        "that is the last chart" if action in ("next", "page-down") else "that is the first chart"
                    )
            case "filter":
                self.open_filter(gallery.text, "loss  eval/  -system")
            case "events":
                gallery.shows_events = not gallery.shows_events
            case "theme":
                cast("TrainwatchApp", self.app).next_theme()
            case "back":
                self._go_back()
            case "help":
                self.app.push_screen(Help(self.rows, (("ctrl+p", "palette", "every action by name"),)))
            case _:
                self.app.exit()
        self.place_panes()

    def _go_back(self) -> None:
        self.let_go()
        if self.gallery.back():
            return
        if self.playhead is not None and self._as_of is None:
            self.leave_past()
        else:
            self.app.pop_screen()

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
    def seen_share(self) -> float:
        seen, whole = self.gallery.lens.seen, self.gallery.whole
        return seen.length / whole.length if seen is not None and whole is not None and whole.length > 0 else 1.0

    def action_scroll_pane(self, lines: int) -> None:  # noqa: ARG002 - what the key that comes back does when this is now
        self.say("this is now")

    def say(self, notice: str) -> None:
        self.notice = notice
        self.repaint()


def _number_of(pane: str) -> int:
    return int(pane.removeprefix("chart-"))
