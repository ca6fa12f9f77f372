"""AdamW, its schedule, and its state as named tensors, so that a checkpoint holds no pickle and no parameter order."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from transformers import get_scheduler

from traind.config import Train

_NO_DECAY = ("bias", "norm")


def build(model: nn.Module, train: Train) -> torch.optim.AdamW:
    """AdamW with decay on weights only: biases and norms have none (Loshchilov & Hutter 2019; HF's default split)."""
    decayed: list[Tensor] = []
    plain: list[Tensor] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (plain if any(part in name.lower() for part in _NO_DECAY) else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": train.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=train.lr, betas=train.betas, eps=train.eps, fused=True)


def schedule_shape(train: Train, num_steps: int) -> Callable[[int], float]:
    """The schedule as a pure function: steps done → factor of the peak learning rate for the next step."""
    warmup_steps = round(train.warmup_ratio * num_steps)
    name = "constant_with_warmup" if train.schedule == "constant" else train.schedule
    carrier = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    schedule = get_scheduler(name, carrier, num_warmup_steps=warmup_steps, num_training_steps=num_steps)
    shape: Callable[[int], float] = schedule.lr_lambdas[0]
    return shape


def state_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Every tensor of the optimizer's state, keyed `<parameter name>.<key>`. Not copied."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    return {
        f"{names[parameter]}.{key}": value
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }


def load_state_tensors(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `state_tensors` gave, on each parameter's device. Raises KeyError for an unknown parameter."""
    parameters = dict(model.named_parameters())
    for full_name, tensor in tensors.items():
        name, key = full_name.rsplit(".", 1)
        parameter = parameters[name]
        # Fused AdamW keeps its step count beside the parameter, as the moments.
        optimizer.state[parameter][key] = tensor.to(parameter.device, copy=True)
