"""A run's status, and what its events say where a power cut has left none that can be read."""

import pytest

from rundir.layout import RunDir
from rundir.records import CheckpointEvent, EventRecord, LifecycleEvent, OutcomeEvent, encode
from rundir.status import Intent, State, Status, write_status
from traind.run_state import is_readable, status_of
from traind.status_file import StatusFile


def told(what: str, attempt: int, step: int | None = None, **detail: object) -> LifecycleEvent:
    return LifecycleEvent(at=1.0, attempt=attempt, writer="supervisor", what=what, step=step, detail=detail or None)


def applied(verb: str, result: str = "applied") -> OutcomeEvent:
    return OutcomeEvent(at=1.0, attempt=2, writer="supervisor", order="x", verb=verb, result=result, step=9)  # type: ignore[arg-type]


BEGUN = [
    told("spawned", 1),
    told("crashed", 1, 4, oom_kill=True),
    told("spawned", 2),
    CheckpointEvent(at=1.0, attempt=2, writer="trainer", step=8, path="checkpoints/step-00000008", size_bytes=1),
]


@pytest.mark.parametrize("damage", ["empty", "missing", "cut short"])
@pytest.mark.parametrize(
    ("more", "state", "intent"),
    [
        ([], State.RESTARTING, Intent.RUN),
        ([applied("pause")], State.RESTARTING, Intent.PAUSED),
        ([applied("pause"), applied("resume"), applied("stop", "refused")], State.RESTARTING, Intent.RUN),
        ([applied("park"), told("parked", 2, 9)], State.PARKED, Intent.PARKED),
        ([applied("kill"), told("stopped", 2, 9)], State.STOPPED, Intent.STOPPED),
        ([told("done", 2, 9)], State.DONE, Intent.RUN),
    ],
)
def test_it_is_made_anew_from_the_events(
    run_dir: RunDir, damage: str, more: list[EventRecord], state: State, intent: Intent
) -> None:
    if damage != "missing":
        run_dir.status_json.write_bytes(b"" if damage == "empty" else b'{"format":1,"run":"x","sta')
    run_dir.events.write_bytes(b"".join(encode(event) for event in [*BEGUN, *more]))
    status = status_of(run_dir)
    assert status is not None
    assert (status.state, status.intent, status.attempt, status.oom_kills) == (state, intent, 2, 1)
    assert (status.checkpoint, status.step) == ("checkpoints/step-00000008", 9 if more else 8)
    assert not is_readable(run_dir)
    assert StatusFile(run_dir).was_lost
    assert StatusFile(run_dir).now.attempt == 2


def test_what_can_be_read_is_believed_and_a_new_run_has_none(run_dir: RunDir) -> None:
    assert status_of(run_dir) is None
    assert not StatusFile(run_dir).was_lost
    write_status(run_dir.status_json, Status(run="r", state=State.RUNNING, attempt=7))
    run_dir.events.write_bytes(encode(BEGUN[0]))
    status = status_of(run_dir)
    assert status is not None
    assert status.attempt == 7
    assert not StatusFile(run_dir).was_lost
