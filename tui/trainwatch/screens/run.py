"""One run's dashboard: places the panes, follows the feed, turns keys into orders. Decides nothing by itself."""

import asyncio
import contextlib
import gc
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import Binding, BindingType

from rundir.layout import RunDir
from trainwatch.actions import CHART_ACTIONS, PANES, Action, for_key, refusal
from trainwatch.bystander import Bystander
from trainwatch.dashboard import PANE_NAMES, SCROLLING, View, paint_pane, scroll_limit, situation
from trainwatch.feed import Batch, Feed, read_opened
from trainwatch.layout import Layout
from trainwatch.lens import ZOOM, Extent, words, zoomed
from trainwatch.metric import marked_words
from trainwatch.paint import Row, fit_row
from trainwatch.panes import hints
from trainwatch.panes.chart import WHOLE
from trainwatch.panes.charts import CHARTS, series_of
from trainwatch.remote.run import RemoteRun, lag, opened, released, trouble
from trainwatch.screens.ask import Help
from trainwatch.screens.orders import OrderScreen
from trainwatch.screens.pages import OF_RUNS, OF_THEN, PAGES
from trainwatch.screens.panes import Command, dragged, looked
from trainwatch.store import Answer
from trainwatch.widgets.pane import Pane

if TYPE_CHECKING:
    from trainwatch.app import TrainwatchApp
    from trainwatch.checkpoints.row import Check

FRAME_S = 0.5
"""Between two paintings of a live run."""
HASTY_FRAME_S = 0.1
"""While an order waits for its outcome, or the rules that run here are behind."""
POLL_S = 1.0
"""Between two looks at a run that moves, when no file event came: its heartbeats are judged by the clock."""
STILL_POLL_S = 15.0
"""The same for a run that does not move: a newer one may have begun."""
BLIND_POLL_S = 3.0
"""The same where the system gives no file events."""
_LOOKS = {action.name for action in CHART_ACTIONS}
_UNREADABLE = "cannot read the run"


class RunScreen(OrderScreen):
    """Owns the store of one run; all else is read from it."""

    PANE_NAMES = PANE_NAMES
    CHART_PANES = frozenset(CHARTS)
    HINTS = hints.RUN
    SCREEN = "run"
    STAYS = "the run goes on"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(number), f"choose('{name}')", show=False) for number, name in PANES.items()),
        *(
            Binding(key, f"scroll_pane({lines})", show=False)
            for key, lines in (("up", 1), ("down", -1), ("pageup", 10), ("pagedown", -10))
        ),
    ]

    def __init__(
        self, run: RunDir, *, read_only: bool = False, colour: str = "", has_table: bool = False, replay: int = 0,
        feed: Feed | None = None,
    ) -> None:  # fmt: skip
        """`colour`: of a marked run; `has_table`: whether there is one below it; `replay`: played so fast.

        `feed`: of the run, where it was begun already.
        """
        run = opened(run)
        super().__init__(run, read_opened(run), replay)
        self.actions = tuple(row for row in self.rows if row.name not in _LOOKS)
        """The rows that are not looks at the charts."""
        self._is_above_table = has_table
        is_here = not isinstance(run, RemoteRun) and not self.live.opened.source
        self.view = View(
            read_only=read_only, now=time.time(), colour=colour, has_table=has_table or is_here, actions=self.actions
        )
        self.checks: dict[tuple[str, float | None], Check] = {}
        """Of its checkpoints those that were verified since it was opened."""
        self._feed = feed or Feed(run, bystander=Bystander(run))
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()

    def arranged(self, width: int, height: int) -> Layout:
        places = self.view.layout(width, height, self.store.absent)
        self.view.quit_key = self.key_of("quit") if "keys" not in places else ""
        return places

    def paint(self, name: str, width: int, height: int) -> list[Row]:
        if not self.store.revision and name != "status":
            return [fit_row([], width)] * height  # empty frames, soon overwritten, would only cost time and bytes
        return paint_pane(name, self.store, self.view, width, height)

    def on_mount(self) -> None:
        self.place_panes()
        self.run_worker(self._follow(), name="follow", exit_on_error=True)
        self.begin_replay()

    def _leave(self) -> None:
        """For good, though the screen stays below the table: the run is followed no more."""
        self.workers.cancel_node(self)
        self.on_unmount()

    def on_unmount(self) -> None:
        self._feed.close()
        released(self.live.run)
        if self.view.has_table:  # there is more to come in this program
            self.view.lines_of(self.live).let_go()
            self.view.lines_of(self.store).let_go()

    def repaint(self) -> None:
        now = time.time()
        self.view.now, self.view.as_of = self.playhead.at if self.playhead else now, self.place_in_past(now)
        self.view.trouble = trouble(self.store.run) or lag(self.store.run)
        if self.store.opened.source and self.is_mounted:  # what it has not recorded is known once it was read
            self.place_panes()
        super().repaint()

    # --- following --------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Ask for a batch, apply it, paint, wait. The next is asked for only when the last was applied."""
        await self._read_to_end()
        await self._read_to_end()  # once more: a long log that was read is mapped from its index now, and memory let go
        if not gc.isenabled():  # `cli` held collection back while the run was read; what was read stays
            gc.freeze()
            gc.enable()
        # Only now: the first picture does not wait for this import.
        from trainwatch.wake import Watch, set_soon

        loop = asyncio.get_running_loop()
        with Watch(self.live.run.path, lambda: set_soon(loop, self._wake)) as watch:
            while True:
                await self._wait(has_events=watch.works)
                await self._read_to_end()

    async def _read_to_end(self) -> None:
        while not self._apply(await asyncio.to_thread(self._feed.polled)):
            if time.monotonic() - self.painted_at > FRAME_S:
                self.repaint()
        self.repaint()

    def _apply(self, polled: Batch | OSError) -> bool:
        """Whether the end of the files is reached."""
        if isinstance(polled, OSError):
            self.view.notice = f"{_UNREADABLE}: {polled}"
            return True
        if self.view.notice.startswith(_UNREADABLE):
            self.view.notice = ""
        self.live.apply(polled)
        self.say_answers()
        self.tell_news()
        return polled.at_end

    async def _wait(self, *, has_events: bool) -> None:
        """Until a file changed, or until the clock alone may have changed the picture; then for the next frame."""
        waits = any(o.answer(time.time()) is Answer.PENDING for o in self.live.orders.values())
        is_behind = self.live.findings.is_behind
        moves = waits or not self.live.is_still or bool(self.view.trouble)
        timeout_s = 0.0 if is_behind else POLL_S if moves else STILL_POLL_S if has_events else BLIND_POLL_S
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), timeout_s)
        frame_s = HASTY_FRAME_S if waits or is_behind else FRAME_S
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), max(0.0, self.painted_at + frame_s - time.monotonic()))
        self._wake.clear()
        self._hurry.clear()

    # --- keys -------------------------------------------------------------------------------------------------------

    def action_press(self, name: str) -> None:
        """The key of an action: of several that have it, the one that is possible now."""
        if name in _LOOKS:
            self.action_look(name)
        else:
            self.choose(self._row_on(self.key_of(name)).name)

    def _row_on(self, key: str) -> Action:
        return for_key(key, situation(self.store, self.view), self.actions)

    def action_under(self, x: int) -> Action | None:
        row = super().action_under(x)
        return None if row is None else self._row_on(row.key)

    def commands(self) -> Iterable[Command]:
        now = situation(self.store, self.view)
        yield from (Command(a.label or a.name, a.help, a.name, refusal(a, now)) for a in self.actions)
        yield from (Command(f"pane {name}", "choose this pane", f"pane {name}") for name in PANES.values())

    def do(self, action: str) -> None:
        if action.startswith("pane "):
            self.action_choose(action.removeprefix("pane "))
        else:
            self.act(next(each for each in self.actions if each.name == action))

    def act(self, action: Action) -> None:
        """Do what a row of the table says, or say why not."""
        if reason := refusal(action, situation(self.store, self.view)):
            self.say(reason)
            return
        self.view.notice = self.view.pointed = ""
        match action.name:
            case "zoom":
                self.view.zoomed = not self.view.zoomed
                self.place_panes()
            case "next":
                names = [name for name in PANES.values() if name not in self.store.absent]
                at = names.index(self.view.chosen) if self.view.chosen in names else 0
                self.action_choose(names[(at + 1) % len(names)])
            case "help":
                self.app.push_screen(Help(self.rows, _MORE_KEYS))
            case "back":
                self._back()
            case "alone":
                self._open_page(self.view.chosen)
            case name if name in PAGES or name in ("grid", "alert"):
                self._open_page(name)
            case "theme":
                cast("TrainwatchApp", self.app).next_theme()
            case "quit":
                self.app.exit()
            case _:
                self.ask(action)

    def hasten(self) -> None:
        self._wake.set()
        self._hurry.set()

    def action_choose(self, name: str) -> None:
        if name in self.store.absent:
            self.say(f"{name}: {self._has_none}")
            return
        self.view.chosen = name
        self.place_panes()
        self.repaint()

    def on_pane_chosen(self, message: Pane.Chosen) -> None:
        if message.pane in PANES.values():
            self.action_choose(message.pane)
            if message.count == 2 and message.pane in PAGES:
                self._open_page(message.pane)
        elif message.pane in CHARTS and message.count == 2:
            self._open_gallery(series_of(message.pane, self.store))

    def on_pane_scrolled(self, message: Pane.Scrolled) -> None:
        scales = self.view.scales.get(message.pane)
        whole = self._whole
        if scales is None or whole is None:
            self._scroll(message.pane, message.lines)
            return
        around = scales.at(message.x, self.places[message.pane].width) if self._is_by_step(message.pane) else None
        self.view.lens = zoomed(self.view.lens, whole, 1 / ZOOM if message.lines > 0 else ZOOM, around)
        self.repaint()

    def on_pane_dragged(self, message: Pane.Dragged) -> None:
        """A stretch of the axis is chosen, in all charts, and seen alone once the button is let go."""
        if not self._is_by_step(message.pane):  # it is so from the next painting on
            self.view.lens = replace(self.view.lens, marked=self._whole)
            self.repaint()
        if self._whole is not None:
            width = self.places[message.pane].width
            self.view.lens = dragged(self.view.lens, self._whole, message, self.view.scales[message.pane], width)
            self.view.pointed = marked_words(self.view.lens) or self.hint(message.pane, message.x)
            self.repaint()

    def on_pane_pointed(self, message: Pane.Pointed) -> None:
        """The crosshair stands in all charts where the pointer is in one; the footer says what it is on."""
        scales, cursor = self.view.scales.get(message.pane), None
        if scales is not None and self._is_by_step(message.pane):
            cursor = scales.at(message.x, self.places[message.pane].width)
        pointed = self.hint(message.pane, message.x)
        if cursor != self.view.lens.cursor or pointed != self.view.pointed:
            self.view.lens, self.view.pointed = replace(self.view.lens, cursor=cursor), pointed
            self.repaint()

    def _is_by_step(self, pane: str) -> bool:
        """Memory by itself has an axis of time."""
        return pane != "memory" or self.view.is_by_step

    @property
    def _whole(self) -> Extent | None:
        scales = self.view.scales.get("loss")
        return scales.whole if scales is not None else None

    def action_look(self, name: str) -> None:
        """Look at the charts another way."""
        self.view.lens, self.view.notice = looked(name, self.view.lens, self._whole)
        if (look := words(self.view.lens)) and not self.view.notice:
            self.view.notice = f"charts: {look}"
        self.repaint()

    @property
    def _has_none(self) -> str:
        return f"{self.store.opened.source} has none; what it recorded is on this page"

    def _open_page(self, name: str) -> None:
        """The full page of a pane, or of an action; the loss alone where there is none."""
        if self.store.opened.source and (name in OF_RUNS or name in self.store.absent):
            self.say(f"{name}: {self._has_none}")
            return
        if name in PAGES and self.playhead is not None and name not in OF_THEN:
            self.say(f"the page {name} shows now alone; come back from the past first")
        elif name in PAGES:
            self.app.push_screen(PAGES[name](self))
        elif name == "alert":
            self._open_alert()
        else:
            self._open_gallery("" if name == "grid" else "loss")

    def _open_alert(self) -> None:
        """The gravest one that is open."""
        gravest = next(iter(self.store.active_alerts), None)
        if gravest is None:
            self.say("no alert is open; 3 and Enter list those that are over")
            return
        from trainwatch.screens.evidence import EvidenceScreen  # most never do

        self.app.push_screen(EvidenceScreen(self, gravest))

    def _open_gallery(self, metric: str = "") -> None:
        cast("TrainwatchApp", self.app).open_gallery(self.store.run, metric, self.as_of)

    def _back(self) -> None:
        if self.playhead is not None:
            self.leave_past()
        elif self.view.lens.marked is not None:
            self.let_go()
            self.view.lens = replace(self.view.lens, marked=None)
            self.repaint()
        elif self.view.lens != WHOLE:
            self.view.lens = WHOLE
            self.repaint()
        elif self._is_above_table:
            self.app.pop_screen()
        elif cast("TrainwatchApp", self.app).open_table_beside(self.live.run):
            self._leave()
        else:
            self.say(f"there is no table of runs to go back to; {self.quit_hint}")

    def action_scroll_pane(self, lines: int) -> None:
        self._scroll(self.view.chosen, lines)

    def _scroll(self, pane: str, lines: int) -> None:
        """Up is positive: further back in the console, towards the head of every other pane."""
        lines = lines if pane == "console" else -lines
        width, height = self.query_one(f"#{pane}").size if pane in SCROLLING else (0, 0)
        limit = scroll_limit(pane, self.store, width, height)
        self.view.scroll[pane] = min(max(0, self.view.scroll.get(pane, 0) + lines), limit)
        self.repaint()

    def say(self, notice: str) -> None:
        self.view.notice = notice
        self.repaint()


_MORE_KEYS = (
    ("1 – 5", "panes", "charts, evals, events, orders, console"),
    ("↑ ↓", "scroll", "the chosen pane; PgUp, PgDn, End"),
    ("ctrl+p", "palette", "every action by name"),
)
