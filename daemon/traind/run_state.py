"""What status.json says of a run; where a power cut has left none that can be read, what its events say."""

import msgspec

from rundir.layout import RunDir
from rundir.orders import Verb
from rundir.records import EVENT_DECODER, CheckpointEvent, EventRecord, LifecycleEvent, OutcomeEvent, decode_lines
from rundir.status import INTENT_OF, State, Status, read_status

_ENDS = {"done": State.DONE, "stopped": State.STOPPED, "failed": State.FAILED, "parked": State.PARKED}


def status_of(run: RunDir) -> Status | None:
    """None for a run that has neither status nor events yet. Raises OSError."""
    return _written(run) or _rebuilt(run)


def is_readable(run: RunDir) -> bool:
    """Whether status.json itself can be read. Raises OSError."""
    return _written(run) is not None


def _written(run: RunDir) -> Status | None:
    try:
        return read_status(run.status_json)
    except msgspec.DecodeError:
        return None


def _rebuilt(run: RunDir) -> Status | None:
    if not run.events.is_file() or not (events := decode_lines(run.events.read_bytes(), EVENT_DECODER).records):
        return None
    status = Status(run=run.id, state=State.RESTARTING, attempt=max(event.attempt for event in events))
    for event in events:
        _take(status, event)
    return status


def _take(status: Status, event: EventRecord) -> None:
    if event.step is not None:
        status.step = event.step
    match event:
        case LifecycleEvent(what="spawned"):
            status.state = State.RESTARTING
        case LifecycleEvent(what=what) if what in _ENDS:
            status.state, status.last_error = _ENDS[what], event.message or None
        case LifecycleEvent(what="crashed") if (event.detail or {}).get("oom_kill"):
            status.oom_kills += 1
        case OutcomeEvent(result="applied", verb=verb) if verb in INTENT_OF:
            status.intent = INTENT_OF[Verb(verb)]
        case CheckpointEvent():
            status.checkpoint = event.path
        case _:
            pass
