"""The machine of a run: GPUs, host, and their past. Follows the run by a feed of its own; writes nothing."""

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from rundir.series import STEP_FIELDS
from trainwatch.actions import CHART_ACTIONS
from trainwatch.export.sheet import Sheet, sheet_of
from trainwatch.feed import Feed
from trainwatch.layout import Layout
from trainwatch.lens import ZOOM, Lens, XAxis, zoomed
from trainwatch.metric import Line
from trainwatch.paint import Row, fit_row
from trainwatch.panes import hints
from trainwatch.panes.chart import Chart, Scales, paint_chart
from trainwatch.panes.footer import line_of
from trainwatch.panes.header import paint_header
from trainwatch.panes.machine import MOST_CHARTS, NARROW, arrange_machine, machine_charts, now_lines, paint_now
from trainwatch.remote.run import RemoteRun, lag
from trainwatch.screens.panes import dragged, looked
from trainwatch.screens.run_page import RunPage
from trainwatch.store import Store
from trainwatch.travel.past import Past
from trainwatch.travel.whole import last_sample, stand
from trainwatch.waiting import Waiting
from trainwatch.widgets.pane import Pane

if TYPE_CHECKING:
    from trainwatch.screens.run import RunScreen

FRAME_S = 0.5
POLL_S = 1.0
STILL_POLL_S = 15.0
_LENS_NAMES = {action.name for action in CHART_ACTIONS}
_SCROLLS = {"down": 1, "up": -1}
_FIRST_TO_GO = (
    "theme", "cursor-right", "smoother", "outliers", "log", "pan-right", "fit", "zoom-in", "follow", "next-gpu", "down",
)  # fmt: skip


class SystemScreen(RunPage):
    """Owns a store of its own, with every column of the machine: the run's page does with its memory."""

    PANE_NAMES = ("header", "now", *(f"chart-{number}" for number in range(MOST_CHARTS)), "status", "keys")
    CHART_PANES = frozenset(f"chart-{number}" for number in range(MOST_CHARTS))
    HINTS = hints.MACHINE
    SCREEN = "system"

    def __init__(self, front: "RunScreen") -> None:
        super().__init__(front)
        self._feed = Feed(front.store.run, STEP_FIELDS, whole_machine=True)
        self._take(Store(front.store.run, front.store.opened))
        self._lens = Lens()
        self._scales: dict[str, Scales] = {}
        self._scroll = 0
        self._first = 0
        """Which chart is the first on the page."""
        self.gpu = 0
        """The place of the chosen one among those of the machine."""

    def _take(self, store: Store) -> None:
        self._own, self._waiting = store, Waiting(store)

    @property
    def store(self) -> Store:
        return self._own

    # --- painting ---------------------------------------------------------------------------------------------------

    @property
    def _gpu_index(self) -> int:
        gpus = self._own.machine.gpus if self._own.machine is not None else []
        return gpus[self.gpu % len(gpus)].index if gpus else 0

    @property
    def _now(self) -> float:
        """By the clock of the machine that is shown, as of its last answer; in the past the time that is shown."""
        if self.front.as_of is not None:
            return self.front.as_of
        run = self._own.run
        return run.mirror.contact.far_now if isinstance(run, RemoteRun) else time.time()

    @property
    def _charts(self) -> list[Chart]:
        return machine_charts(self._own, self._waiting, self._gpu_index)

    @property
    def _page_size(self) -> int:
        return sum(name.startswith("chart-") for name in self.places)

    def _lines(self, width: int) -> list[Row]:
        return now_lines(self._own, self._waiting.newest(), self._gpu_index, max(20, width - 3))

    def arranged(self, width: int, height: int) -> Layout:
        return arrange_machine(width, height, len(self._lines(width)))

    def paint(self, name: str, width: int, height: int) -> list[Row]:
        view = self.front.view
        match name:
            case "header":
                return paint_header(self._own, width, height, view.now, view.colour, is_past=bool(view.as_of))
            case "now":
                lines = self._lines(width)
                self._scroll = min(self._scroll, max(0, len(lines) - max(0, height - 2)))
                return paint_now(lines, self._own, width, height, self._now, self._scroll)
            case "status":
                return self.paint_status(width)
            case "keys":
                return line_of(self.rows, width, _FIRST_TO_GO)
            case _:
                return self._paint_chart(self._first + int(name.removeprefix("chart-")), width, height)

    def _paint_chart(self, number: int, width: int, height: int) -> list[Row]:
        charts = self._charts
        if number >= len(charts):
            return [fit_row([], width)] * height
        chart = charts[number]
        if width < NARROW:
            chart = replace(chart, note=[(text.rstrip(), style) for text, style in chart.note[:1]])
        rows, self._scales[chart.title] = paint_chart(
            chart, width, height, self._scales.get(chart.title, Scales()), self._lens
        )
        return rows

    def data(self) -> Sheet:
        """The charts on the page, over UTC seconds."""
        charts = self._charts[self._first : self._first + self._page_size]
        curves = {chart.title: Line(chart.x, chart.column) for chart in charts if chart.column is not None}
        whole = next((scales.whole for scales in self._scales.values() if scales.whole is not None), None)
        seen = self._lens.over(whole) if whole is not None and self._lens.seen is not None else None
        return sheet_of(curves, XAxis.TIME, seen)

    # --- following --------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        follow = self._follow() if self.front.playhead is None else self.follow_past(self._own, self._show_past)
        self.run_worker(follow, name="follow", exit_on_error=True)

    def on_unmount(self) -> None:
        self._feed.close()
        self._own.let_go()

    async def _follow(self) -> None:
        """Ask for a batch, apply it, paint, wait. The next is asked for only when the last was applied."""
        while True:
            batch = await asyncio.to_thread(self._feed.polled)
            if isinstance(batch, OSError):
                self.say(f"cannot read the run: {batch}")
            else:
                self._own.apply(batch)
            is_at_end = isinstance(batch, OSError) or batch.at_end
            if is_at_end or time.monotonic() - self.painted_at > FRAME_S:
                self.place_panes()
                self.repaint()
            if is_at_end:
                await asyncio.sleep(STILL_POLL_S if self._own.is_still and not lag(self._own.run) else POLL_S)

    async def _show_past(self, past: Past, at: float) -> None:
        store = stand(past, at, await asyncio.to_thread(last_sample, self._own.run, at))
        if store is not self._own:
            self._take(store)
        self.place_panes()

    # --- keys and pointer -------------------------------------------------------------------------------------------

    def do(self, action: str) -> None:
        self.front.view.notice = self.pointed = ""
        if action in _LENS_NAMES:
            whole = next((scales.whole for scales in self._scales.values() if scales.whole is not None), None)
            self._lens, self.front.view.notice = looked(action, self._lens, whole)
        elif action in _SCROLLS:
            self._scroll = max(0, self._scroll + _SCROLLS[action])
        else:
            self._do_other(action)
        self.repaint()

    def _do_other(self, action: str) -> None:
        match action:
            case "next-gpu":
                self.gpu += 1
            case "page-down" | "page-up":
                step = self._page_size if action == "page-down" else -self._page_size
                self._first = max(0, min(self._first + step, len(self._charts) - 1))
            case "back" if self._lens.marked is not None:
                self.let_go()
                self._lens = replace(self._lens, marked=None)
            case "back" if self._lens != Lens():
                self._lens = Lens()
            case "back":
                self.app.pop_screen()
            case _:
                self.do_anywhere(action)

    def _scales_of(self, pane: str) -> Scales | None:
        number = self._first + int(pane.removeprefix("chart-")) if pane.startswith("chart-") else -1
        charts = self._charts
        return self._scales.get(charts[number].title) if 0 <= number < len(charts) else None

    def on_pane_scrolled(self, message: Pane.Scrolled) -> None:
        scales = self._scales_of(message.pane)
        if scales is not None and scales.whole is not None:
            at = scales.at(message.x, self.places[message.pane].width)
            self._lens = zoomed(self._lens, scales.whole, 1 / ZOOM if message.lines > 0 else ZOOM, at)
        elif message.pane == "now":
            self._scroll = max(0, self._scroll - message.lines)
        self.repaint()

    def on_pane_pointed(self, message: Pane.Pointed) -> None:
        """The crosshair stands in all charts where the pointer is in one."""
        scales = self._scales_of(message.pane)
        at = scales.at(message.x, self.places[message.pane].width) if scales is not None else None
        if at != self._lens.cursor:
            self._lens = replace(self._lens, cursor=at)
            self.repaint()

    def on_pane_dragged(self, message: Pane.Dragged) -> None:
        """A stretch of the axis is chosen, in all charts, and seen alone once the button is let go."""
        scales = self._scales_of(message.pane)
        if scales is not None and scales.whole is not None:
            self._lens = dragged(self._lens, scales.whole, message, scales, self.places[message.pane].width)
            self.repaint()
