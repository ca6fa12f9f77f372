"""What can be wrong with a model's weights before it has seen any data."""

from collections.abc import Iterator

import torch
from torch import nn

from rundir.size import size
from traind.check.finding import Finding, fault, ok, some, warn


def examine_weights(model: nn.Module, *, is_adapter: bool) -> Iterator[Finding]:
    """How many there are, how many of them learn, and whether all are numbers.

    `is_adapter`: most are meant to stay as they are.
    """
    parameters = dict(model.named_parameters())
    total = sum(parameter.numel() for parameter in parameters.values())
    frozen = [name for name, parameter in parameters.items() if not parameter.requires_grad]
    trained = total - sum(parameters[name].numel() for name in frozen)
    num_bytes = sum(parameter.numel() * parameter.element_size() for parameter in parameters.values())
    text = f"{type(model).__name__}, {total:,} parameters ({size(num_bytes)}), {trained:,} trained"
    if not trained:
        yield fault(
            "parameters",
            f"{text}: every weight is frozen, nothing can be learnt",
            "set requires_grad on what is to be trained",
        )
    elif frozen and not is_adapter:
        yield warn(
            "parameters",
            f"{text}; {len(frozen):,} tensors are frozen: {some(frozen)}",
            "if that is not meant, set requires_grad on them",
        )
    else:
        yield ok("parameters", text + (f" ({trained / total:.1%})" if frozen else ""))
    yield from _values(model)


def _values(model: nn.Module) -> Iterator[Finding]:
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    floating = {name: tensor.detach() for name, tensor in tensors.items() if tensor.is_floating_point()}
    broken = [name for name, tensor in floating.items() if not torch.isfinite(tensor).all()]
    if broken:
        yield fault(
            "weights",
            f"NaN or infinite values in {len(broken):,} of {len(floating):,} tensors: {some(broken)}",
            "take an earlier checkpoint, or fetch the pretrained model anew",
        )
    else:
        yield ok("weights", f"all {len(floating):,} tensors are finite")
