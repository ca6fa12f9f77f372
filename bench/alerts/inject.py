"""What the faults do to a batch, to the loss and to the net. One function for each place where they act."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from bench.alerts.flat import Flat
from bench.alerts.spec import Spec
from bench.alerts.task import Task


def batch(spec: Spec, task: Task, x: Tensor, y: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """The batch as the fault leaves it at this step."""
    strength = spec.strength(step)
    if strength == 0.0:
        return x, y
    match spec.fault:
        case "labels" | "labels-ramp":
            return x, _wrong(task, y, strength * spec.size)
        case "data":
            return _noisy(x, task, spec.size), y
        case "spike":
            return (x * spec.size, y) if x.is_floating_point() else (_noisy(x, task, 1.0), y)
        case "nan-input" if x.is_floating_point():
            x = x.clone()
            x.view(-1)[0] = math.nan
        case "collapse":
            y = torch.where(torch.rand(y.shape) < spec.size, torch.zeros_like(y), y)
    return x, y


def _wrong(task: Task, y: Tensor, share: float) -> Tensor:
    other = y[torch.randperm(len(y))] if task.num_classes is None else torch.randint_like(y, task.num_classes)
    chosen = torch.rand(len(y)).view(-1, *[1] * (y.dim() - 1)) < share
    if task.num_classes is None and task.has_opposites:
        other = -other + y.mean()
    return torch.where(chosen, other, y)


def _noisy(x: Tensor, task: Task, size: float) -> Tensor:
    if x.is_floating_point():
        return x + size * torch.randn_like(x)
    highest = task.x.amax(dim=tuple(range(task.x.dim() - 1))) + 1
    other = (torch.rand(x.shape) * highest).long()
    return torch.where(torch.rand(x.shape) < min(1.0, size), other, x)


def loss(spec: Spec, task: Task, value: Tensor, step: int) -> Tensor:
    """The loss that is reported and differentiated."""
    if spec.strength(step) == 0.0:
        return value
    match spec.fault:
        case "loss-weight":
            return value * spec.size
        case "spike" if not task.x.is_floating_point():
            return value * spec.size
        case "detach":
            return value.detach() + 0.0 * value
        case "nan-loss":
            return value * math.nan
        case "nan-input" if not task.x.is_floating_point():
            return value * math.nan
    return value


def grads(spec: Spec, flat: Flat, step: int) -> None:
    """The gradients as they reach clipping."""
    if spec.fault == "grad-scale" and spec.strength(step):
        flat.grads.mul_(spec.size)


def mask(spec: Spec, flat: Flat, step: int) -> Tensor | None:
    """1 for parameters that the optimizer has, 0 for those it lacks; None where it has them all."""
    if spec.fault != "freeze" or not spec.strength(step):
        return None
    kept = torch.ones_like(flat.values)
    parts = flat.parts(kept)
    for part in parts[: max(1, round(spec.size * len(parts)))]:
        part.zero_()
    return kept


def relu_layers(model: nn.Module) -> list[tuple[nn.Module, nn.Module]]:
    """Each ReLU behind the layer that feeds it."""
    found: list[tuple[nn.Module, nn.Module]] = []
    for module in model.modules():
        if isinstance(module, nn.Sequential):
            found += [(a, b) for a, b in pairwise(module) if isinstance(b, nn.ReLU)]
    return found


@torch.no_grad()
def net(spec: Spec, model: nn.Module, step: int) -> None:
    """What is done to the net itself at a step, before its forward pass."""
    if step != spec.at:
        return
    if spec.fault == "dead-relu":
        for layer, _ in relu_layers(model):
            bias: Tensor = layer.bias  # type: ignore[assignment]
            bias[: round(spec.size * len(bias))] = -50.0
    elif spec.fault == "bad-init":
        heads = [m for m in model.modules() if isinstance(m, nn.Linear)]
        heads[-1].weight.mul_(spec.size)


@torch.no_grad()
def dead_share(model: nn.Module, x: Tensor) -> float | None:
    """The largest share over layers of ReLU units (channels) that none of these inputs activates; None without ReLU."""
    layers = relu_layers(model)
    if not layers:
        return None
    shares: list[float] = []

    def look(_module: nn.Module, _inputs: object, out: Tensor) -> None:
        alive = (~(out <= 0)).transpose(0, 1).flatten(1).any(1)  # NaN is not dead, it is something else
        shares.append(1.0 - float(alive.float().mean()))

    handles = [relu.register_forward_hook(look) for _, relu in layers]
    model(x)
    for handle in handles:
        handle.remove()
    return max(shares)
