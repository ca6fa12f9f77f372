"""A learning rate set from outside while a schedule runs: its base is rescaled, its shape goes on. Imports no torch."""

from typing import Any

_RATES = ("lr", "initial_lr", "max_lr", "min_lr")
"""What a parameter group may hold that is a learning rate: torch's OneCycleLR keeps its ends there."""


def peak_lr(optimizer: Any) -> float:
    """The base of the schedule: of several parameter groups the largest."""
    return max(float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups)


def set_peak_lr(optimizer: Any, schedules: list[Any], lr: float) -> None:
    """Make `lr` the peak; all groups, and all schedules of this optimizer, are rescaled alike."""
    factor = lr / peak_lr(optimizer)
    for group in optimizer.param_groups:
        for name in _RATES:
            if name in group:
                group[name] = group[name] * factor
    for schedule in schedules:
        _rescale(schedule, factor)


def _rescale(schedule: Any, factor: float) -> None:
    """Of a torch schedule, and of those that it is made of (SequentialLR, ChainedScheduler, accelerate's)."""
    for name in ("base_lrs", "_last_lr"):
        if isinstance(rates := vars(schedule).get(name), list):
            setattr(schedule, name, [rate * factor for rate in rates])
    if isinstance(end := vars(schedule).get("eta_min"), int | float):  # of a cosine
        schedule.eta_min = end * factor
    inner = vars(schedule).get("_schedulers") or [vars(schedule).get("scheduler")]
    for each in inner:
        if each is not None and hasattr(each, "step"):
            _rescale(each, factor)
