"""What orders have made of a run's course, read back in file order."""

from typing import Any

from rundir.records import EventRecord, OutcomeEvent, ResumeEvent
from traind.journal import peak_lr, read_journal


def applied(verb: str, order: str, at_step: int, **args: Any) -> OutcomeEvent:
    return OutcomeEvent(
        at=0, attempt=1, writer="supervisor", step=at_step, order=order, verb=verb, result="applied", args=args
    )


def resumed(step: int) -> ResumeEvent:
    return ResumeEvent(at=0, attempt=2, writer="trainer", step=step)


def test_settings_are_taken_in_order_of_their_steps_once() -> None:
    journal = read_journal([
        applied("set", "a", 7, lr=1.0),
        applied("set", "b", 3, clip_norm=2.0),
        applied("eval", "c", 1),
    ])  # fmt: skip
    assert journal.take_sets(2) == []
    assert journal.take_sets(7) == [("b", {"clip_norm": 2.0}), ("a", {"lr": 1.0})]
    assert journal.take_sets(100) == []


def test_what_a_later_order_has_set_at_an_earlier_step_holds() -> None:
    """The run crashed behind step 80 and was resumed before it; at step 10 a person thought better of it."""
    journal = read_journal([
        applied("set", "before", 5, lr=1.0),
        applied("set", "old", 80, lr=2.0, clip_norm=3.0),
        applied("set", "overridden", 90, lr=4.0),
        resumed(0),
        applied("set", "new", 10, lr=5.0),
        applied("set", "newer", 85, clip_norm=6.0),
    ])  # fmt: skip
    assert journal.take_sets(100) == [
        ("before", {"lr": 1.0}),
        ("new", {"lr": 5.0}),
        ("old", {"clip_norm": 3.0}),
        ("newer", {"clip_norm": 6.0}),
    ]


def test_epochs_and_steps_set_the_same_length() -> None:
    journal = read_journal([
        applied("set", "old", 80, max_steps=200, replan=True, lr=1.0),
        resumed(0),
        applied("set", "rate", 10, clip_norm=1.0, replan=True),
    ])  # fmt: skip
    journal.note(applied("set", "length", 20, epochs=3))
    assert journal.take_sets(100)[1:] == [("length", {"epochs": 3}), ("old", {"lr": 1.0})]


def test_two_orders_at_one_step_both_act_in_their_order() -> None:
    """Whether a length replans the schedule depends on the one before it."""
    journal = read_journal([applied("set", "a", 7, max_steps=99), applied("set", "b", 7, max_steps=50)])
    assert [order for order, _ in journal.take_sets(7)] == ["a", "b"]


def test_a_rollback_ends_what_was_set_from_its_target_on_and_states_what_holds() -> None:
    events: list[EventRecord] = [
        applied("set", "kept", 3, clip_norm=1.0),
        applied("set", "gone", 10, lr=9.0),
        applied("rollback", "back", 12, step=10, lr=0.5, from_step=12),
    ]
    journal = read_journal(events)
    assert journal.rollback_to == 10
    assert journal.take_sets(100) == [("kept", {"clip_norm": 1.0}), ("back", {"lr": 0.5})]
    assert peak_lr(events, 1.0) == 0.5
    later = read_journal([*events, resumed(10), applied("set", "new", 11, lr=0.1)])
    assert later.rollback_to is None
    assert [order for order, _ in later.take_sets(100)] == ["kept", "back", "new"]


def test_batches_that_were_left_out_stay_left_out() -> None:
    journal = read_journal([applied("rollback", "a", 9, step=4, lr=1.0, skip_from=7, skip_to=8), resumed(4)])
    assert [step for step in range(1, 12) if journal.leaves_out(step)] == [7, 8]


def test_refused_orders_change_nothing() -> None:
    refused = applied("rollback", "a", 9, step=4)
    refused.result = "refused"
    journal = read_journal([refused])
    assert journal.rollback_to is None
    assert peak_lr([refused], 0.25) == 0.25
