"""What bad updates lead to, as a table of policies."""

import pytest

from traind.config import Policy
from traind.guard import Trouble
from traind.intervention import Action, action_for


@pytest.mark.parametrize(
    ("num_spikes", "longest", "on_spike", "on_nonfinite", "expected"),
    [
        (0, 1, "ignore", "skip", Action.GO_ON),
        (0, 1, "ignore", "rollback", Action.ROLLBACK),
        (2, 1, "rollback", "skip", Action.ROLLBACK),
        (2, 1, "skip", "rollback", Action.GO_ON),
        (1, 1, "rollback", "skip", Action.ROLLBACK),
        (1, 1, "rollback", "stop", Action.STOP),
        (1, 1, "skip", "pause", Action.PAUSE),
        (0, 10, "ignore", "skip", Action.ROLLBACK),
    ],
)
def test_of_two_causes_the_graver_counts(
    num_spikes: int, longest: int, on_spike: str, on_nonfinite: str, expected: Action
) -> None:
    """Of two skipped updates so many were spikes. The last row: bad ones in a row, though the newest was good."""
    trouble = Trouble(num_skipped=2, num_spikes=num_spikes, in_a_row=0, longest=longest, first_step=4)
    policy = Policy(on_spike=on_spike, on_nonfinite=on_nonfinite, max_skips=10)  # type: ignore[arg-type]
    assert action_for(trouble, policy) == expected
