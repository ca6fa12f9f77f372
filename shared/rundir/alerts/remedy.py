"""Which fixes of an alert are an order to the run, and what such an order needs to know of the run to be given. Pure.

The one place that knows it: `advice` names the fix whose order an alert has.

A fix is known by its text, as it stands in the record: what is no order (data, code, the machine) is in no table.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from rundir.orders import Verb

LOWERED = 0.33
"""Of the peak learning rate: "a third"."""
LOWEST = 0.1
RAISED = 10.0
CLIP_NORM = 1.0


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """An order, as far as the fix alone says it."""

    verb: Verb
    args: Mapping[str, Any] = {}
    lr_times: float | None = None
    """`lr` is so many times the peak learning rate that holds."""
    before_onset: bool = False
    """`step` is that of the newest checkpoint before the alert's onset."""


_BACK_LOWER = Remedy(verb=Verb.ROLLBACK, args={"lr_factor": LOWERED}, before_onset=True)
_LOWER = Remedy(verb=Verb.SET, lr_times=LOWERED)
_LOWER_AND_CLIP = Remedy(verb=Verb.SET, args={"clip_norm": CLIP_NORM}, lr_times=LOWERED)
_CLIP = Remedy(verb=Verb.SET, args={"clip_norm": CLIP_NORM})
_STOP = Remedy(verb=Verb.STOP)
_SAVE = Remedy(verb=Verb.CHECKPOINT)

REMEDIES: Mapping[str, Remedy] = {
    "go back to a checkpoint before the first bad step with a third of the learning rate": _BACK_LOWER,
    "go on from a checkpoint before the first bad step with a third of the learning rate": _BACK_LOWER,
    "go back to a checkpoint before it with a lower learning rate": _BACK_LOWER,
    "if it stays: go back about 100 steps and leave those batches out": _BACK_LOWER,
    "if the train loss is bad as well, go on from an earlier checkpoint with a lower learning rate": _BACK_LOWER,
    "go back to a checkpoint before it with a third of the learning rate": _BACK_LOWER,
    "go back to a checkpoint from before that, or begin anew, with a tenth of the learning rate: ruined weights "
    "do not come back by themselves": Remedy(verb=Verb.ROLLBACK, args={"lr_factor": LOWEST}, before_onset=True),
    "go back to a checkpoint before it": Remedy(verb=Verb.ROLLBACK, before_onset=True),
    "lower the learning rate": _LOWER,
    "lower the learning rate to a third, clip_norm = 1.0": _LOWER_AND_CLIP,
    "if it comes again: lower the learning rate, clip_norm = 1.0, beta2 = 0.95": _LOWER_AND_CLIP,
    "ten times the learning rate": Remedy(verb=Verb.SET, lr_times=RAISED),
    "ten to a hundred times the learning rate": Remedy(verb=Verb.SET, lr_times=RAISED),
    "clip_norm = 1.0": _CLIP,
    "clip_norm = 1.0 and a longer warm-up": _CLIP,
    "plan the schedule for the steps there are": Remedy(verb=Verb.SET, args={"replan": True}),
    "use the best checkpoint and stop": _STOP,
    "if the evaluations are good: stop": _STOP,
    "save now": _SAVE,
    "stop it: on the CPU it takes many times as long": _STOP,
    "end it and resume": Remedy(verb=Verb.KILL),
}
"""By the text of the fix. Where the fix says more than an order can (beta2), the order does the rest of it."""
_ENDINGS = {", the best, and stop": _STOP}
"""The same for texts with figures in them, by how they end."""


def remedy_of(fix: str) -> Remedy | None:
    """The order that does a fix; None where none does."""
    ending = next((remedy for end, remedy in _ENDINGS.items() if fix.endswith(end)), None)
    return REMEDIES.get(fix, ending)


def order_by(fix: str) -> dict[str, Any] | None:
    """The order that does a fix, as an alert's event has it, as far as the fix alone says it; None where none does."""
    remedy = remedy_of(fix)
    if remedy is None:
        return None
    return {"verb": str(remedy.verb), **({"args": dict(remedy.args)} if remedy.args else {})}


def without_effect(args: Mapping[str, Any], clip_norm: float | None) -> set[str]:
    """Which arguments of `set` would change nothing, or for the worse, in a run that clips at `clip_norm`."""
    wanted = args.get("clip_norm")
    clips_so = isinstance(wanted, int | float) and clip_norm is not None and 0 < clip_norm <= wanted
    return {"clip_norm"} if clips_so else set()


def remedies_of(fixes: Sequence[str], order: Mapping[str, Any] | None) -> list[tuple[str, Remedy | None]]:
    """Fixes in order, each with what does it; last an alert's own order, where none of them is that.

    An order that is none (a damaged line, a later version's verb) is left out.
    """
    found = [(fix, remedy_of(fix)) for fix in fixes]
    verb, args = (order or {}).get("verb"), (order or {}).get("args", {})
    if verb not in list(Verb) or not isinstance(args, Mapping):
        return found
    if any(remedy is not None and remedy.verb == verb for _, remedy in found):
        return found
    return [*found, (f"the order for it: {verb}", Remedy(verb=Verb(verb), args=args))]
