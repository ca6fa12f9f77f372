"""What the alert rules have found that run here, among what happened to the run. Pure; owned by the event loop."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rundir.records import AlertEvent, EventRecord, ResumeEvent

if TYPE_CHECKING:
    from trainwatch.diagnosis import Found


@dataclass(frozen=True, slots=True)
class EventView:
    """One event, and whether a resume from an earlier step has overtaken it."""

    event: EventRecord
    superseded: bool = False
    found: bool = False
    """Whether it is an alert that the rules have raised here: it does not stand in the run."""


class Findings:
    """The state of the rules that run here; of a run with a supervisor there are none."""

    def __init__(self) -> None:
        self.is_on = False
        self.active: dict[str, AlertEvent] = {}
        self.num_steps = 0
        """Step records that the rules have seen."""
        self.progress = 1.0
        self.silent: Mapping[str, str] = {}
        """Rules that have nothing to go by, and what they lack."""

    def apply(self, found: "Found | None", *views: deque[EventView]) -> None:
        """Take in what the rules have said: it comes late, and has its place among what happened then."""
        if found is None:
            return
        if found.restarted:
            self.active = {}
            for each in views:
                kept = [view for view in each if not view.found]
                each.clear()
                each.extend(kept)
        self.is_on, self.num_steps, self.progress = found.is_on, found.num_steps, found.progress
        self.silent = found.silent or self.silent
        for event in found.changes:
            self._note(event)
            for each in views:
                _insert(each, EventView(event, _is_overtaken(event, each), found=True))

    def _note(self, event: AlertEvent) -> None:
        if event.change == "cleared":
            self.active.pop(event.rule, None)
        else:
            self.active[event.rule] = event

    @property
    def is_behind(self) -> bool:
        """Whether the rules have not seen all that was recorded."""
        return self.is_on and self.progress < 1.0


def _is_overtaken(alert: AlertEvent, views: deque[EventView]) -> bool:
    """Whether a resume that came after an alert went back behind it."""
    resumes = [view.event for view in views if isinstance(view.event, ResumeEvent)]
    return any(alert.at < each.at and (each.step or 0) < (alert.step or 0) for each in resumes)


def _insert(views: deque[EventView], view: EventView) -> None:
    """Where its time places it; of a full list the oldest goes."""
    if len(views) == views.maxlen:
        views.popleft()
    place = len(views)
    while place > 0 and view.event.at > 0 and views[place - 1].event.at > view.event.at:
        place -= 1
    views.insert(place, view)
