"""Runs compared: follows them all, turns keys into looks. Decides nothing by itself and writes nothing."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from rundir.series import STEP_FIELDS
from trainwatch.actions import CHART_ACTIONS
from trainwatch.comparison.board import LETTERS, Board, Compared
from trainwatch.export.reading import reading_of
from trainwatch.export.sheet import Table, sheet_of
from trainwatch.feed import Batch, Feed, read_opened
from trainwatch.keyname import shown
from trainwatch.layout import Layout
from trainwatch.lens import ZOOM, zoomed
from trainwatch.listing.entry import Entry
from trainwatch.listing.roster import Marks
from trainwatch.metric import Lines, marked_words
from trainwatch.paint import Row
from trainwatch.panes import hints
from trainwatch.panes.compare import (
    arrange_comparison,
    difference_lines,
    legend_lines,
    paint_comparison_chart,
    paint_comparison_header,
    paint_comparison_status,
    paint_differences,
    paint_metrics,
    room_in_differences,
    room_in_metrics,
)
from trainwatch.panes.footer import line_of
from trainwatch.remote.run import lag, opened, place_of, released, trouble
from trainwatch.screens.ask import Help
from trainwatch.screens.panes import PaneScreen, dragged, looked
from trainwatch.store import Store
from trainwatch.widgets.pane import Pane

if TYPE_CHECKING:
    from trainwatch.app import TrainwatchApp

PAGE = 10
"""Lines that one key moves by."""
FRAME_S = 0.5
"""Between two paintings while the runs are read."""
POLL_S = 1.0
STILL_POLL_S = 15.0
_LENS_NAMES = {action.name for action in CHART_ACTIONS}
_FIRST_TO_GO = (
    "theme", "zoom", "cursor-right", "outliers", "follow", "pan-right", "fit", "log", "smoother", "x-axis", "zoom-in",
    "runs-right", "pane", "metric-down",
)  # fmt: skip


class CompareScreen(PaneScreen):
    """Owns the board: a store for each run, and how they are looked at."""

    PANE_NAMES = ("header", "chart", "metrics", "differences", "status", "keys")
    CHART_PANES = frozenset({"chart"})
    HINTS = hints.COMPARE
    SCREEN = "compare"
    STAYS = "the runs go on"

    def __init__(self, entries: Sequence[Entry], marks: Marks) -> None:
        super().__init__()
        entries = [replace(entry, run=opened(entry.run)) for entry in entries]
        self.board = Board([_compared(entry, marks, number) for number, entry in enumerate(entries)])
        self.notice = ""
        self.pointed = ""
        self._feeds = [Feed(entry.run, STEP_FIELDS) for entry in entries]

    # --- painting ---------------------------------------------------------------------------------------------------

    def arranged(self, width: int, height: int) -> Layout:
        board = self.board
        return arrange_comparison(width, height, board.pane, legend_lines(board, width), alone=board.alone)

    def paint(self, name: str, width: int, height: int) -> list[Row]:
        match name:
            case "header":
                return paint_comparison_header(self.board, width, height)
            case "chart":
                return paint_comparison_chart(self.board, width, height)
            case "metrics":
                return paint_metrics(self.board, width, height, self._further)
            case "differences":
                return paint_differences(self.board, width, height, self._further)
            case "status":
                words = self.pointed or self.HINTS[self.board.pane]
                return paint_comparison_status(self.board, width, self.notice, words, self._trouble)
            case _:
                return line_of(self.rows, width, _FIRST_TO_GO)

    # --- following --------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self.place_panes()
        self.run_worker(self._follow(), name="follow", exit_on_error=True)

    def on_unmount(self) -> None:
        for feed in self._feeds:
            feed.close()
        for run in self.board.runs:
            released(run.store.run)
            run.lines.let_go()

    async def _follow(self) -> None:
        """Ask each run for a batch, apply them, paint, wait. The next are asked for only when these were applied."""
        while True:
            polled = await asyncio.to_thread(self._poll)
            is_at_end = True
            for run, batch in zip(self.board.runs, polled, strict=True):
                if isinstance(batch, OSError):
                    self.notice = f"cannot read {run.entry.id}: {batch}"
                    continue
                run.store.apply(batch)
                is_at_end = is_at_end and batch.at_end
            if is_at_end or time.monotonic() - self.painted_at > FRAME_S:
                self.repaint()
            if is_at_end:
                is_still = not self._trouble and all(run.store.is_still for run in self.board.runs)
                await asyncio.sleep(STILL_POLL_S if is_still else POLL_S)

    @property
    def _trouble(self) -> str:
        """Why what is shown of runs elsewhere may be old; once for all of one host."""
        words = [trouble(run.store.run) or lag(run.store.run) for run in self.board.runs]
        return "  ".join(dict.fromkeys(filter(None, words)))

    def _poll(self) -> list[Batch | OSError]:
        return [feed.polled() for feed in self._feeds]

    # --- keys and pointer -------------------------------------------------------------------------------------------

    def do(self, action: str) -> None:
        board = self.board
        self.notice = self.pointed = ""
        if action in _LENS_NAMES:
            board.lens, self.notice = looked(action, board.lens, board.scales.whole)
        else:
            self._do_other(action)
        self.repaint()

    def _do_other(self, action: str) -> None:
        board = self.board
        match action:
            case "metric-down" | "metric-up" | "page-down" | "page-up":
                self._move({"metric-down": 1, "metric-up": -1, "page-down": PAGE, "page-up": -PAGE}[action])
            case "runs-right" | "runs-left":
                self._move_runs(1 if action == "runs-right" else -1)
            case "pane":
                board.pane = "differences" if board.pane == "metrics" else "metrics"
                self.place_panes()
            case "zoom":
                board.alone = not board.alone
                self.place_panes()
            case "theme":
                cast("TrainwatchApp", self.app).next_theme()
            case "back" if board.lens.marked is not None:
                self.let_go()
                board.lens = replace(board.lens, marked=None)
            case "back" if board.lens.cursor is not None:
                board.lens = replace(board.lens, cursor=None)
            case "back":
                self.app.pop_screen()
            case "help":
                self.app.push_screen(Help(self.rows, (("ctrl+p", "palette", "every action by name"),)))
            case _:
                self.app.exit()

    def _move(self, lines: int) -> None:
        board = self.board
        if board.pane == "metrics":
            if not board.choose(lines):
                self.notice = f"that is the {'last' if lines > 0 else 'first'} metric"
            return
        size = self.query_one("#differences").size
        limit = max(0, len(difference_lines(board, max(1, size.width - 2))) - max(1, size.height - 2))
        before, board.scroll = board.scroll, max(0, min(board.scroll + lines, limit))
        if board.scroll == before:
            self.notice = f"that is the {'last' if lines > 0 else 'first'} line"

    @property
    def _further(self) -> str:
        return " ".join(filter(None, (shown(self.key_of(name)) for name in ("runs-right", "runs-left"))))

    def _move_runs(self, by: int) -> None:
        """Other runs into the tables on screen."""
        board, places = self.board, self.places
        rooms = [room_in_metrics(places["metrics"].width, len(board.runs))[0]] if "metrics" in places else []
        rooms += [room_in_differences(places["differences"].width)] if "differences" in places else []
        last = max(0, len(board.runs) - min(rooms, default=len(board.runs)))
        before, board.first = board.first, max(0, min(board.first + by, last))
        if board.first == before:
            self.notice = "all runs are on screen" if not last else "there is no further run"

    def on_pane_scrolled(self, message: Pane.Scrolled) -> None:
        board = self.board
        if message.pane == "chart" and board.scales.whole is not None:
            at = board.scales.at(message.x, self.places["chart"].width)
            factor = 1 / ZOOM if message.lines > 0 else ZOOM
            board.lens = zoomed(board.lens, board.scales.whole, factor, at)
        elif message.pane in ("metrics", "differences"):
            board.pane = message.pane
            self._move(-message.lines)
        self.repaint()

    def on_pane_chosen(self, message: Pane.Chosen) -> None:
        board = self.board
        if message.pane in ("metrics", "differences"):
            board.pane = message.pane
            row = board.top + message.y - 2
            if message.pane == "metrics" and message.y >= 2 and row < len(board.metrics):
                board.metric = board.metrics[row]
            self.repaint()

    def on_pane_dragged(self, message: Pane.Dragged) -> None:
        """A stretch of the axis is chosen, and seen alone once the button is let go."""
        board = self.board
        if message.pane == "chart" and board.scales.whole is not None:
            width = self.places["chart"].width
            board.lens = dragged(board.lens, board.scales.whole, message, board.scales, width)
            self.pointed = marked_words(board.lens)
            self.repaint()

    def on_pane_pointed(self, message: Pane.Pointed) -> None:
        """The crosshair follows the pointer over the chart; elsewhere there is none."""
        board = self.board
        at = board.scales.at(message.x, self.places["chart"].width) if message.pane == "chart" else None
        pointed = self.hint(message.pane, message.x)
        if at != board.lens.cursor or pointed != self.pointed:
            board.lens, self.pointed = replace(board.lens, cursor=at), pointed
            self.repaint()

    def data(self) -> Table:
        board = self.board
        lines = {run.entry.id: run.line(board.metric, board.lens.axis) for run in board.runs}
        whole = board.scales.whole
        seen = board.lens.over(whole) if whole is not None and board.lens.seen is not None else None
        return sheet_of({name: line for name, line in lines.items() if line is not None}, board.lens.axis, seen)

    def copied(self) -> str:
        board = self.board
        if board.lens.cursor is None:
            return "\n".join(place_of(run.store.run) for run in board.runs)
        read = [(run.entry.id, reading_of(run.lines, [board.metric], board.lens)) for run in board.runs]
        return "\n".join(f"{name}: {text}" for name, text in read if text)

    @property
    def subject(self) -> str:
        return f"compare-{self.board.metric}"

    def say(self, notice: str) -> None:
        self.notice = notice
        self.repaint()


def _compared(entry: Entry, marks: Marks, number: int) -> Compared:
    store = Store(entry.run, read_opened(entry.run))
    return Compared(entry, store, Lines(store), marks.style(entry.id), LETTERS[number % len(LETTERS)])
