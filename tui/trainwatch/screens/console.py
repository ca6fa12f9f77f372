"""The page of the whole console: reads what is shown, searches and filters in threads that can be ended."""

import asyncio
import contextlib
import math
from collections.abc import Callable
from functools import partial

from textual.events import Key
from textual.widgets import Input

from trainwatch import format as fmt
from trainwatch.consolelog.index import LineIndex
from trainwatch.consolelog.lines import Line, LineFile
from trainwatch.consolelog.place import Kind, end_at, offset_at, parse_place
from trainwatch.consolelog.search import Sieve, TooSlowError, Wanted, compiled, first_after, last_before
from trainwatch.consolelog.view import ConsoleView
from trainwatch.keyname import shown
from trainwatch.paint import Row
from trainwatch.panes import hints
from trainwatch.panes.console_page import About, paint_console_page
from trainwatch.remote.run import RemoteRun
from trainwatch.screens.ask import Prompt
from trainwatch.screens.page import PageScreen
from trainwatch.widgets.pane import Pane

BLOCKS_A_TURN = 8
"""Blocks counted, or chunks looked through, before the event loop has its turn."""

GIVE_WAY_S = 0.02
"""Between such turns: who reads goes first."""


class _EndedError(Exception):
    """Nobody wants the result any more."""


class ConsoleScreen(PageScreen):
    """Owns the view of the log, its line index, and the one search that may be going on."""

    SCREEN = "console"
    HINTS = hints.CONSOLE
    FIRST_TO_GO = ("theme", "wrap", "crosshair", "go", "follow", "down", "filter")

    view: ConsoleView | None = None
    filter_text = ""
    _search = 0
    """Number of the search that goes on; 0: none does. Any other ends itself."""
    _num_searches = 0
    _num_bytes_read = 0
    _as_of: float | None = None
    """The time in the past whose end of the log is shown, or looked for."""

    def on_mount(self) -> None:
        self.index = LineIndex()
        self._open()
        self.run_worker(self._count(), name="count", exit_on_error=True)

    def on_unmount(self) -> None:
        self._search = 0
        if self.view is not None:
            self.view.file.close()

    # --- following --------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        with contextlib.suppress(OSError):  # nothing was printed yet: the next look tries again
            self.view = ConsoleView(self._file())

    def _file(self) -> LineFile:
        """Every thread has one of its own. Raises OSError."""
        run = self.front.store.run
        return LineFile(run.console, behind_hole=isinstance(run, RemoteRun))

    def seen(self) -> tuple[object, ...]:
        if self.view is None:
            self._open()
        size = -1
        if self.view is not None:
            try:
                if self.view.file.refresh():
                    self._begin_anew(self.view)
                size = self.view.file.size
            except OSError:
                size = -1  # gone: what was open can still be read
            if self.front.as_of != self._as_of:
                self._as_of = self.front.as_of
                self.run_worker(self._stand(self.view, self._as_of), group="then", exclusive=True, exit_on_error=True)
        return (*super().seen(), size, self._num_bytes_read)

    async def _stand(self, view: ConsoleView, at: float | None) -> None:
        """Where the log ended at a time in the past; None: now."""
        if at is None:
            view.then, view.follows = None, True
            return
        try:
            view.then = await asyncio.to_thread(self._in_file, partial(end_at, self.front.store.run, at=at))
        except OSError as error:
            self.say(f"cannot read the run: {error}")
        if view.then is not None:
            view.to(view.then, above=max(0, view.height - 3))
        self.repaint()

    def _begin_anew(self, view: ConsoleView) -> None:
        view.begin_anew()
        self.index = LineIndex()
        if view.sieve is not None:
            self._sift(view)

    async def _count(self) -> None:
        """Lines, for as long as the page is open: at first as fast as it goes, then as the log grows."""
        while True:
            index = self.index
            with contextlib.suppress(OSError), contextlib.closing(await asyncio.to_thread(self._file)) as file:
                # Of another log there is another index, into which lines of this file do not count.
                while index is self.index and await asyncio.to_thread(_turn, partial(index.advance, file)):
                    self.repaint()
                    await asyncio.sleep(GIVE_WAY_S)
            await asyncio.sleep(5.0)

    # --- painting ---------------------------------------------------------------------------------------------------

    def paint_body(self, width: int, height: int) -> list[Row]:
        return paint_console_page(self.view, self._about(), width, height)

    def _about(self) -> About:
        is_far, view = isinstance(self.front.store.run, RemoteRun), self.view
        if view is None:
            return About()
        number = None
        if not is_far and self.index.covers(view.file, view.top):
            number = self.index.number_of(view.file, view.top)
        sieve = view.sieve
        what = ["the last 256 KiB of it: the rest stays on its host"] if is_far else []
        if self.front.as_of is not None:
            told = "nothing tells what was printed when: as it is now"
            what.append("as of then: what came later is faint" if view.then is not None else told)
        return About(
            what="; ".join(what),
            number=number,
            filter_text=self.filter_text,
            filter_share=1.0 if sieve is None else sieve.offset / max(1, view.file.size),
            is_full=sieve is not None and sieve.is_full,
        )

    def paint_status(self, width: int) -> list[Row]:
        if self._search and self.view is not None:
            share = self._num_bytes_read / max(1, self.view.file.size)
            self.pointed = f"searching, {min(99, int(100 * share))}%; {shown(self.key_of('back'))} ends it"
        return super().paint_status(width)

    # --- keys -------------------------------------------------------------------------------------------------------

    def do_here(self, action: str) -> None:
        view = self.view
        if view is None:
            self.say("nothing printed yet")
            return
        moves = {"down": 1, "up": -1, "page-down": view.height - 1, "page-up": 1 - view.height}
        if action in moves:
            view.move(moves[action])
        else:
            self._do_other(action, view)

    def _do_other(self, action: str, view: ConsoleView) -> None:
        match action:
            case "first":
                view.to_first()
            case "last":
                view.follows = True
            case "follow":
                view.follows = not view.follows
            case "wrap":
                view.wraps, view.skip, view.left = not view.wraps, 0, 0
            case "right" | "left":
                view.scroll_sideways((1 if action == "right" else -1) * max(8, view.width // 2))
            case "next" | "previous":
                self._find(view, forwards=action == "next")
            case "go":
                hint = "a line 1234, a share 50%, a step s400, a time 14:30 or 2026-11-26 14:30:05"
                self.app.push_screen(Prompt("go to", hint, self._place), self._go)
            case "crosshair":
                self._go_to_crosshair()
            case _:
                self._open_line(action)

    def go_back(self) -> None:
        """What goes on, then what narrows the view, then the page."""
        view = self.view
        if self._search:
            self._search = 0
            self.say("the search was ended")
        elif view is not None and view.sieve is not None:
            self._filter("")
        elif view is not None and view.expression is not None:
            view.expression, view.hit = None, None
        else:
            self.app.pop_screen()

    def on_pane_scrolled(self, message: Pane.Scrolled) -> None:
        if self.view is not None:
            self.view.move(-message.lines)
            self.repaint()

    # --- the line at the foot: what to search for, what to filter by --------------------------------------------------

    def _open_line(self, what: str) -> None:
        self._line_is_for = what
        is_filter = what == "filter"
        placeholder = "show only lines with this; none: all" if is_filter else "a regular expression"
        self.open_filter(self.filter_text if is_filter else "", placeholder, of_words=False)

    def filtered(self, text: str) -> str:
        """While it is typed it is only judged."""
        try:
            compiled(text)
        except ValueError as fault:
            return str(fault)
        return ""

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Taken only here: what is no expression stays in the line."""
        event.prevent_default()
        text, view = event.value, self.view
        try:
            expression = compiled(text)
        except ValueError as fault:
            self.say(str(fault))
            return
        event.input.remove()
        if view is None:
            return
        if self._line_is_for == "filter":
            self._filter(text)
        elif text:
            view.expression, view.hit = expression, None
            self._find(view, forwards=True)
        self.repaint()

    def on_key(self, event: Key) -> None:
        """Two keys open the line here, where every other screen has one."""
        if event.key == self.key_of("search") and not self.query("#filter"):
            event.prevent_default()
            event.stop()
            self.do("search")

    # --- searching --------------------------------------------------------------------------------------------------

    def _find(self, view: ConsoleView, *, forwards: bool) -> None:
        if view.expression is None:
            self.say(f"{shown(self.key_of('search'))} says what to search for")
            return
        filtered = view.sieve.wanted.expressions if view.sieve is not None else ()
        wanted = Wanted((view.expression, *filtered))
        line = view.file.line_at(view.hit) if view.hit is not None else None
        start = (line.end if forwards else line.start) if line is not None else view.top
        self._num_searches += 1
        self._search, self._num_bytes_read = self._num_searches, 0
        self.run_worker(self._search_on(self._search, wanted, start, forwards=forwards), exit_on_error=True)

    async def _search_on(self, number: int, wanted: Wanted, start: int, *, forwards: bool) -> None:
        try:
            found = await asyncio.to_thread(self._found, number, wanted, start, forwards=forwards)
        except OSError as error:
            self._search = 0
            self.say(f"cannot read the console: {error}")
            return
        except TooSlowError as error:
            self._search = 0
            if self.view is not None:
                self.view.expression = None
            self.say(str(error))
            return
        except _EndedError:
            return
        view = self.view
        if view is None or number != self._search:
            return
        self._search, self.pointed = 0, ""
        if found is None:
            self.say("not found")
            return
        if (found.start < start) == forwards:
            self.say("went on from the beginning" if forwards else "went on from the end")
        view.hit = found.start
        view.to(found.start, above=view.height // 3)
        self.repaint()

    @property
    def is_searching(self) -> bool:
        return self._search != 0

    def _found(self, number: int, wanted: Wanted, start: int, *, forwards: bool) -> Line | None:
        """In a thread."""

        def on_read(num_bytes: int) -> None:
            if number != self._search:
                raise _EndedError
            self._num_bytes_read += num_bytes

        with contextlib.closing(self._file()) as file:
            look, anew = (first_after, file.begin) if forwards else (last_before, file.size)
            return look(file, start, wanted, on_read) or look(file, anew, wanted, on_read)

    # --- filtering --------------------------------------------------------------------------------------------------

    def _filter(self, text: str) -> None:
        self.filter_text = text
        view = self.view
        if view is not None:
            view.sieve, view.skip = None, 0
            if text:
                self._sift(view)
        self.repaint()

    def _sift(self, view: ConsoleView) -> None:
        view.sieve = Sieve(Wanted((compiled(self.filter_text),)))
        self.run_worker(self._look_through(view, view.sieve), group="sift", exclusive=True, exit_on_error=True)

    async def _look_through(self, view: ConsoleView, sieve: Sieve) -> None:
        """For as long as it is the filter, through what is there and then what comes."""
        try:
            file = await asyncio.to_thread(self._file)
        except OSError as error:
            self.say(f"cannot read the console: {error}")
            return
        try:
            while view.sieve is sieve:
                with contextlib.suppress(OSError):  # gone: what was open can still be read
                    file.refresh()
                if not await asyncio.to_thread(_turn, partial(sieve.advance, file)):
                    await asyncio.sleep(0.5)
                self.repaint()
        except TooSlowError as error:
            if view.sieve is sieve:
                self._filter("")
                self.say(str(error))
        finally:
            file.close()

    # --- going to a place -------------------------------------------------------------------------------------------

    def _place(self, text: str) -> object:
        return parse_place(text, self.front.store.now)

    def _go(self, text: str | None) -> None:
        view = self.view
        if text is None or view is None:
            return
        place = parse_place(text, self.front.store.now)
        match place.kind:
            case Kind.LINE:
                offset = self.index.offset_of(view.file, int(place.value))
                if offset is None:
                    self.say(f"there is no line {fmt.count(place.value)}, or it was not counted yet")
                else:
                    view.to(offset)
            case Kind.SHARE:
                view.to(view.file.begin + int(place.value * (view.file.size - view.file.begin)))
            case Kind.STEP:
                self._go_to_moment(self._moment_of(place.value))
            case Kind.MOMENT:
                self._go_to_moment(place.value)
        self.repaint()

    def _go_to_crosshair(self) -> None:
        cursor = self.front.view.lens.cursor
        if cursor is None:
            self.say("there is no crosshair: set one on the charts of the run")
        else:
            self._go_to_moment(self._moment_of(cursor))

    def _moment_of(self, step: float) -> float:
        """When a step was done; nan where that is not known."""
        steps = self.front.store.steps
        at = steps.column("at")
        if at is None or not len(steps):
            return math.nan
        index = int(steps.x.searchsorted(step))
        return float(at.values[min(index, len(steps) - 1)])

    def _go_to_moment(self, at: float) -> None:
        self.run_worker(self._find_moment(at), exit_on_error=True)

    async def _find_moment(self, at: float) -> None:
        view = self.view
        if view is None:
            return
        try:
            find = partial(offset_at, self.front.store.run, at=at)
            offset = await asyncio.to_thread(self._in_file, find) if math.isfinite(at) else None
        except OSError as error:
            self.say(f"cannot read the run: {error}")
            return
        if offset is None:
            self.say("nothing tells when what was printed: neither system.jsonl nor time stamps in the lines")
        else:
            view.to(offset)
            self.repaint()

    def _in_file(self, find: Callable[..., int | None]) -> int | None:
        """In a thread."""
        with contextlib.closing(self._file()) as file:
            return find(file=file)


def _turn(advance: Callable[[], bool]) -> bool:
    """A few steps of something long. Whether there may be more."""
    return all(advance() for _ in range(BLOCKS_A_TURN))
