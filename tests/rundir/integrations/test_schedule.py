"""A learning rate set in the middle: from there on every rate is that of the undisturbed schedule, times a factor."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as schedules

from rundir.integrations.schedule import peak_lr, set_peak_lr

STEPS, SET_AT = 40, 15
Make = Callable[[torch.optim.Optimizer], Any]


def linear(optimizer: torch.optim.Optimizer) -> Any:
    return schedules.LambdaLR(optimizer, lambda step: min(1.0, step / 10) * (1 - step / STEPS))


def cosine(optimizer: torch.optim.Optimizer) -> Any:
    return schedules.CosineAnnealingLR(optimizer, STEPS, eta_min=0.001)


def warm_up_then_cosine(optimizer: torch.optim.Optimizer) -> Any:
    parts = [schedules.LinearLR(optimizer, 0.1, 1.0, 10), schedules.CosineAnnealingLR(optimizer, STEPS)]
    return schedules.SequentialLR(optimizer, parts, milestones=[10])


def one_cycle(optimizer: torch.optim.Optimizer) -> Any:
    return schedules.OneCycleLR(optimizer, max_lr=[0.1, 0.05], total_steps=STEPS, cycle_momentum=False)


def rates(make: Make, factor: float) -> list[list[float]]:
    """Of both parameter groups at every step; the peak is multiplied after `SET_AT` steps."""
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1)], "lr": 0.1}, {"params": [torch.zeros(1)], "lr": 0.05}])
    schedule, found = make(optimizer), []
    for step in range(STEPS):
        if step == SET_AT and factor != 1:
            set_peak_lr(optimizer, [schedule], peak_lr(optimizer) * factor)
        found.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize("make", [linear, cosine, warm_up_then_cosine, one_cycle])
def test_the_shape_goes_on(make: Make) -> None:
    undisturbed, disturbed = rates(make, 1.0), rates(make, 0.25)
    for step, (before, after) in enumerate(zip(undisturbed, disturbed, strict=True)):
        factor = 0.25 if step >= SET_AT else 1.0
        assert after == pytest.approx([rate * factor for rate in before], rel=1e-9), step


def test_without_a_schedule_the_rate_itself_is_set() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    set_peak_lr(optimizer, [], 0.02)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.02)


def test_the_peak_of_one_cycle_is_its_top_and_is_what_is_set() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    schedule = schedules.OneCycleLR(optimizer, max_lr=0.1, total_steps=STEPS, cycle_momentum=False)
    assert peak_lr(optimizer) == 0.1
    set_peak_lr(optimizer, [schedule], 0.02)
    found = []
    for _ in range(STEPS):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert max(found) == pytest.approx(0.02)


@pytest.mark.parametrize("make", [linear, cosine, None])
def test_a_rate_of_zero_can_be_raised(make: Make | None) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.0)
    made = [] if make is None else [make(optimizer)]
    set_peak_lr(optimizer, made, 0.02)
    found = [optimizer.param_groups[0]["lr"]]
    for _ in range(STEPS if made else 0):
        optimizer.step()
        made[0].step()
        found.append(optimizer.param_groups[0]["lr"])
    assert max(found) == pytest.approx(0.02)
