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


PAGES: dict[str, Callable[["RunScreen"], PaneScreen]] = {
    "events": _events,
    "system": _system,
}
"""Each imported only once it is opened."""

OF_THEN = frozenset({"events"})
"""Those that read the records of the run's own page, and so can show the past."""
