"""What `set` turns in a loop that goes on from a checkpoint, beside what a resume carries out again."""

from types import SimpleNamespace
from typing import Any

from rundir.records import OutcomeEvent
from tests.traind.test_checkpoint import make_state
from traind.config import Config
from traind.journal import Journal, read_journal
from traind.loop import Loop


def applied(order: str, at_step: int, **args: Any) -> OutcomeEvent:
    return OutcomeEvent(
        at=0, attempt=1, writer="trainer", step=at_step, order=order, verb="set", result="applied", args=args
    )


def at_step(step: int, journal: Journal) -> Loop:
    """Between two steps: no model and no data, which the dials do not need."""
    loop: Any = Loop.__new__(Loop)
    loop.state, loop.journal = make_state(step, applied_sets=[]), journal
    loop.config, loop.pulse = Config(), SimpleNamespace()
    loop.order = SimpleNamespace(steps_per_epoch=10)
    return loop  # type: ignore[no-any-return]


def go_to(loop: Loop, step: int) -> None:
    loop.state.step = step
    loop._replay_sets()


def test_an_order_overrides_what_an_earlier_one_would_set_again_later() -> None:
    loop = at_step(10, read_journal([applied("old", 80, lr=3e-3, clip_norm=2.0)]))
    loop.apply_set("new", {"lr": 7e-4})
    go_to(loop, 81)
    assert (loop.dials.lr, loop.dials.clip_norm) == (7e-4, 2.0)
    assert loop.state.applied_sets == ["new", "old"]


def test_what_is_carried_out_again_overrides_nothing() -> None:
    loop = at_step(0, read_journal([applied("first", 3, lr=3e-3), applied("second", 7, lr=7e-4)]))
    go_to(loop, 3)
    assert loop.dials.lr == 3e-3
    go_to(loop, 7)
    assert loop.dials.lr == 7e-4


def test_an_order_at_the_very_step_of_an_earlier_one_comes_after_it() -> None:
    """It was heard in the evaluation of step 80, before the loop came to what is due there."""
    loop = at_step(80, read_journal([applied("old", 80, lr=3e-3)]))
    loop.apply_set("new", {"lr": 7e-4})
    go_to(loop, 80)
    assert loop.dials.lr == 7e-4
    assert loop.state.applied_sets == ["old", "new"]
