"""The optimizer, its schedule, and its state as named tensors: a checkpoint holds no pickle and no parameter order."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from transformers import get_scheduler

from traind.config import Train
from traind.dial import warmup_steps

_HAS_FUSED = ("cpu", "cuda", "mps")


def build(model: nn.Module, train: Train) -> torch.optim.Optimizer:
    """AdamW or SGD over what is trained, with decay on weights only.

    Biases and the scales of norms have none (Loshchilov & Hutter 2019): they are what has one dimension, whatever
    its name (nanoGPT's rule).
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decayed = [parameter for parameter in trained if parameter.ndim > 1]
    plain = [parameter for parameter in trained if parameter.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": train.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    fused = all(parameter.device.type in _HAS_FUSED for parameter in trained)
    if train.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=train.lr, momentum=train.momentum, fused=fused)
    return torch.optim.AdamW(groups, lr=train.lr, betas=train.betas, eps=train.eps, fused=fused)


def step_unless(optimizer: torch.optim.Optimizer, is_bad: Tensor) -> None:
    """Update, unless `is_bad` (fp32, no dimension, on the device) is 1: then nothing changes, without a host sync.

    By what the fused kernels offer to loss scalers (`found_inf`); an optimizer without it has to wait for the device.
    """
    if not optimizer.defaults.get("fused"):
        if is_bad.item():
            return
        optimizer.step()
        return
    _begin_momentum(optimizer)
    optimizer.found_inf = is_bad  # type: ignore[attr-defined]
    try:
        optimizer.step()
    finally:
        del optimizer.found_inf  # type: ignore[attr-defined]


def _begin_momentum(optimizer: torch.optim.Optimizer) -> None:
    """Momentum from zero is what a first step gives; a first step that is not made would leave it undefined."""
    if not isinstance(optimizer, torch.optim.SGD) or not optimizer.defaults["momentum"]:
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None and optimizer.state[parameter].get("momentum_buffer") is None:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def schedule_shape(train: Train, num_steps: int) -> Callable[[int], float]:
    """The schedule as a pure function: steps done → factor of the peak learning rate for the next step."""
    name: str = train.schedule
    options: dict[str, float] = {}
    if train.schedule == "constant":
        name = "constant_with_warmup"
    elif train.min_lr:
        name, options = "cosine_with_min_lr", {"min_lr_rate": train.min_lr / train.lr}
    carrier = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    schedule = get_scheduler(
        name,
        carrier,
        num_warmup_steps=warmup_steps(train, num_steps),
        num_training_steps=num_steps,
        scheduler_specific_kwargs=options,
    )
    shape: Callable[[int], float] = schedule.lr_lambdas[0]
    # Beyond its end a cosine would rise again.
    return lambda step: shape(min(step, num_steps))


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
        if tensor.shape == parameter.shape:
            # In the parameter's own memory layout: fused kernels walk both alike.
            optimizer.state[parameter][key] = torch.empty_like(parameter, dtype=tensor.dtype).detach().copy_(tensor)
        else:
            optimizer.state[parameter][key] = tensor.to(_place_of(key, optimizer, parameter), copy=True)


def _place_of(key: str, optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> torch.device:
    """Beside the parameter, but for the step count of an optimizer that is not fused: it stays in host memory."""
    is_host_count = key == "step" and not optimizer.defaults.get("fused")
    return torch.device("cpu") if is_host_count else parameter.device
