"""The terminal program: one screen on one run, and the command palette over the table of actions."""

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from textual.app import App, SystemCommand
from textual.screen import Screen

from rundir.layout import RunDir
from rundir.text import plain
from trainwatch.actions import ACTIONS, PANES, refusal
from trainwatch.dashboard import situation
from trainwatch.screens.run import RunScreen


class TrainwatchApp(App[None]):
    """Leaving it never touches the run."""

    CSS_PATH = "trainwatch.tcss"
    TITLE = "trainwatch"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING: ClassVar[str] = "ctrl+p"

    def __init__(self, run: RunDir, *, read_only: bool = False) -> None:
        super().__init__()
        self.run_screen = RunScreen(run, read_only=read_only)

    def get_default_screen(self) -> RunScreen:
        """The dashboard itself: a blank screen under it would only be laid out and painted in vain."""
        return self.run_screen

    def get_system_commands(self, _screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every row of the table; one that is not possible now says why."""
        now = situation(self.run_screen.store, self.run_screen.view)
        for action in ACTIONS:
            reason = refusal(action, now)
            text = f"not now: {reason}" if reason else action.help
            yield SystemCommand(action.label, _escaped(text), partial(self.run_screen.act, action))
        for name in PANES.values():
            yield SystemCommand(f"pane {name}", "choose this pane", partial(self.run_screen.action_choose, name))


def _escaped(text: str) -> str:
    """The palette reads markup, and a reason may name the run's path. (`textual.markup.escape` leaves `[/]` a tag.)"""
    return plain(text).replace("[", r"\[")
