"""What a run will take: memory of the device, disk, and time. Measured on one step, extrapolated in proportion."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil
import torch
from torch import Tensor, nn

from rundir.size import size
from traind.check.finding import Finding, fault, ok, warn
from traind.check.plan import Plan
from traind.config import Config
from traind.device import Placement
from traind.words import duration

TIGHT = 0.9
"""Share of the memory from which the next longer batch may not fit."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What was measured on a step."""

    micro_step_s: float
    """A micro-batch with its update."""
    eval_batch_s: float
    optimizer_bytes: int


@dataclass(slots=True)
class Activations:
    """Bytes that the backward pass needs of the forward pass, beside the weights."""

    num_bytes: int = 0
    _seen: set[int] = field(default_factory=set)

    @contextmanager
    def measured(self, model: nn.Module) -> Iterator[None]:
        """Count what is saved while the block runs; on every kind of device."""
        self._seen = {tensor.untyped_storage().data_ptr() for tensor in model.parameters()}

        def keep(tensor: Tensor) -> Tensor:
            place = tensor.untyped_storage().data_ptr()
            if place not in self._seen:
                self._seen.add(place)
                self.num_bytes += tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            yield


def bytes_of(tensors: Iterator[Tensor]) -> int:
    """Their sizes added up; tied ones count once."""
    return sum({tensor.data_ptr(): tensor.numel() * tensor.element_size() for tensor in tensors}.values())


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Moments and the like."""
    return bytes_of(
        value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor)
    )


def examine_memory(
    model: nn.Module, optimizer: torch.optim.Optimizer, activation_bytes: float, placement: Placement
) -> Finding:
    """Weights, gradients, optimizer and activations against what the device has."""
    weights = bytes_of(tensor for tensor in (*model.parameters(), *model.buffers()))
    gradients = bytes_of(parameter for parameter in model.parameters() if parameter.requires_grad)
    moments = state_bytes(optimizer)
    needed = weights + gradients + moments + activation_bytes
    free, where = _free_bytes(placement.device, weights + moments)
    text = (
        f"about {size(needed)} (weights {size(weights)}, gradients {size(gradients)}, optimizer {size(moments)}, "
        f"activations of the longest batch {size(activation_bytes)}); {where} has {size(free)} free"
    )
    cure = "halve train.batch_size and double train.accumulation, or set train.gradient_checkpointing = true"
    if needed > free:
        return fault("memory", text, cure)
    return warn("memory", text, cure) if needed > TIGHT * free else ok("memory", text)


def _free_bytes(device: torch.device, in_use_here: int) -> tuple[int, str]:
    """What is free when this check has ended."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device), str(device)
    return psutil.virtual_memory().available + in_use_here, "the machine"


def examine_time(config: Config, plan: Plan, cost: Cost, *, num_eval: int | None) -> Finding:
    """How long the run will take, saving aside. `num_eval`: eval examples, None where they were too many to count."""
    training_s = plan.total_steps * config.train.accumulation * cost.micro_step_s
    text = f"about {duration(training_s)} ({cost.micro_step_s * 1000:,.0f} ms a micro-batch just now)"
    if num_eval is None:
        return ok("run time", f"{text}, and {plan.num_evals:,} evaluations")
    eval_s = plan.num_evals * -(-num_eval // config.eval.batch_size) * cost.eval_batch_s
    return ok("run time", f"{text} and {duration(eval_s)} for {plan.num_evals:,} evaluations")
