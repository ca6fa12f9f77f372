"""What a checkpoint holds when an order comes in the midst of a step: the state of the boundary before it, whole."""

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from traind.config import Config, Train
from traind.device import place
from traind.stepper import Stepper
from traind.task import Batch, Task


class Regression:
    """The few members of a task that a step needs."""

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        return model.state_dict()

    def target_weight(self, batch: Batch) -> float:
        return float(len(batch["x"]))

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        return cast("Tensor", model(batch["x"]))

    def loss_sum(self, outputs: Tensor, batch: Batch) -> Tensor:
        return functional.mse_loss(outputs, batch["y"], reduction="sum")

    def count(self, outputs: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002
        return torch.zeros(0, dtype=torch.int64)


def stepper(safe_point: Callable[[], None]) -> Stepper:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 1))
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    config = Config(train=Train(device="cpu"))
    return Stepper(config, cast("Task", Regression()), model, place(config.train), safe_point)


def batches() -> list[Batch]:
    torch.manual_seed(1)
    return [{"x": torch.randn(4, 1, 4, 4), "y": torch.randn(4, 1)} for _ in range(3)]


def train(one: Stepper, step: int) -> None:
    one.train(batches(), step=step, lr=lambda: 1e-2, clip=lambda: 1.0)


def test_a_copy_in_the_midst_of_a_step_is_that_of_the_boundary() -> None:
    """Running means have moved by then: a resume would move them twice."""
    copies: list[dict[str, Tensor]] = []

    def copy() -> None:
        copies.append(one.copy_model())

    one = stepper(copy)
    before = one.copy_model()
    train(one, 0)
    assert len(copies) == 3
    assert all(torch.equal(before[name], copy[name]) for copy in copies for name in before)
    after = one.copy_model()
    assert not torch.equal(before["1.running_mean"], after["1.running_mean"])
    assert int(after["1.num_batches_tracked"]) == 3


def test_a_step_from_a_copy_is_the_same_whatever_the_memory_layout() -> None:
    one, two = stepper(lambda: None), stepper(lambda: None)
    train(one, 0)
    kept: dict[str, Any] = one.copy_optimizer()
    assert all(tensor.is_contiguous() for tensor in kept.values())
    two.model.load_state_dict(one.copy_model())
    two.restore(kept, None)
    train(one, 1)
    train(two, 1)
    one_model, two_model = one.copy_model(), two.copy_model()
    assert all(torch.equal(one_model[name], two_model[name]) for name in one_model)


def test_training_is_the_plain_loop_float_for_float() -> None:
    """Mean loss over equal micro-batches, clipping, AdamW: as a short script would write it."""
    one, plain = stepper(lambda: None), stepper(lambda: None).model
    train_settings = Config().train
    decayed = [parameter for parameter in plain.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in plain.parameters() if parameter.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": train_settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    adamw = torch.optim.AdamW(groups, lr=1e-2, fused=True)
    for step in range(5):
        result = one.train(batches(), step=step, lr=lambda: 1e-2, clip=lambda: 1.0)
        total = torch.zeros((), dtype=torch.float64)
        for batch in batches():
            loss = functional.mse_loss(plain(batch["x"]), batch["y"], reduction="sum") / 12
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach().double()
        grad_norm = torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        adamw.step()
        adamw.zero_grad()
        assert result.loss.item() == pytest.approx(total.item(), rel=1e-7)
        assert torch.equal(result.grad_norm, grad_norm)
    assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), plain.parameters(), strict=True))
