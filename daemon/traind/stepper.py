"""One optimizer step: forward and backward over the micro-batches, clip, update. Owns model, optimizer and scaler.

Loss = Σ over micro-batches ÷ total target weight of the step, so that accumulation and any split of it compute
the same.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rundir.records import Sample
from traind import optimizer
from traind.batch_order import dropout_seed
from traind.checkpoint import host_copy
from traind.config import Config
from traind.device import Placement, float_of
from traind.task import Batch, EvalResult, Task


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step gave; tensors are on the device and not yet waited for."""

    loss_sum: Tensor
    """float64, un-normalised."""
    weight: float
    """Total target weight: loss = loss_sum / weight."""
    counts: Tensor
    grad_norm: Tensor
    """Before clipping."""
    num_tokens: int
    loss_scale: Tensor | None
    """Of the fp16 loss scaler, on the device; None without one."""

    @property
    def loss(self) -> Tensor:
        return self.loss_sum / (self.weight or 1.0)


class Stepper:
    """Computes. Knows nothing of records, checkpoints on disk, or orders; calls `safe_point` where one may act."""

    def __init__(
        self, config: Config, task: Task, model: nn.Module, placement: Placement, safe_point: Callable[[], None]
    ) -> None:
        self.model = model
        self.optimizer = optimizer.build(model, config.train)
        self.scaler = torch.amp.GradScaler(placement.device.type, enabled=placement.needs_scaler)
        self._config = config
        self._task = task
        self._placement = placement
        self._safe_point = safe_point
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        kept = model.state_dict().keys()
        self._buffers = {name: buffer for name, buffer in model.named_buffers() if name in kept}
        self._at_boundary: dict[str, Tensor] = {}
        """What a forward pass changes (running means), as it was before the step that is under way."""

    def train(
        self, batches: list[Batch], *, step: int, lr: Callable[[], float], clip: Callable[[], float]
    ) -> StepResult:
        """One step on micro-batches in host memory. `step` counts the steps done before; `lr` and `clip` are asked
        when the update is made, so that an order during the step still acts on it.
        """
        weight = sum(self._task.target_weight(batch) for batch in batches)
        wide = float_of(self._placement.device)
        loss_sum = torch.zeros((), dtype=wide, device=self._placement.device)
        counts: Tensor | int = 0
        self._at_boundary = {name: buffer.clone() for name, buffer in self._buffers.items()}
        for micro_step, batch in enumerate(batches):
            self._safe_point()
            self._seed_dropout(step, micro_step)
            there = self._moved(batch)
            with self._autocast():
                outputs = self._task.forward(self.model, there)
            micro_loss = self._task.loss_sum(outputs, there)
            self.scaler.scale(micro_loss / (weight or 1.0)).backward()  # type: ignore[no-untyped-call]
            loss_sum = loss_sum + micro_loss.detach().to(wide)
            counts = counts + self._task.count(outputs.detach(), there)
        grad_norm = self._update(lr(), clip())
        self._at_boundary = {}
        num_tokens = sum(int(batch["attention_mask"].sum()) for batch in batches if "attention_mask" in batch)
        # get_scale() would wait for the device; the tensor itself does not.
        loss_scale = self.scaler._get_scale_async() if self.scaler.is_enabled() else None  # noqa: SLF001
        return StepResult(loss_sum, weight, torch.as_tensor(counts), grad_norm, num_tokens, loss_scale)

    def evaluate(self, batch_size: int, model: nn.Module | None = None) -> EvalResult:
        """One pass over the eval set with the model in training, or another one, placed beside it for the time.

        Draws no random number, touches no gradient.
        """
        model = self.model if model is None else model.to(self._placement.device)
        was_training = model.training
        model.train(mode=False)
        tally = self._task.start_eval()
        try:
            # Not in inference mode: what a model keeps of such a pass (positions, masks) could not be trained with.
            with torch.no_grad(), self._autocast():
                for batch in self._task.eval_batches(batch_size):
                    self._safe_point()
                    tally.add(batch, self._task.forward(model, self._moved(batch)).float())
        finally:
            model.train(mode=was_training)
        return tally.result()

    def samples(self) -> list[Sample]:
        """What the model, as it is, has to show beside numbers; draws no random number of training's."""
        self.model.train(mode=False)
        try:
            with torch.no_grad(), self._autocast():
                return self._task.samples(self.model)
        finally:
            self.model.train()

    def _moved(self, batch: Batch) -> Batch:
        return {name: tensor.to(self._placement.device, non_blocking=True) for name, tensor in batch.items()}

    def _update(self, lr: float, clip_norm: float) -> Tensor:
        self.scaler.unscale_(self.optimizer)
        grad_norm = torch.nn.utils.clip_grad_norm_(self._parameters, clip_norm or float("inf"))
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return grad_norm

    def _seed_dropout(self, step: int, micro_step: int) -> None:
        seed = dropout_seed(self._config.seed, step, micro_step)
        torch.default_generator.manual_seed(seed)
        if self._placement.device.type == "cuda":
            torch.cuda.manual_seed(seed)
        elif self._placement.device.type == "mps":
            torch.mps.manual_seed(seed)

    def _autocast(self) -> AbstractContextManager[object]:
        if self._placement.autocast is None:
            return nullcontext()
        return torch.autocast(self._placement.device.type, dtype=self._placement.autocast)

    # --- the state that a checkpoint holds -----------------------------------------------------------------------

    def copy_model(self) -> dict[str, Tensor]:
        """As it was at the last boundary, also in the midst of a step."""
        live = self._task.weights(self.model)
        return host_copy({name: self._at_boundary.get(name, tensor) for name, tensor in live.items()})

    def copy_optimizer(self) -> dict[str, Tensor]:
        return host_copy(optimizer.state_tensors(self.model, self.optimizer))

    def scaler_state(self) -> dict[str, float | int] | None:
        return self.scaler.state_dict() if self.scaler.is_enabled() else None

    def restore(self, optimizer_tensors: Mapping[str, Tensor], scaler: dict[str, Any] | None) -> None:
        """Put optimizer and scaler back; the model came with its weights."""
        optimizer.load_state_tensors(self.model, self.optimizer, optimizer_tensors)
        if scaler and self.scaler.is_enabled():
            self.scaler.load_state_dict(scaler)


def timed(
    steps: Iterator[list[Batch]], clock: Callable[[], float], add_wait_s: Callable[[float], None]
) -> Iterator[list[Batch]]:
    """The same steps, with the seconds spent waiting for each handed to `add_wait_s`."""
    while True:
        began = clock()
        batches = next(steps, None)
        add_wait_s(clock() - began)
        if batches is None:
            return
        yield batches
