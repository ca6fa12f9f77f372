"""The terminal program: one screen on one run, and the command palette over the table of actions."""

import shlex
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

    def action_help_quit(self) -> None:
        """Ctrl+C: whoever presses it wants to leave, and is told how. It must not be thought to stop the run."""
        self.run_screen.say("press q to quit; the run goes on")

    @property
    def farewell(self) -> str:
        """What the shell is told once the dashboard is gone; empty when the run does not go on."""
        store = self.run_screen.store
        if not store.is_moving:
            return ""
        return f"the run goes on; come back with: trainwatch {shlex.quote(plain(store.opened.reference))}"

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
