"""The terminal program: the screens, one above the other, and the command palette over their tables of actions."""

import asyncio
import os
import shlex
from collections.abc import Iterable, Sequence
from contextvars import Context
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import App, SystemCommand
from textual.await_complete import AwaitComplete
from textual.events import Key
from textual.screen import Screen

from rundir.layout import RunDir
from rundir.text import plain
from trainwatch import theme
from trainwatch.keyname import shown
from trainwatch.memory import give_back
from trainwatch.news import Means, Sight, osc9
from trainwatch.screens.palette import Palette
from trainwatch.screens.panes import PaneScreen
from trainwatch.screens.run import RunScreen

if TYPE_CHECKING:
    from trainwatch.feed import Feed
    from trainwatch.listing.entry import Entry
    from trainwatch.listing.roster import Marks
    from trainwatch.listing.survey import Survey


GIVE_BACK_S = 1.5
"""After a page was left: no key waits for it while somebody goes from page to page."""


class TrainwatchApp(App[None]):
    """On one run, or on a directory of runs. Leaving it never touches a run."""

    CSS_PATH = "trainwatch.tcss"
    TITLE = "trainwatch"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING: ClassVar[str] = "ctrl+p"

    def __init__(
        self,
        run: "RunDir | Path | Survey",
        *,
        read_only: bool = False,
        palette: str = "dark",
        replay: int = 0,
        notify: Means = Means.NONE,
        feed: "Feed | None" = None,
    ) -> None:
        """`run` is one run, or the path of a directory of them, or several such directories.

        `replay`: play the run from its beginning, so many times as fast; 0: not. `feed`: of the one run, begun already.
        """
        super().__init__()
        self.read_only = read_only
        self.means = notify
        self.sights: dict[str, Sight] = {}
        """By place what was last seen of a run."""
        self._giving_back: asyncio.TimerHandle | None = None
        self.marks: Marks | None = None
        if isinstance(run, RunDir):
            self.root: PaneScreen = RunScreen(run, read_only=read_only, replay=replay, feed=feed)
        else:
            self.root = self._table(run)
        self._dress(palette)

    def _table(self, runs: "Path | Survey", chosen: str = "") -> PaneScreen:
        from trainwatch.listing.roster import Marks  # a single run does without
        from trainwatch.screens.runs import RunsScreen

        self.marks = Marks()
        return RunsScreen(runs, self.marks, read_only=self.read_only, chosen=chosen)

    def open_table_beside(self, run: RunDir) -> bool:
        """Above the page of a run that was opened alone, and for good, the table of those beside it. Whether there is
        one."""
        from trainwatch.listing.named import table_beside

        runs = table_beside(run)
        if runs is not None:
            self.root = self._table(runs, run.path.resolve().name)
            self.push_screen(self.root)  # the first screen can not be switched
        return runs is not None

    @property
    def run_screen(self) -> RunScreen:
        """The page of one run: the newest that is open. Raises LookupError where there is none."""
        # Before the first screen is up the stack is empty.
        for screen in [*reversed(self._screen_stack), self.root]:
            if isinstance(screen, RunScreen):
                return screen
        raise LookupError("no run is open")

    def get_default_screen(self) -> PaneScreen:
        """The dashboard itself: a blank screen under it would only be laid out and painted in vain."""
        return self.root

    def open_run(self, run: RunDir, entry_id: str) -> None:
        """Its page, above the table, which knows it by an id."""
        style = self.marks.style(entry_id) if self.marks is not None and entry_id in self.marks.chosen else ""
        self.push_screen(RunScreen(run, read_only=self.read_only, colour=style, has_table=True))

    def pop_screen(self) -> AwaitComplete:
        """Leave what is on top. What a page held is given back once nobody has left another for a while."""
        if isinstance(self.screen, PaneScreen):
            if self._giving_back is not None:
                self._giving_back.cancel()
            # In a context of its own: that of here, and with it every timer of Textual, holds on to the page.
            loop = asyncio.get_running_loop()
            self._giving_back = loop.call_later(GIVE_BACK_S, give_back, context=Context())
        return super().pop_screen()

    def open_comparison(self, entries: "Sequence[Entry]") -> None:
        """Of the marked runs, above the table."""
        from trainwatch.screens.compare import CompareScreen

        if self.marks is not None:
            self.push_screen(CompareScreen(entries, self.marks))

    def open_gallery(self, run: RunDir, metric: str = "", as_of: float | None = None) -> None:
        """All metrics of a run, above its page, now or as of a time; or one of them alone, which Esc widens to all."""
        from trainwatch.screens.gallery import GalleryScreen

        self.push_screen(GalleryScreen(run, metric, as_of))

    def tell(self, messages: Iterable[str]) -> None:
        """What happened to a run, by the terminal, to whoever looks elsewhere."""
        for message in messages:
            match self.means:
                case Means.BELL:
                    self.bell()
                case Means.OSC9 if self._driver is not None:
                    self._driver.write(osc9(message, in_tmux="TMUX" in os.environ))
                case _:
                    pass

    def next_theme(self) -> None:
        """The next palette: everything is painted anew, and the screen on top says which it is."""
        self._dress(theme.following(theme.current().name))
        screens = [screen for screen in self._screen_stack if isinstance(screen, PaneScreen)]
        for screen in screens:
            screen.restyle()
        for screen in screens[-1:]:
            screen.say(f"theme: {theme.current().name}")

    def _dress(self, palette: str) -> None:
        wanted = "textual-dark" if theme.use(palette).is_dark else "textual-light"
        if self.theme != wanted:  # the questions' colours are in trainwatch.tcss
            self.theme = wanted

    def action_help_quit(self) -> None:
        """Ctrl+C: whoever presses it wants to leave, and is told how. It must not be thought to stop the run."""
        if isinstance(self.screen, PaneScreen):
            self.screen.say(self.screen.quit_hint)

    def on_key(self, event: Key) -> None:
        """What no widget has taken, before the bindings are looked at."""
        if isinstance(self.screen, PaneScreen):
            self.screen.take_unbound(event.key)

    @property
    def farewell(self) -> str:
        """What the shell is told once the dashboard of one run is gone; empty when the run does not go on."""
        if not isinstance(self.root, RunScreen) or not self.root.live.is_moving:
            return ""
        reference = shlex.quote(plain(self.root.live.opened.reference))
        return f"the run goes on; come back with: trainwatch {reference}"

    def action_command_palette(self) -> None:
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(id="--command-palette"))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every row of the screen's table, with its key; one that is not possible now says why."""
        if isinstance(screen, PaneScreen):
            for command in screen.commands():
                key = shown(screen.key_of(command.action))
                help_text = f"{key}  {command.help}" if key else command.help
                text = f"not now: {command.refusal}" if command.refusal else help_text
                yield SystemCommand(command.name, _escaped(text), partial(screen.choose, command.action))


def _escaped(text: str) -> str:
    """The palette reads markup, and a reason may name the run's path. (`textual.markup.escape` leaves `[/]` a tag.)"""
    return plain(text).replace("[", r"\[")
