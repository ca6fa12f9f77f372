"""Whether a model learns: a gradient at every weight, weights that move, a loss that falls when one batch is repeated.

Uses the trainer's own step, so that what is checked is what will run.
"""

import math
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import msgspec
import torch
from torch import Tensor, nn

from traind.check.finding import Finding, fault, ok, some, warn
from traind.config import Config
from traind.device import Placement
from traind.stepper import Stepper
from traind.task import Batch, Task

MAX_STEPS = 30
LEAST_STEPS = 3
RISING_STEPS = 4
TELLING_STEPS = 12
"""Fewer may fail to lower the loss of a model that learns."""
REPEAT_S = 3.0
"""How long one batch is repeated, be it at one learning rate or another."""
PATIENCE_S = 8.0
"""How long it is while the loss has not fallen clearly."""
FALL = 0.01
"""Of the loss, that counts as learning."""
CLEAR = 0.05
"""Of the loss, that is no chance."""
ENOUGH = 0.3
"""Of the loss, at which there is no need to go on."""
VANISHING = 1e-6
"""Of the median gradient: next to nothing arrives."""
LEARNT = 0.02
"""A loss that need not fall any more."""
_OTHER_RATES = {"adamw": (1e-3, 1e-4, 1e-5), "sgd": (1e-1, 1e-2, 1e-3)}


@dataclass(slots=True)
class GradientWatch:
    """The largest root mean square that the gradient of each parameter has had; no entry: none arrived."""

    largest: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def on(self, model: nn.Module) -> Iterator[None]:
        """Listen while the block runs."""
        names = {parameter: name for name, parameter in model.named_parameters()}

        def note(parameter: Tensor) -> None:
            if parameter.grad is not None:
                rms = float(parameter.grad.detach().float().square().mean().sqrt())
                name = names[parameter]  # type: ignore[index]  # a parameter, as it is one that is listened to
                self.largest[name] = max(rms, self.largest.get(name, 0.0)) if math.isfinite(rms) else math.inf

        handles = [
            parameter.register_post_accumulate_grad_hook(note)  # type: ignore[no-untyped-call]
            for parameter in model.parameters()
            if parameter.requires_grad
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


@dataclass(frozen=True, slots=True)
class Repetition:
    """One batch learnt by heart."""

    before: float
    after: float
    num_steps: int
    step_s: float
    """Of the fastest step."""

    @property
    def fall(self) -> float:
        """Share of the loss that is gone; negative where it rose, NaN where it is no number."""
        return (self.before - self.after) / self.before if self.before else 0.0

    @property
    def is_learnt(self) -> bool:
        return self.fall >= FALL or self.after <= LEARNT


def trained_weights(model: nn.Module) -> dict[str, Tensor]:
    """Copies of what training changes, in host memory."""
    return {name: p.detach().to("cpu", copy=True) for name, p in model.named_parameters() if p.requires_grad}


def put_back(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Undo what training has changed."""
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in weights.items():
            parameters[name].copy_(tensor)


def loss_of(task: Task, model: nn.Module, batch: Batch, placement: Placement) -> tuple[Tensor, float]:
    """Outputs (fp32, host) and loss of a host batch, without dropout."""
    there = {name: tensor.to(placement.device) for name, tensor in batch.items()}
    autocast = placement.autocast
    context = nullcontext() if autocast is None else torch.autocast(placement.device.type, dtype=autocast)
    model.eval()
    try:
        with torch.no_grad(), context:
            outputs = task.forward(model, there)
            loss_sum = float(task.loss_sum(outputs, there))
    finally:
        model.train()
    return outputs.float().cpu(), loss_sum / (task.target_weight(batch) or 1.0)


def repeat(config: Config, task: Task, model: nn.Module, placement: Placement, batch: Batch) -> Repetition:
    """Train on one batch again and again, until it is learnt or the time is up.

    The learning rate rises to its peak over a few steps, as it does in a run: without that the loss may rise first.
    """
    stepper = Stepper(config, task, model, placement, lambda: None)
    before = loss_of(task, model, batch, placement)[1]
    done, step_s, began, after = 0, math.inf, time.monotonic(), before
    for limit_s in (REPEAT_S, PATIENCE_S):
        while done < MAX_STEPS and (done < LEAST_STEPS or time.monotonic() - began < limit_s):
            lr = config.train.lr * min(1.0, (done + 1) / RISING_STEPS)
            loss, took_s = step(stepper, batch, done, lr=lr, clip_norm=config.train.clip_norm)
            done, step_s = done + 1, min(step_s, took_s)
            if not math.isfinite(loss) or loss < before * (1 - ENOUGH):
                break
        after = loss_of(task, model, batch, placement)[1]
        if after < before * (1 - CLEAR):
            break
    return Repetition(before, after, done, step_s)


def step(stepper: Stepper, batch: Batch, done: int, *, lr: float, clip_norm: float) -> tuple[float, float]:
    """One step of the trainer on one micro-batch: the loss before it, and seconds."""
    began = time.monotonic()
    loss = float(stepper.train([batch], step=done, lr=lambda: lr, clip=lambda: clip_norm).loss)  # waits for the device
    return loss, time.monotonic() - began


def examine_gradients(model: nn.Module, watch: GradientWatch) -> Finding:
    """Whether a gradient arrived at every weight that is trained, in any of the steps watched."""
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    total = sum(parameter.numel() for parameter in trained.values())
    endless = [name for name, rms in watch.largest.items() if not math.isfinite(rms)]
    if endless:
        return fault(
            "gradients",
            f"NaN or infinite in {len(endless):,} of {len(trained):,} tensors: {some(endless)}",
            "lower train.lr, set train.clip_norm = 1.0, and look at the loss for a division or logarithm of zero",
        )
    absent = [name for name in trained if name not in watch.largest]
    zero = [name for name, rms in watch.largest.items() if rms == 0]
    cure = "look for .detach(), no_grad, an unused layer or a dead activation between them and the loss"
    if absent or zero:
        text = "; ".join(
            f"{what} at {len(names):,} of {len(trained):,} tensors: {some(names)}"
            for what, names in (("absent", absent), ("zero", zero))
            if names
        )
        share = sum(trained[name].numel() for name in (*absent, *zero)) / total
        return fault("gradients", text, cure) if share > 0.5 else warn("gradients", text, cure)
    middle = statistics.median(watch.largest.values()) if watch.largest else 0.0
    tiny = [name for name, rms in watch.largest.items() if rms < VANISHING * middle and trained[name].dim() > 1]
    if tiny:
        return warn("gradients", f"next to none at {len(tiny):,} of {len(trained):,} tensors: {some(tiny)}", cure)
    return ok("gradients", f"one at each of {len(trained):,} tensors, {total:,} weights")


def examine_update(model: nn.Module, before: Mapping[str, Tensor], watch: GradientWatch, lr: float) -> Finding:
    """Whether one step has changed every weight that had a gradient."""
    parameters = dict(model.named_parameters())
    moved = [name for name, rms in watch.largest.items() if rms > 0]
    still = [name for name in moved if torch.equal(parameters[name].detach().cpu(), before[name])]
    if not still:
        return ok("update", f"one step at {lr:g} changes all {len(moved):,} tensors that have a gradient")
    text = f"one step at {lr:g} leaves {len(still):,} of {len(moved):,} tensors with a gradient as they are"
    cure = "raise train.lr, or keep trained weights in fp32: so small a step is lost in rounding"
    if 2 * len(still) >= len(moved):
        return fault("update", f"{text}: {some(still)}", cure)
    return warn("update", f"{text}: {some(still)}", cure)


def examine_repetition(
    config: Config, task: Task, model: nn.Module, placement: Placement, batch: Batch, found: Repetition
) -> Finding:
    """What it means that the loss of a repeated batch fell, or did not: then other learning rates are tried.

    Leaves the model changed.
    """
    text = f"loss {found.before:.3f} → {found.after:.3f} in {found.num_steps} steps on one batch"
    if found.is_learnt:
        return ok("learns one batch", text)
    if found.num_steps < TELLING_STEPS and math.isfinite(found.after):
        return ok("learns one batch", f"{text}: too slow here to tell")
    weights = trained_weights(model)
    for lr in _OTHER_RATES[config.train.optimizer]:
        if 0.5 < lr / config.train.lr < 2:
            continue
        put_back(model, weights)
        other = msgspec.structs.replace(config, train=msgspec.structs.replace(config.train, lr=lr))
        if repeat(other, task, model, placement, batch).is_learnt:
            turn = "raise" if lr > config.train.lr else "lower"
            return fault("learns one batch", f"{text}; at {lr:g} it falls", f"{turn} train.lr towards {lr:g}")
    return fault(
        "learns one batch",
        f"{text}, nor does it fall at other learning rates",
        "the model cannot even learn one batch by heart: look at frozen or cut-off layers, the loss, and the labels",
    )
