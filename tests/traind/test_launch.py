"""Waiting for what a supervisor answers: as long as an answer is sure to come, and no longer."""

import time

import pytest

from rundir import process
from rundir.control import ControlReader, Order, Verb
from rundir.layout import RunDir
from rundir.records import OutcomeEvent
from rundir.status import Heart, State, Status, write_status
from rundir.tail import Tail
from traind import launch
from traind.eventlog import EventLog

LATE = 3
"""The look at which the outcome is there."""


class Late:
    """In place of `await_outcome`: a supervisor that answers only after some looks, each of which takes no time."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.num_looks = 0

    def __call__(self, events: Tail, order_id: str, timeout_s: float) -> OutcomeEvent | None:  # noqa: ARG002
        self.num_looks += 1
        if self.num_looks == LATE:
            (order,) = ControlReader(self.run).poll()
            assert isinstance(order, Order)
            EventLog(self.run.events, "supervisor", 1, self.run.reserve).outcome(order, step=3)
        return launch_await(events, order_id, 0.0)


launch_await = launch.await_outcome


@pytest.mark.parametrize(
    ("state", "num_looks"),
    [(State.STARTING, LATE), (State.RESTARTING, LATE), (State.STOPPING, LATE), (State.RUNNING, 1), (State.PAUSED, 1)],
)
def test_an_order_is_awaited_while_a_trainer_loads_or_leaves(
    run_dir: RunDir, monkeypatch: pytest.MonkeyPatch, state: State, num_looks: int
) -> None:
    """A trainer that was told to park while it loads its libraries answers once it has."""
    heart = Heart(process=process.this_process(), beat_at=time.time())
    write_status(run_dir.status_json, Status(run=run_dir.id, state=state, supervisor=heart))
    late = Late(run_dir)
    monkeypatch.setattr(launch, "await_outcome", late)
    outcome = launch.give_order(run_dir, Verb.PARK, {}, [])
    assert late.num_looks == num_looks
    assert (outcome is not None) == (num_looks == LATE)
