"""A transformer's body in bf16 under a head in fp32. Knows no task and no adapter."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def heads_of(model: nn.Module) -> dict[str, nn.Module]:
    """The modules that stand on a transformer's body and have weights of their own, by name.

    A language model whose output layer is the table of its embeddings has none.
    """
    prefix: str = getattr(model, "base_model_prefix", "")
    body = {id(parameter) for parameter in getattr(model, prefix).parameters()}
    return {
        name: child
        for name, child in model.named_children()
        if name != prefix and any(True for _ in child.parameters()) and not _ids(child) & body
    }


def _ids(module: nn.Module) -> set[int]:
    return {id(parameter) for parameter in module.parameters()}


def lower_body(model: nn.Module) -> None:
    """Put the body's weights into bf16, in place; each head stays in fp32 and casts what it is given."""
    for head in heads_of(model).values():
        head.register_forward_pre_hook(cast_input, with_kwargs=True)
    getattr(model, getattr(model, "base_model_prefix", "")).to(torch.bfloat16)


def cast_input(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], Any]:
    """A forward pre-hook: floating-point tensors come in the dtype of the module's own weights."""
    dtype = next(module.parameters()).dtype

    def cast(value: Any) -> Any:
        return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value

    return tuple(map(cast, args)), {name: cast(value) for name, value in kwargs.items()}
