"""One batch through everything that a user wrote, before training: whatever is not as `Custom` says is told in words.

Leaves the model as it found it, but for its gradients' absence; draws from the global generator.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from traind.config import Config, ConfigError
from traind.custom import TARGETS, Custom, Examples


def rehearse(made: Custom, model: nn.Module, config: Config) -> tuple[str, ...]:
    """The names of the metrics. Raises ConfigError; what the user's code raises by itself passes."""
    what = f"task.factory = {config.task.factory!r}"
    for name, tensor in model.state_dict().items():
        if not isinstance(tensor, Tensor):
            raise ConfigError(
                f"{what}: the model's state_dict has {name}, which is no tensor; keep tensors in it alone"
            )
    was_training = model.training
    model.train(mode=False)
    try:
        _check_loss(made, model, what)
        batch = _batch(made, made.eval_data, config.eval.batch_size, what)
        # What a model caches at its first call must be of use to training: no inference mode.
        with torch.no_grad():
            outputs = _outputs(model, batch, what)
            _losses(made, outputs, batch, what)
            return _names(made.metrics(outputs.float(), batch[TARGETS]), what)
    finally:
        model.train(was_training)


def _check_loss(made: Custom, model: nn.Module, what: str) -> None:
    batch = _batch(made, made.train_data, 2, what)
    losses = _losses(made, _outputs(model, batch, what), batch, what)
    if not losses.requires_grad:
        raise ConfigError(
            f"{what}: the loss does not depend on any parameter; leave out detach() and no_grad(), and give the model "
            "a parameter with requires_grad"
        )


def _batch(made: Custom, data: Examples, limit: int, what: str) -> dict[str, Tensor]:
    count = min(limit, len(data))
    batch: Any = made.collate([data[index] for index in range(count)])
    if not isinstance(batch, dict):
        raise ConfigError(f"{what}: collate returned a {type(batch).__name__}; it must be a dict of tensors")
    for name, tensor in batch.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ConfigError(f"{what}: collate's {name!r} is a {type(tensor).__name__}; names and tensors are wanted")
        if tensor.ndim == 0 or len(tensor) != count:
            raise ConfigError(
                f"{what}: collate made {name} of shape {list(tensor.shape)} from {count} examples; the first "
                "dimension must be the examples"
            )
    if TARGETS not in batch:
        raise ConfigError(f"{what}: collate returned {', '.join(batch) or 'nothing'}, no {TARGETS}; add them")
    return batch


def _outputs(model: nn.Module, batch: dict[str, Tensor], what: str) -> Tensor:
    inputs = {name: tensor for name, tensor in batch.items() if name != TARGETS}
    try:
        inspect.signature(model.forward).bind(**inputs)
    except TypeError as error:
        raise ConfigError(
            f"{what}: collate returned {', '.join(inputs) or 'nothing'} beside {TARGETS}, but {_forward(model)}: "
            f"{error}; give the tensors the names of its arguments"
        ) from None
    outputs: Any = model(**inputs)
    if not isinstance(outputs, Tensor):
        raise ConfigError(f"{what}: the model returned a {type(outputs).__name__}; it must be one tensor")
    if outputs.ndim == 0 or len(outputs) != len(batch[TARGETS]):
        raise ConfigError(
            f"{what}: the model made {list(outputs.shape)} of {len(batch[TARGETS])} examples; the first dimension "
            "must be the examples"
        )
    return outputs


def _forward(model: nn.Module) -> str:
    return f"the model takes {inspect.signature(model.forward)}"


def _losses(made: Custom, outputs: Tensor, batch: dict[str, Tensor], what: str) -> Tensor:
    losses: Any = made.loss(outputs.float(), batch[TARGETS])
    if not isinstance(losses, Tensor):
        raise ConfigError(
            f"{what}: loss returned a {type(losses).__name__}; it must be a tensor, one number an example"
        )
    if losses.shape != batch[TARGETS].shape[:1] or not losses.is_floating_point():
        raise ConfigError(
            f"{what}: loss has shape {list(losses.shape)} and type {losses.dtype} for {len(outputs)} examples; one "
            'floating-point number an example is wanted: reduction="none", and a mean over further dimensions'
        )
    return losses


def _names(found: Any, what: str) -> tuple[str, ...]:
    if not isinstance(found, Mapping):
        raise ConfigError(f"{what}: metrics returned a {type(found).__name__}; it must be a dict of names and numbers")
    for name, value in found.items():
        if not isinstance(name, str) or not name:
            raise ConfigError(f"{what}: metrics has the name {name!r}; names are texts")
        if name == "loss":
            raise ConfigError(f"{what}: metrics has a loss of its own; leave it out, the daemon measures that one")
        if not _is_number(value):
            raise ConfigError(f"{what}: metrics has {name} = {type(value).__name__}; a number is wanted")
    return tuple(found)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError, RuntimeError):
        return False
    return not isinstance(value, str)
