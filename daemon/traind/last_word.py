"""The verdict on a finished run, as the trainer wrote it into the events. Never imports torch."""

from collections.abc import Sequence

from rundir.layout import RunDir
from rundir.records import EVENT_DECODER, EventRecord, LifecycleEvent, ResumeEvent, decode_lines
from rundir.text import plain


def last_word(run: RunDir) -> str | None:
    """The message of `verdict` on a run, fit for a terminal; None when there is none."""
    try:
        lines = run.events.read_bytes()
    except OSError:
        return None
    event = verdict(decode_lines(lines, EVENT_DECODER).records)
    return None if event is None else plain(event.message)


def verdict(events: Sequence[EventRecord]) -> LifecycleEvent | None:
    """The newest `report` of the attempt that is the last, of events in file order; None when it has said none.

    A run that is done and is then extended or resumed has no verdict until it reports again.
    """
    for event in reversed(events):
        if isinstance(event, ResumeEvent):
            return None
        if isinstance(event, LifecycleEvent) and event.what in ("report", "spawned"):
            return event if event.what == "report" else None
    return None
