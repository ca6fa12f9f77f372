"""A learning rate set from outside while a schedule runs: its base is rescaled, its shape goes on. Imports no torch."""

from collections.abc import Callable
from functools import partial
from typing import Any

_RATES = ("lr", "initial_lr", "max_lr", "min_lr")
"""What a parameter group may hold that is a learning rate: torch's OneCycleLR keeps its ends there."""


def peak_lr(optimizer: Any) -> float:
    """The base of the schedule, of one that begins far below it (OneCycleLR) the top: of several groups the largest."""
    return max(float(group.get("max_lr", group.get("initial_lr", group["lr"]))) for group in optimizer.param_groups)


def set_peak_lr(optimizer: Any, schedules: list[Any], lr: float) -> None:
    """Make `lr` the peak; all groups, and all schedules of this optimizer, are rescaled alike.

    A peak of zero, which has no shape, becomes a constant rate.
    """
    change = partial(_changed, peak=peak_lr(optimizer), lr=lr)
    for group in optimizer.param_groups:
        for name in _RATES:
            if name in group:
                group[name] = change(group[name])
    for schedule in schedules:
        _rescale(schedule, change)


def _changed(rate: float, peak: float, lr: float) -> float:
    return rate * (lr / peak) if peak else lr


def _rescale(schedule: Any, change: Callable[[float], float]) -> None:
    """Of a torch schedule, and of those that it is made of (SequentialLR, ChainedScheduler, accelerate's)."""
    for name in ("base_lrs", "_last_lr"):
        if isinstance(rates := vars(schedule).get(name), list):
            setattr(schedule, name, [change(rate) for rate in rates])
    if isinstance(end := vars(schedule).get("eta_min"), int | float):  # of a cosine
        schedule.eta_min = change(end)
    inner = vars(schedule).get("_schedulers") or [vars(schedule).get("scheduler")]
    for each in inner:
        if each is not None and hasattr(each, "step"):
            _rescale(each, change)
