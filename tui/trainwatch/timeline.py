"""What happened to a run as one list, the newest first: which of it passes the filter, and where the cursor is. Pure.

Owned by the event loop, which alone changes it.
"""

from dataclasses import dataclass, field
from typing import Any

from rundir.records import AlertEvent, CheckpointEvent, EventRecord, NoteEvent, OutcomeEvent, ResumeEvent
from rundir.text import plain
from trainwatch.findings import EventView
from trainwatch.panes.events import event_words
from trainwatch.store import Store


@dataclass
class Timeline:
    """The state of the page of events."""

    store: Store
    text: str = ""
    """The filter."""
    chosen: EventRecord | None = None
    """None: the newest, whatever it is."""
    top: int = 0
    """Index of the first line that is visible."""
    _words: dict[int, tuple[EventRecord, str]] = field(default_factory=dict)
    """What can be found of an event, by its identity: made once for each."""
    _listed: tuple[tuple[int, str], list[EventView]] = ((-1, ""), [])

    @property
    def views(self) -> list[EventView]:
        """What passes the filter."""
        key = (self.store.revision, self.text)
        if self._listed[0] != key:
            told = reversed(self.store.told)
            self._listed = key, [view for view in told if not self.text or passes(self._said(view.event), self.text)]
        return self._listed[1]

    def _said(self, event: EventRecord) -> str:
        if id(event) not in self._words:
            self._words[id(event)] = event, haystack(event)  # held, so that no other event gets its number
        return self._words[id(event)][1]

    @property
    def index(self) -> int:
        """Of the chosen line."""
        if self.chosen is None:
            return 0
        return next((i for i, view in enumerate(self.views) if view.event is self.chosen), 0)

    @property
    def view(self) -> EventView | None:
        """What the cursor is on; None where nothing is listed."""
        views = self.views
        return views[self.index] if views else None

    def move(self, lines: int) -> None:
        """The cursor, so many lines down."""
        self.choose(self.index + lines)

    def choose(self, index: int) -> None:
        """The line of an index, or the nearest there is. On the first one it stays at what is newest."""
        views = self.views
        index = max(0, min(index, len(views) - 1))
        self.chosen = views[index].event if index > 0 else None

    def scrolled_to(self, room: int) -> int:
        """The index of the first visible line of `room`, so that the cursor is among them."""
        last = max(0, len(self.views) - room)
        self.top = min(max(min(self.top, self.index), self.index - room + 1), last)
        return self.top


def kind_of(event: Any) -> str:
    """What a kind of event is called, in a filter and on the page."""
    match event:
        case AlertEvent():
            return "alert"
        case CheckpointEvent():
            return "checkpoint"
        case OutcomeEvent():
            return "order"
        case NoteEvent():
            return "note"
        case ResumeEvent():
            return "resume"
        case _:
            return "lifecycle"


def haystack(event: EventRecord) -> str:
    """All words by which an event is found, in one case."""
    name, text, _ = event_words(event)
    severity = f"{event.severity} {event.rule}" if isinstance(event, AlertEvent) else ""
    return plain(f"{kind_of(event)} {severity} {name} {text}").casefold()


def passes(said: str, text: str) -> bool:
    """Whether every word of a filter is said, and none of those behind a minus sign."""
    words = text.casefold().split()
    return all((word.removeprefix("-") in said) is not word.startswith("-") for word in words if word != "-")
