"""Where a rollback goes and what holds from there: resolved once, when it is ordered, into plain values. Torch-free.

What is written down is the step gone back to and the resulting learning rate, never a factor that a second reading
could multiply again.
"""

from typing import Any

from rundir.layout import RunDir
from traind import lineage
from traind.wire import Retreat

LARGEST_FACTOR = 1000.0
SOON_STEPS = 8
"""Bad again within so many steps: no checkpoint in between can be trusted."""


class NoTargetError(Exception):
    """There is no such checkpoint; the text says which there are."""


def argument_fault(args: dict[str, Any]) -> str | None:
    """Why the arguments of a rollback order are wrong; None when they are right. Pure."""
    for key, value in args.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if key == "step":
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
                return f"step = {value!r}: must be a checkpoint's step, a whole number"
        elif key == "lr_factor":
            if not is_number or not 0 < value <= LARGEST_FACTOR:
                return f"lr_factor = {value!r}: must be a number above 0, at most {LARGEST_FACTOR:.0f}"
        else:
            return f"{key}: unknown; known: step, lr_factor"
    return None


def resolve(run: RunDir, args: dict[str, Any], *, from_step: int, lr: float) -> dict[str, Any]:
    """What a valid order comes to, as its outcome states it: `step`, and `lr` where a factor was given.

    `from_step` and `lr` are the run's own now. The factor multiplies the lower of the learning rates now and then:
    a second rollback to the same checkpoint goes on from what the first one has lowered. Without a factor the
    checkpoint's own learning rate holds. Raises NoTargetError.
    """
    wanted: int | None = args.get("step")
    state, passed_over = lineage.newest(run, lineage.read_state, at_most=wanted)
    if state is None or (wanted is not None and wanted not in lineage.steps(run)):
        there = ", ".join(str(step) for step in lineage.steps(run)) or "none"
        raise NoTargetError(f"no whole checkpoint{'' if wanted is None else f' of step {wanted}'}; there are: {there}")
    if passed_over and wanted is not None:
        raise NoTargetError("; ".join(f"{name}: {why}" for name, why in passed_over.items()))
    resolved: dict[str, Any] = {"step": state.step, "from_step": from_step}
    if "lr_factor" in args:
        resolved |= {"lr_before": lr, "lr": min(lr, state.dials.lr) * args["lr_factor"]}
    return resolved


def newest_before(run: RunDir, step: int) -> int | None:
    """The step of the newest whole checkpoint before a step; None where there is none."""
    state, _ = lineage.newest(run, lineage.read_state, at_most=step - 1)
    return None if state is None else state.step


def resolve_retreat(run: RunDir, retreat: Retreat, *, factor: float, last: dict[str, Any] | None) -> dict[str, Any]:
    """The same for a rollback by the run's own policy: before the first bad step, to the very start if need be.

    Where the last one (`last`, its arguments) has led no further than a few steps, what it went to, or what was saved
    since, is ill: the next goes further back than that, where there is a checkpoint.
    """
    then, _ = lineage.newest(run, lineage.read_state, at_most=retreat.skip_from - 1)
    if then is not None and last is not None and retreat.skip_from - last["skip_to"] <= SOON_STEPS:
        then = lineage.newest(run, lineage.read_state, at_most=last["step"] - 1)[0] or then
    return {
        "step": 0 if then is None else then.step,
        "from_step": retreat.skip_to,
        "lr_before": retreat.lr,
        "lr": min(retreat.lr, retreat.lr if then is None else then.dials.lr) * factor,
        "skip_from": retreat.skip_from,
        "skip_to": retreat.skip_to,
        "cause": retreat.cause,
    }
