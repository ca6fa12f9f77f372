"""Schedules as pure functions, decay, and the optimizer's state as named tensors."""

import math

import pytest
import torch
from torch import nn

from traind import optimizer
from traind.config import Train


def small_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2 * 2 * 2, 3))


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        (Train(schedule="linear", warmup_ratio=0.2), [0.0, 0.5, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]),
        (Train(schedule="constant", warmup_steps=4), [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
        (
            Train(schedule="cosine", warmup_steps=0),
            [0.5 * (1 + math.cos(math.pi * step / 10)) for step in range(10)],
        ),
        (
            Train(schedule="cosine", warmup_steps=0, lr=1e-3, min_lr=1e-4),
            [0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * step / 10)) for step in range(10)],
        ),
    ],
    ids=["linear", "constant", "cosine", "cosine to min_lr"],
)
def test_schedules(train: Train, expected: list[float]) -> None:
    shape = optimizer.schedule_shape(train, 10)
    assert [shape(step) for step in range(10)] == pytest.approx(expected)


def test_a_cosine_stays_at_its_minimum_beyond_its_end() -> None:
    shape = optimizer.schedule_shape(Train(schedule="cosine", lr=1e-3, min_lr=1e-4, warmup_steps=2), 10)
    assert shape(10) == pytest.approx(0.1)


def test_a_cosine_does_not_rise_again_beyond_its_end() -> None:
    shape = optimizer.schedule_shape(Train(schedule="cosine", warmup_steps=0), 10)
    assert shape(20) == shape(10) == pytest.approx(0.0)


def test_decay_is_for_weights_alone_whatever_the_others_are_called() -> None:
    model = small_model()
    groups = optimizer.build(model, Train(weight_decay=0.5)).param_groups
    decayed = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
    assert decayed == {id(model[0].weight), id(model[3].weight)}


def test_what_is_frozen_is_not_in_the_optimizer() -> None:
    model = small_model()
    model[0].requires_grad_(False)
    parameters = [p for group in optimizer.build(model, Train()).param_groups for p in group["params"]]
    assert len(parameters) == 4


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_a_step_after_putting_the_state_back_is_the_same(name: str) -> None:
    def step(model: nn.Module, optim: torch.optim.Optimizer) -> None:
        model(torch.ones(2, 1, 4, 4)).square().sum().backward()
        optim.step()
        optim.zero_grad()

    train = Train(optimizer=name, lr=1e-2)
    model = small_model()
    optim = optimizer.build(model, train)
    step(model, optim)
    kept = {key: tensor.clone() for key, tensor in optimizer.state_tensors(model, optim).items()}
    twin = small_model()
    twin.load_state_dict(model.state_dict())
    twin_optim = optimizer.build(twin, train)
    optimizer.load_state_tensors(twin, twin_optim, kept)
    step(model, optim)
    step(twin, twin_optim)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))
