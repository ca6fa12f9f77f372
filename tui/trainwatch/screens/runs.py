"""The table of runs: follows a directory, turns keys into choices and remarks. Decides nothing by itself."""

import asyncio
import contextlib
import gc
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import Binding, BindingType

from trainwatch.actions import Action, table_refusal
from trainwatch.export.sheet import Texts
from trainwatch.keyname import shown
from trainwatch.layout import Layout, Rect
from trainwatch.listing.entry import Entry
from trainwatch.listing.query import parse
from trainwatch.listing.roster import Marks, Roster
from trainwatch.listing.scan import LIVE_S, STILL_S, Batch, Scanner
from trainwatch.listing.summary import cells_of, summary_of
from trainwatch.listing.survey import Source, Survey
from trainwatch.news import news, sight_of
from trainwatch.paint import Row, fit_row
from trainwatch.panes import hints
from trainwatch.panes.footer import line_of
from trainwatch.panes.runs import (
    MARGIN,
    column_at,
    describe,
    paint_detail,
    paint_runs,
    paint_runs_header,
    paint_runs_status,
)
from trainwatch.remote.run import place_of
from trainwatch.screens.ask import Help
from trainwatch.screens.deed import DeedScreen
from trainwatch.widgets.pane import Pane

if TYPE_CHECKING:
    from trainwatch.app import TrainwatchApp

DETAIL_LINES = 5
TALL = 18
"""A screen below this height has no box on the chosen run."""
FIRST_POLL_S = 0.02
"""The first rows come at once, ..."""
POLL_S = 0.25
"""... the others so long after one another: each batch is sorted and painted."""
AGE_S = 60.0
"""Ages are painted anew so often though nothing else has changed."""
_FIRST_TO_GO = (
    "theme", "archived", "reverse", "delete", "archive", "note", "tags", "sort-right", "compare", "mark", "filter",
)  # fmt: skip


class RunsScreen(DeedScreen):
    """Owns the roster of a directory, or of several; all else is read from it."""

    PANE_NAMES = ("header", "table", "detail", "status", "keys")
    HINTS = hints.RUNS
    SCREEN = "runs"
    STAYS = "the runs go on"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(key, f"move({rows})", show=False)
            for key, rows in (("up", -1), ("down", 1), ("k", -1), ("j", 1), ("home", -1_000_000), ("end", 1_000_000))
        ),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
    ]

    def __init__(self, runs: Path | Survey, marks: Marks, *, read_only: bool = False, chosen: str = "") -> None:
        """`chosen`: the run to begin with, once it is read."""
        super().__init__()
        self.roster = Roster(marks, chosen=chosen)
        self.read_only = read_only
        self.notice = ""
        self.pointed = ""
        self._survey = runs if isinstance(runs, Survey) else Survey([Source(Scanner(runs), str(runs))])
        self._trouble = ""
        self._wake = asyncio.Event()
        self._written: frozenset[str] = frozenset()
        """Runs whose remarks were written and are not read back yet."""

    # --- painting ---------------------------------------------------------------------------------------------------

    def arranged(self, width: int, height: int) -> Layout:
        if width < 1 or height < 1:
            return {}
        head, foot = (1 if height >= 5 else 0), (2 if height >= 12 else 1 if height >= 3 else 0)
        detail = DETAIL_LINES if height >= TALL else 0
        table = height - head - foot - detail
        places = {"header": Rect(0, 0, width, head), "table": Rect(0, head, width, table)}
        places["detail"] = Rect(0, head + table, width, detail)
        places["status"] = Rect(0, height - foot, width, min(1, foot))
        places["keys"] = Rect(0, height - 1, width, foot - 1)
        return {name: place for name, place in places.items() if place.height > 0}

    def paint(self, name: str, width: int, height: int) -> list[Row]:
        roster = self.roster
        match name:
            case "header":
                return paint_runs_header(roster, self._survey.where, width, self._archived_key)
            case "table":
                return paint_runs(roster, width, height, self._archived_key)
            case "detail":
                return paint_detail(roster.chosen, width, height)
            case "status":
                words = self.pointed or (describe(roster.chosen) if roster.chosen is not None else "")
                return paint_runs_status(
                    roster,
                    width,
                    self.notice,
                    words,
                    read_only=self.read_only,
                    trouble=self._trouble,
                    archived_key=self._archived_key,
                )
            case "keys":
                return line_of(self.rows, width, _FIRST_TO_GO, self.refusal_of)
            case _:
                return [fit_row([], width)] * height

    # --- following --------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self.place_panes()
        self.run_worker(self._follow(), name="follow", exit_on_error=True)

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self._wake.set()

    async def _follow(self) -> None:
        """Ask for a batch, apply it, paint, wait. The next is asked for only when the last was applied."""
        while True:
            batch = await asyncio.to_thread(self._poll)
            self._apply(batch)
            if batch.num_unread or batch.num_shallow:
                continue
            if not gc.isenabled():  # `cli` held collection back while the runs were read; what was read stays
                gc.freeze()
                gc.enable()
            await self._wait()

    def _poll(self) -> Batch:
        top, rows = self.roster.top, max(1, self.size.height)
        again, self._written = self._written, frozenset()
        wanted = [entry.id for entry in self.roster.shown[top : top + rows]]
        return self._survey.poll(wanted=wanted, again=again, budget_s=POLL_S if wanted else FIRST_POLL_S)

    def _apply(self, batch: Batch) -> None:
        before = (self.roster.num_unread, self.roster.num_shallow, self.roster.fault, self.roster.has_listed)
        is_old = time.monotonic() - self.painted_at > AGE_S
        trouble, self._trouble = self._trouble, "  ".join(self._survey.troubles(batch.now))
        is_old = is_old or self._trouble != trouble
        if batch.entries or batch.gone or is_old or before != (batch.num_unread, batch.num_shallow, batch.fault, True):
            self.roster.apply(batch)
            self._tell_news(batch)
            self.repaint()

    def _tell_news(self, batch: Batch) -> None:
        """Of runs that were seen before, here or on their page."""
        sights = self._trainwatch.sights
        for entry in batch.entries:
            sight, place = sight_of(entry.id, entry.alerts, entry.status, entry.verdict), place_of(entry.run)
            self._trainwatch.tell(news(sights.get(place), sight))
            sights[place] = sight

    async def _wait(self) -> None:
        moves = any(entry.may_live for entry in self.roster.entries.values())
        moves = moves or bool(self._trouble) or not self._survey.is_complete
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), LIVE_S if moves else STILL_S)
        self._wake.clear()
        while self.is_covered:  # covered: nobody looks
            self._survey.show(is_shown=False)
            await self._wake.wait()
            self._wake.clear()
        self._survey.show(is_shown=True)

    # --- keys and pointer -------------------------------------------------------------------------------------------

    def action_move(self, rows: int) -> None:
        self.roster.move(rows)
        self._touched()

    def action_page(self, pages: int) -> None:
        self.action_move(pages * max(1, self.query_one("#table").size.height - 2))

    def _touched(self) -> None:
        self.notice = self.pointed = ""
        self.repaint()

    def on_pane_chosen(self, message: Pane.Chosen) -> None:
        if message.pane != "table":
            return
        if message.y == 0:
            if (column := column_at(self.roster, message.x, self.size.width)) is not None:
                self.roster.sort_by(column.name)
                self._touched()
        elif self.roster.choose(message.y - 1):
            self._touched()
            if message.x < MARGIN:
                self.roster.marks.toggle(self.roster.selected)
                self.repaint()
            elif message.count == 2:
                self.do("open")

    def on_pane_scrolled(self, message: Pane.Scrolled) -> None:
        self.action_move(-message.lines)

    def on_pane_pointed(self, message: Pane.Pointed) -> None:
        words = self.hint(message.pane, message.x)
        if message.pane == "table":
            column = column_at(self.roster, message.x, self.size.width)
            row = self.roster.top + message.y - 1
            if message.y == 0 and column is not None:
                words = f"{column.name}: {column.help}"
            elif 0 <= row < len(self.roster.shown):
                words = "a click here marks the run for comparison" if message.x < MARGIN else ""
                words = words or describe(self.roster.shown[row])
        if words != self.pointed:
            self.pointed = words
            self.query_one("#status", Pane).repaint()

    def do(self, action: str) -> None:
        row = next(each for each in self.rows if each.name == action)
        if reason := self.refusal_of(row):
            self.say(reason)
            return
        self.notice = self.pointed = ""
        deeds: dict[str, Callable[[], None]] = {
            "open": self._open,
            "mark": self._mark,
            "compare": self._compare,
            "filter": self._filter,
            "sort-right": partial(self._sort_beside, 1),
            "sort-left": partial(self._sort_beside, -1),
            "reverse": partial(self.roster.sort_by, self.roster.sort.name),
            "tags": partial(self._of_chosen, self.ask_tags),
            "note": partial(self._of_chosen, self.ask_note),
            "archive": self._archive,
            "archived": self._show_archived,
            "delete": partial(self._of_chosen, self.ask_delete),
            "theme": self._trainwatch.next_theme,
            "clear": self._clear,
            "help": self._help,
            "quit": self.app.exit,
        }
        deeds[action]()
        self.repaint()

    def refusal_of(self, action: Action) -> str:
        chosen = self.roster.chosen
        return table_refusal(
            action,
            read_only=self.read_only,
            has_run=chosen is not None,
            may_live=chosen is not None and chosen.may_live,
            num_marked=len(self.roster.marks.chosen),
            is_foreign=chosen is not None and bool(chosen.source),
        )

    @property
    def _archived_key(self) -> str:
        return shown(self.key_of("archived")) or "archived in ctrl+p"

    @property
    def _trainwatch(self) -> "TrainwatchApp":
        return cast("TrainwatchApp", self.app)

    def _open(self) -> None:
        if self.roster.chosen is not None:
            self._trainwatch.open_run(self.roster.chosen.run, self.roster.chosen.id)

    def _help(self) -> None:
        self.app.push_screen(Help(self.rows, _MORE_KEYS))

    def _mark(self) -> None:
        self.roster.marks.toggle(self.roster.selected)
        self.roster.move(1)

    def _compare(self) -> None:
        self._trainwatch.open_comparison(self.roster.entries_of_marked())

    def _sort_beside(self, steps: int) -> None:
        self.roster.sort_beside(steps)

    def _clear(self) -> None:
        if self.roster.query.text:
            self.roster.ask(parse(""))
        elif self.roster.marks.chosen:
            self.roster.marks.chosen.clear()
        else:
            self.notice = f"nothing to end: no filter, no marks; {self.quit_hint}"

    def _show_archived(self) -> None:
        words = [word for word in self.roster.query.text.split() if word != "is:archived"]
        self.roster.ask(parse(" ".join(words if self.roster.query.asks_archived else [*words, "is:archived"])))

    # --- the filter -------------------------------------------------------------------------------------------------

    def _filter(self) -> None:
        self.roster.begin_filter()
        self.open_filter(
            self.roster.query.text, "state:running  task:ner  cfg.lr>=1e-4  best.f1>0.8  -note:debug  tag:x"
        )

    def filter_closed(self) -> None:
        self.roster.end_filter()

    def filtered(self, text: str) -> str:
        return self.roster.ask_typed(text)

    # --- out ------------------------------------------------------------------------------------------------------

    def data(self) -> Texts | None:
        rows = [summary_of(entry, self.roster.now) for entry in self.roster.shown]
        return Texts(list(rows[0]), [cells_of(row) for row in rows]) if rows else None

    def copied(self) -> str:
        chosen = self.roster.chosen
        return place_of(chosen.run) if chosen is not None else ""

    @property
    def subject(self) -> str:
        return "runs"

    # --- remarks and removal ----------------------------------------------------------------------------------------

    def say(self, notice: str) -> None:
        self.notice = notice
        self.repaint()

    def written(self, entry: Entry) -> None:
        self._written |= {entry.id}
        self._wake.set()

    def _archive(self) -> None:
        entries = self.roster.entries_of_marked() or [entry for entry in [self.roster.chosen] if entry is not None]
        self.archive([entry for entry in entries if not entry.source])

    def _of_chosen(self, deed: Callable[[Entry], None]) -> None:
        if self.roster.chosen is not None:
            deed(self.roster.chosen)


_MORE_KEYS = (
    ("↑ ↓", "choose", "a run; PgUp, PgDn, Home, End, the wheel, a click"),
    ("2 clicks", "open", "the page of a run"),
    ("ctrl+p", "palette", "every action by name"),
)
