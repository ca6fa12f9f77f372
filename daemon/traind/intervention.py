"""What bad updates lead to, by the run's own policy. Pure."""

from enum import StrEnum

from traind.config import Policy
from traind.guard import Trouble


class Action(StrEnum):
    """What follows; the bad updates themselves were not made, whatever it is."""

    GO_ON = "go on"
    ROLLBACK = "rollback"
    PAUSE = "pause"
    STOP = "stop"


def action_for(trouble: Trouble, policy: Policy) -> Action:
    """Where single ones are skipped, many in a row lead back to a checkpoint: no weights come out of such a state."""
    told = {policy.on_spike if cause == "spike" else policy.on_nonfinite for cause in trouble.causes}
    for action in (Action.STOP, Action.PAUSE, Action.ROLLBACK):  # of two causes the graver counts
        if action in told:
            return action
    return Action.ROLLBACK if trouble.longest >= policy.max_skips else Action.GO_ON


def describe(trouble: Trouble, step: int) -> str:
    """For a person; `step` is the last one that was looked at."""
    what = "a spike" if trouble.cause == "spike" else "not finite"
    since = f"step {trouble.first_step}" + (f" to {step}" if trouble.first_step != step else "")
    return f"loss or gradient norm {what}: {trouble.num_skipped} update(s) not made, {since}"
