"""The full pages of a run, by the name of what they show: a pane's, or their own. One table."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from trainwatch.screens.panes import PaneScreen

if TYPE_CHECKING:
    from trainwatch.screens.run import RunScreen


def _events(front: "RunScreen") -> PaneScreen:
    from trainwatch.screens.events import EventsScreen

    return EventsScreen(front)


def _system(front: "RunScreen") -> PaneScreen:
    from trainwatch.screens.system import SystemScreen

    return SystemScreen(front)


def _checkpoints(front: "RunScreen") -> PaneScreen:
    from trainwatch.screens.checkpoints import CheckpointsScreen

    return CheckpointsScreen(front)


def _console(front: "RunScreen") -> PaneScreen:
    from trainwatch.screens.console import ConsoleScreen

    return ConsoleScreen(front)


def _config(front: "RunScreen") -> PaneScreen:
    from trainwatch.screens.config import ConfigScreen

    return ConfigScreen(front)


def _evaluations(front: "RunScreen") -> PaneScreen:
    from trainwatch.screens.evaluations import EvaluationsScreen

    return EvaluationsScreen(front)


PAGES: dict[str, Callable[["RunScreen"], PaneScreen]] = {
    "events": _events,
    "system": _system,
    "checkpoints": _checkpoints,
    "console": _console,
    "config": _config,
    "evals": _evaluations,
}
"""Each imported only once it is opened."""

OF_THEN = frozenset({"events", "evals", "system", "console", "config"})
"""Those that show the past where the run's page does; the configuration was the same. The others know now alone."""

OF_RUNS = frozenset({"system", "checkpoints", "console", "config"})
"""Those that read files which other programs do not write."""
