"""What stands behind a bad curve, looked at every so many steps: how large an update is against the weights, which
tensors it leaves as they were, the gradients at both ends of the model, ReLU units that nothing activates.

All of it stays on the device until the step's record is read, and nothing waits for it. Reads weights and gradients,
changes none, draws no random number.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

SAMPLE_SIZE = 16_384
"""Elements of a tensor at most whose update is measured: what a copy of the weights would cost is not there to spend.
Evenly spaced ones, so that the ratio of two norms is estimated to a per cent or so."""
MIN_INPUTS = 1_000
"""Inputs before a ReLU unit that none of them activated is called dead: fewer are sparsity, not death."""
_WORDS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Whole numbers of so many bytes."""


@dataclass(frozen=True, slots=True)
class Causes:
    """What was seen of one update; on the device and not yet waited for."""

    values: dict[str, Tensor]
    """By the names of a step record's metrics, no dimension; nan where there is nothing to say."""
    is_unchanged: Tensor
    """[tensors]: 1 where the update changed nothing, else 0; nan where the update was not made."""
    names: Sequence[str]
    """Of those tensors."""


def is_due(step: int, every: int, log_every: int) -> bool:
    """Whether the causes of `step` (counts from 1) are looked at: at the first record from each multiple of `every` on.

    0: never. A function of the step alone, so that a resumed run looks at the same ones.
    """
    return every > 0 and step % log_every == 0 and step % every < log_every


class DirectCauses:
    """Owns the sample of the weights before an update, and what the ReLU units have shown so far."""

    def __init__(self, model: nn.Module) -> None:
        named = [(name, each) for name, each in model.named_parameters() if each.requires_grad and each.numel()]
        trained = [(name, parameter) for name, parameter in named if parameter.is_floating_point()]
        self.names = [name for name, _ in trained]
        self._parameters = [parameter for _, parameter in trained]
        self._sizes = [len(_spaced(parameter)) for parameter in self._parameters]
        self._matrices = [parameter for parameter in self._parameters if parameter.ndim > 1]
        self._relus = [(n, module) for n, module in model.named_modules() if isinstance(module, nn.ReLU | nn.ReLU6)]
        self._has_fired: dict[tuple[str, int], Tensor] = {}
        """Whether a unit was active since the last report, [units], by layer and its width: a module that is used in
        several places of the same width counts as one layer."""
        self._num_inputs: dict[tuple[str, int], int] = {}
        self._before: tuple[Tensor, Tensor] | None = None
        self._values: dict[str, Tensor] = {}

    # --- the forward pass ----------------------------------------------------------------------------------------

    @contextmanager
    def watch_units(self) -> Iterator[None]:
        """Note which ReLU units are active in the forward passes of training within."""
        handles: list[RemovableHandle] = [
            module.register_forward_hook(self._noting(name)) for name, module in self._relus
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _noting(self, name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def note(module: nn.Module, _: object, output: Tensor) -> None:
            if not module.training or output.ndim < 2:  # an evaluation at a safe point of the step
                return
            # Of [examples, positions, units] the last, else the second: [examples, units], [examples, channels, …].
            unit_dim = 2 if output.ndim == 3 else 1
            others = [dim for dim in range(output.ndim) if dim != unit_dim]
            fired = (output.detach() > 0).sum(dim=others) > 0
            key = (name, len(fired))
            earlier = self._has_fired.get(key)
            self._has_fired[key] = fired if earlier is None else earlier | fired
            num_inputs = output.shape[0] * (output.shape[1] if output.ndim == 3 else 1)
            self._num_inputs[key] = self._num_inputs.get(key, 0) + num_inputs

        return note

    def _dead_share(self) -> Tensor | None:
        """The largest over the layers that have seen enough inputs, which begin anew."""
        known = [key for key, num_inputs in self._num_inputs.items() if num_inputs >= MIN_INPUTS]
        shares = [1.0 - self._has_fired.pop(key).float().mean() for key in known]
        for key in known:
            del self._num_inputs[key]
        return torch.stack(shares).max() if shares else None

    # --- the update ----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def before_update(self) -> None:
        """Call with the gradients whole and not yet clipped."""
        if not self._parameters:
            return
        self._values = {}
        for name, parameter in zip(("grad_norm_first", "grad_norm_last"), self._ends(), strict=False):
            if parameter.grad is not None:
                self._values[name] = torch.linalg.vector_norm(parameter.grad)
        self._before = self._sample(), self._checksums()

    @torch.no_grad()
    def after_update(self, is_bad: Tensor) -> Causes | None:
        """What the update has come to; `is_bad` is 1 where it was not made. None where nothing is trained."""
        if self._before is None:
            return None
        (weights, checksums), self._before = self._before, None
        update = torch.split(self._sample() - weights, self._sizes)
        sizes, largest = _norms(update, 2.0), _norms(update, math.inf)
        ratios = sizes / _norms(torch.split(weights, self._sizes), 2.0)  # of weights that are all zero: inf, or nan
        ratios = torch.where(torch.isinf(ratios), math.nan, ratios)
        is_same = (largest == 0) & (checksums == self._checksums())
        made = is_bad == 0
        self._values["update_ratio"] = torch.where(made, ratios.nanmedian(), math.nan)
        if (dead := self._dead_share()) is not None:
            self._values["dead_relu_share"] = dead
        return Causes(self._values, torch.where(made, is_same.to(ratios.dtype), math.nan), self.names)

    def _ends(self) -> list[nn.Parameter]:
        return [self._matrices[0], self._matrices[-1]] if len(self._matrices) > 1 else []

    def _sample(self) -> Tensor:
        """Some elements of every tensor, end to end; at least fp32."""
        sample = torch.cat([_spaced(parameter) for parameter in self._parameters])
        return sample.to(torch.promote_types(sample.dtype, torch.float32))

    def _checksums(self) -> Tensor:
        """The sum of a tensor's bits as whole numbers, [tensors]: what the sample leaves out, without a copy of it.

        0 for those that the sample holds whole.
        """
        zero = torch.zeros((), dtype=torch.int64, device=self._parameters[0].device)
        return torch.stack(
            [
                zero if size == parameter.numel() else parameter.detach().view(_WORDS[parameter.element_size()]).sum()
                for parameter, size in zip(self._parameters, self._sizes, strict=True)
            ]
        )


def _spaced(parameter: nn.Parameter) -> Tensor:
    """At most SAMPLE_SIZE elements, evenly spaced; an odd stride meets every column of a matrix."""
    flat = parameter.detach().reshape(-1)
    stride = -(-len(flat) // SAMPLE_SIZE)
    return flat[:: stride + (stride % 2 == 0)]


def _norms(tensors: Sequence[Tensor], order: float) -> Tensor:
    return torch.stack(torch._foreach_norm(list(tensors), order))  # noqa: SLF001 — one kernel, as clip_grad_norm_ does
