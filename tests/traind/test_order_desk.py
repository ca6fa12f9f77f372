"""Which order is taken in which state, and that each gets exactly one outcome."""

import pytest

from rundir.control import Order, Verb, send
from rundir.layout import RunDir
from rundir.records import OutcomeEvent
from rundir.status import State
from traind.eventlog import EventLog
from traind.order_desk import LOST, POLICY, OrderDesk, refusal

TAKEN: dict[Verb, set[State]] = {
    Verb.PAUSE: {State.STARTING, State.RUNNING, State.RESTARTING},
    Verb.PARK: {State.STARTING, State.RUNNING, State.RESTARTING, State.PAUSED},
    Verb.RESUME: {State.PAUSED, State.PARKED, State.STOPPED, State.FAILED},
    Verb.CHECKPOINT: {State.STARTING, State.RUNNING, State.RESTARTING, State.PAUSED},
    Verb.EVAL: {State.STARTING, State.RUNNING, State.RESTARTING, State.PAUSED},
    Verb.SET: set(State) - {State.DONE},
    Verb.ROLLBACK: set(State) - {State.STOPPING},
    Verb.KEEP: set(State) - {State.STOPPING},
    Verb.DISCARD: set(State) - {State.STOPPING},
    Verb.STOP: {State.STARTING, State.RUNNING, State.RESTARTING, State.PAUSED, State.PARKED},
    Verb.KILL: {State.STARTING, State.RUNNING, State.RESTARTING, State.PAUSED, State.PARKED, State.STOPPING},
    Verb.NOTE: set(State),
}
ARGS: dict[Verb, dict[str, object]] = {
    Verb.SET: {"lr": 1e-4},
    Verb.NOTE: {"text": "x"},
    Verb.KEEP: {"step": 5},
    Verb.DISCARD: {"step": 5},
}


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("state", State)
def test_the_table_of_states(verb: Verb, state: State) -> None:
    order = Order(verb=verb, args=ARGS.get(verb, {}))
    refused = refusal(order, state, step=10, total_steps=10, steps_per_epoch=5)
    assert (refused is None) == (state in TAKEN[verb]), refused


def test_a_done_run_with_more_steps_resumes() -> None:
    assert refusal(Order(verb=Verb.RESUME), State.DONE, step=10, total_steps=None, steps_per_epoch=5) is None


def test_a_done_run_is_set_only_together_with_more_steps() -> None:
    def said(step: int, total_steps: int | None, **args: object) -> str | None:
        return refusal(Order(verb=Verb.SET, args=dict(args)), State.DONE, step, total_steps, steps_per_epoch=5)

    assert said(10, 10, lr=1e-4) == (
        "the run is done: no step is left to train; `traind set RUN epochs=N` first, or in the same order"
    )
    assert said(10, 10, lr=1e-4, epochs=4) is None
    assert said(10, None, lr=1e-4) is None  # it was extended before
    assert said(8, 10, lr=1e-4) is None  # by early stopping, or its last checkpoint was cut


def test_a_run_whose_supervisor_was_lost_was_never_parked() -> None:
    for verb in (Verb.PAUSE, Verb.PARK, Verb.CHECKPOINT, Verb.EVAL):
        assert refusal(Order(verb=verb), State.PARKED, 5, 9, 3) == "the run is parked"
        assert refusal(Order(verb=verb), State.PARKED, 5, 9, 3, was_lost=True) == LOST
    assert refusal(Order(verb=Verb.RESUME), State.PARKED, 5, 9, 3, was_lost=True) is None


def test_arguments_where_none_belong_are_refused() -> None:
    assert refusal(Order(verb=Verb.PAUSE, args={"for": 5}), State.RUNNING, 1, 9, 3) == "pause takes no arguments"
    assert refusal(Order(verb=Verb.NOTE), State.RUNNING, 1, 9, 3) == "a note needs a text"
    for args in ({"step": -1}, {"step": 1.5}, {"step": True}, {"lr_factor": 0}, {"lr_factor": "x"}, {"lr": 1e-4}):
        assert refusal(Order(verb=Verb.ROLLBACK, args=args), State.RUNNING, 1, 9, 3), args
    for verb, args in (
        (Verb.KEEP, {}),
        (Verb.KEEP, {"step": "5"}),
        (Verb.KEEP, {"step": 5, "kept": 1}),
        (Verb.DISCARD, {"step": True}),
        (Verb.DISCARD, {"step": 5, "kept": False}),
        (Verb.DISCARD, {"step": -1}),
    ):
        assert refusal(Order(verb=verb, args=args), State.RUNNING, 1, 9, 3), (verb, args)


def test_rollbacks_by_the_policy_alone_are_counted(run_dir: RunDir) -> None:
    desk = OrderDesk(run_dir, None)
    for by, step in (("me", 1), (POLICY, 8), (POLICY, 4)):
        desk.note_outcomes([
            OutcomeEvent(
                at=0, attempt=1, writer="supervisor", order=f"{step}", verb="rollback", result="applied", by=by,
                args={"step": step},
            )
        ])  # fmt: skip
    assert (desk.num_retreats, desk.last_retreat) == (2, {"step": 4})


def test_an_order_is_handed_out_once_and_again_after_a_restart_only_if_unanswered(run_dir: RunDir) -> None:
    events = EventLog(run_dir.events, "supervisor", 1, run_dir.reserve)
    desk = OrderDesk(run_dir, None)
    for name in ("a", "b"):
        send(run_dir, Order(verb=Verb.PAUSE, id=name))
    send(run_dir, Order(verb=Verb.PAUSE, id="a"))
    assert [order.id for order in desk.arrivals()] == ["a", "b"]
    desk.answer(Order(verb=Verb.PAUSE, id="a"), events, step=1)
    assert desk.arrivals() == []

    later = OrderDesk(run_dir, desk.position)
    later.note_outcomes([OutcomeEvent(at=0, attempt=1, writer="trainer", order="a", verb="pause", result="applied")])
    assert [order.id for order in later.arrivals()] == ["b"]
