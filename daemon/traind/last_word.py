"""The verdict on a finished run, and its last crash, as they stand in the events. Never imports torch."""

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


def last_crash(run: RunDir) -> str | None:
    """Why the trainer last ended without leave, in one line fit for a terminal; None when it never did."""
    try:
        events = decode_lines(run.events.read_bytes(), EVENT_DECODER).records
    except OSError:
        return None
    for event in reversed(events):
        if isinstance(event, LifecycleEvent) and event.what == "crashed":
            first = next(iter(event.message.splitlines()), "")
            return plain(f"attempt {event.attempt}, step {event.step or 0:,}: {first}")
    return None


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
