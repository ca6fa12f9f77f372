"""What `set` may turn while a run goes on, and the plan of steps that follows from it. Pure: no torch, no clock."""

import math
from typing import Any

import msgspec

from rundir.control import SETTABLE
from traind.config import Config, Train


class Dials(msgspec.Struct, kw_only=True, frozen=True):
    """The values in force. A checkpoint holds them; applied `set` orders after it are replayed at their steps."""

    lr: float
    """Peak learning rate: the schedule multiplies it."""
    clip_norm: float
    epochs: float
    max_steps: int | None = None
    schedule_steps: int | None = None
    """Steps over which the schedule was planned; absent: those of `epochs` or `max_steps` at the start."""
    log_every: int
    eval_every: int | None = None
    """Absent: at the end of every epoch; so for `save_every`."""
    save_every: int | None = None


def initial_dials(config: Config) -> Dials:
    """The dials as the configuration sets them."""
    return Dials(
        lr=config.train.lr,
        clip_norm=config.train.clip_norm,
        epochs=config.train.epochs,
        max_steps=config.train.max_steps,
        log_every=config.log.every,
        eval_every=None if config.eval.every == "epoch" else config.eval.every,
        save_every=None if config.checkpoint.every == "epoch" else config.checkpoint.every,
    )


def total_steps(dials: Dials, steps_per_epoch: int) -> int:
    """Optimizer steps of the whole run."""
    if dials.max_steps is not None:
        return dials.max_steps
    return max(1, math.ceil(round(dials.epochs * steps_per_epoch, 6)))


def warmup_steps(train: Train, num_steps: int) -> int:
    """Steps of a schedule over `num_steps` in which the learning rate rises."""
    return round(train.warmup_ratio * num_steps) if train.warmup_steps is None else train.warmup_steps


LARGEST = 1_000_000
_COUNTS = ("max_steps", "log_every", "eval_every", "save_every")


def check_args(args: dict[str, Any]) -> str | None:
    """Why the arguments of a `set` order are wrong; None when they are right."""
    if not any(key != "replan" for key in args) and args.get("replan") is not True:
        return "nothing to set; e.g. lr=1e-5"
    for key, value in args.items():
        fault = _fault(key, value)
        if fault:
            return f"{key} = {value!r}: {fault}"
    return None


def _fault(key: str, value: Any) -> str | None:
    if key == "replan":
        return None if isinstance(value, bool) else "must be true or false"
    # Compared before anything converts it: an integer may be too large for a float.
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LARGEST
    if key in ("lr", "epochs"):
        return None if is_number and value > 0 else f"must be a finite number above 0, below {LARGEST:,}"
    if key == "clip_norm":
        return None if is_number else f"must be a finite number from 0, below {LARGEST:,}"
    if key in _COUNTS:
        return None if is_number and isinstance(value, int) and 1 <= value < 2**53 else "must be a whole number from 1"
    return f"unknown; known: {', '.join(SETTABLE)}, replan"


def turn(dials: Dials, args: dict[str, Any], steps_per_epoch: int) -> Dials:
    """The dials after a valid `set` order.

    A run that gets more steps than its schedule has would go on with a learning rate of zero (linear, cosine): the
    schedule is then stretched over the new length, unless the order says `replan=false`. A shorter run keeps its
    schedule, unless the order says `replan=true`, which alone plans it over the steps that there are.
    """
    planned = dials.schedule_steps or total_steps(dials, steps_per_epoch)
    changes = {key: value for key, value in args.items() if key != "replan"}
    if "epochs" in changes:
        changes.setdefault("max_steps", None)
    turned = msgspec.structs.replace(dials, **changes)
    length = total_steps(turned, steps_per_epoch)
    replan = args.get("replan", length > planned)
    return msgspec.structs.replace(turned, schedule_steps=length if replan else planned)
