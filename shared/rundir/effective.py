"""Which records of a log still hold: what a resume truncated and what was written twice goes, in file order.

Plain values in and out: for scripts and tests. The viewer's columns do the same on their own, faster path.
"""

from collections.abc import Iterable
from typing import TypeVar

from rundir.records import AnyRecord, EvalRecord, Event, NoteEvent, OutcomeEvent, ResumeEvent, ResumeRecord

R = TypeVar("R", bound=AnyRecord)


def effective(records: Iterable[R]) -> list[R]:
    """The records that hold, in file order, of one log's decoded records in file order.

    A resume marker to S drops every earlier record with a step beyond S; order outcomes and notes stay (they were
    given), as do markers, and records without a step. A record that says the same under the same (attempt, writer, seq)
    as the last one of that key is a line written again after a torn write, and goes. (The key alone would not do: a
    supervisor that starts anew within an attempt counts from 1 again.) Of a due evaluation that was made twice at one
    step the later holds: a run that ended inside it, or between its record and the next checkpoint, makes it anew.
    """
    kept: list[R] = []
    written: dict[tuple[int, str, int], R] = {}
    evaluated: dict[tuple[int, str], R] = {}
    for record in records:
        if record.seq > 0:
            key = (record.attempt, record.writer if isinstance(record, Event) else "", record.seq)
            if written.get(key) == record:
                continue
            written[key] = record
        if isinstance(record, ResumeRecord | ResumeEvent):
            target = record.step or 0
            kept = [earlier for earlier in kept if survives(earlier, target)]
        elif isinstance(record, EvalRecord) and record.trigger != "order":
            replaced = evaluated.get((record.step, record.trigger))
            if replaced is not None:
                kept = [earlier for earlier in kept if earlier is not replaced]
            evaluated[record.step, record.trigger] = record
        kept.append(record)
    return kept


def survives(record: AnyRecord, target: int) -> bool:
    """Whether a record written before a resume to step `target` still holds after it."""
    if isinstance(record, OutcomeEvent | NoteEvent | ResumeRecord | ResumeEvent):
        return True
    step: int | None = getattr(record, "step", None)
    return step is None or step <= target
