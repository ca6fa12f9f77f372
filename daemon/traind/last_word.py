"""The report of a finished run, as the trainer wrote it into the events. Never imports torch."""

from rundir.layout import RunDir
from rundir.records import EVENT_DECODER, LifecycleEvent, decode_lines
from rundir.text import plain


def last_word(run: RunDir) -> str | None:
    """The message of the newest `report` event, fit for a terminal; None when there is none yet."""
    try:
        lines = run.events.read_bytes()
    except OSError:
        return None
    for record in reversed(decode_lines(lines, EVENT_DECODER).records):
        if isinstance(record, LifecycleEvent) and record.what == "report":
            return plain(record.message)
    return None
