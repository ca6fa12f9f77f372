"""One optimizer step: forward and backward over the micro-batches, clip, judge, update.

Loss = Σ over micro-batches and ranks ÷ total target weight of the step, so that accumulation and any split of it
compute the same: a step that finds no memory is made again in smaller micro-batches.
"""

import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rundir.records import Sample
from traind import optimizer
from traind.batch_order import dropout_seed
from traind.config import Config
from traind.device import Placement, float_of, is_out_of_memory
from traind.direct_causes import Causes, DirectCauses
from traind.guard import Guard
from traind.host_copy import HostCopy, HostMemory
from traind.ranks import Point, Ranks, Seat
from traind.split import split_all, widest
from traind.task import Batch, EvalResult, Task
from traind.training_state import TrainingState


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step gave, over all ranks; tensors are on the device and not yet waited for."""

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
    causes: Causes | None = None
    """Of a step that was to be looked at."""

    @property
    def loss(self) -> Tensor:
        return self.loss_sum / (self.weight or 1.0)


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A batch that was made smaller because there was no memory for it."""

    where: str
    """train or eval."""
    before: int
    """Examples a micro-batch, or an evaluation batch."""
    after: int
    error: str


class Stepper:
    """Owns model, optimizer, loss scaler, the guard on updates, and what size of batch there is memory for.

    Knows nothing of records, checkpoints on disk, or orders; calls `safe_point` where one may act, `on_shrunk` when it
    has made batches smaller.
    """

    def __init__(
        self,
        config: Config,
        task: Task,
        model: nn.Module,
        placement: Placement,
        safe_point: Callable[[], None],
        on_shrunk: Callable[[Shrunk], None] = lambda _: None,
        ranks: Ranks | None = None,
    ) -> None:
        self.model = model
        self.micro_batch_size: int | None = None
        """Examples a micro-batch may have; None: as many as are handed over."""
        self.eval_batch_size = config.eval.batch_size
        self._sizes: dict[int, int] = {}
        """Of the micro-batches of other ranks that had to make them smaller, as last said."""
        self._ranks = ranks or Ranks(Seat())
        self.optimizer = optimizer.build(model, config.train)
        self.scaler = torch.amp.GradScaler(placement.device.type, enabled=placement.needs_scaler)
        self._config = config
        self._task = task
        self._placement = placement
        self._safe_point, self._on_shrunk = safe_point, on_shrunk
        spike_z = None if config.policy.on_spike == "ignore" else config.policy.spike_z
        self.guard = Guard(placement.device, spike_z=spike_z, has_loss_scaler=placement.needs_scaler)
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        kept = model.state_dict().keys()
        self._buffers = {name: buffer for name, buffer in model.named_buffers() if name in kept}
        self._memory = [HostMemory(placement.device) for _ in ("model", "optimizer")]
        self._is_ready_to_copy = not self._ranks.is_leader
        self._causes = DirectCauses(model)
        self._at_boundary: dict[str, Tensor] = {}
        """What a forward pass changes (running means), as it was before the step that is under way."""

    def train(
        self,
        batches: list[Batch],
        *,
        step: int,
        lr: Callable[[], float],
        clip: Callable[[], float],
        looks: bool = False,
    ) -> StepResult:
        """One step on this rank's micro-batches, in host memory. `step` counts the steps done before; `lr` and `clip`
        are asked when the update is made, so that an order during the step still acts on it. `looks`: also see the
        direct causes, which changes nothing of the step.

        Several ranks have one safe point a step, before it: there they are all at the same place.
        Where there is no memory for it, the very same step is made again of micro-batches half as large, as often as
        need be. Raises what the model raises, out of memory included once a micro-batch is a single example.
        """
        looks = looks and self._placement.device.type != "mps"  # not tried there, and some of its kernels are missing
        if not self._ranks.is_alone:
            self._safe_point()
        num_tokens = sum(int(batch["attention_mask"].sum()) for batch in batches if "attention_mask" in batch)
        own_weight = sum(self._task.target_weight(batch) for batch in batches)
        weight, all_tokens = self._weigh(own_weight, num_tokens)
        self._at_boundary = {name: buffer.clone() for name, buffer in self._buffers.items()}
        with self._causes.watch_units() if looks else nullcontext():
            while (added := self._add_up(batches, step, weight)) is None:
                self._start_over()
        loss_sum, counts = self._ranks.sum_step(self._parameters, *added)
        self._ranks.take_leaders(self._buffers.values())
        grad_norm, causes = self._update(loss_sum / (weight or 1.0), step + 1, lr(), clip(), looks=looks)
        self._at_boundary = {}
        if not self._is_ready_to_copy:
            self._is_ready_to_copy = True
            for memory, tensors in zip(self._memory, self._tensors(), strict=True):
                memory.prepare(tensors)
        # get_scale() would wait for the device; the tensor itself does not.
        loss_scale = self.scaler._get_scale_async() if self.scaler.is_enabled() else None  # noqa: SLF001
        return StepResult(loss_sum, weight, counts, grad_norm, int(all_tokens), loss_scale, causes)

    def _weigh(self, own_weight: float, num_tokens: int) -> tuple[float, float]:
        """Both summed over all ranks. Says where another rank had no memory for its micro-batches: it has no voice."""
        rows = self._ranks.meet(Point.WEIGH, own_weight, num_tokens, self.micro_batch_size or 0)
        for rank, (_, _, its_size) in enumerate(rows):
            known = self._sizes.get(rank) or self.micro_batch_size or self._config.train.batch_size
            if rank != self._ranks.seat.rank and 0 < its_size < known:
                self._sizes[rank] = int(its_size)
                self._on_shrunk(Shrunk("train", known, int(its_size), f"process {rank} found no memory for a step"))
        weights, tokens, _ = zip(*rows, strict=True)
        return sum(weights), sum(tokens)

    def shrink_to(self, size: int) -> None:
        """Let no micro-batch have more examples from here on; says so where it makes a difference."""
        before = self.micro_batch_size or self._config.train.batch_size
        if size < before:
            self.micro_batch_size = size
            self._on_shrunk(Shrunk("train", before, size, "the kernel has killed a trainer for its memory"))

    def _add_up(self, batches: list[Batch], step: int, weight: float) -> tuple[Tensor, Tensor] | None:
        """Loss and counts of all micro-batches, their gradients added up. None when there was no memory for them."""
        micro_batches = split_all(batches, self.micro_batch_size)
        try:
            return self._forward_and_backward(micro_batches, step, weight)
        except (RuntimeError, MemoryError) as error:
            size = widest(micro_batches)
            if not is_out_of_memory(error) or size < 2:
                raise
            self.micro_batch_size = (size + 1) // 2
            shrunk = Shrunk("train", size, self.micro_batch_size, str(error))
        self._on_shrunk(shrunk)
        return None

    def _forward_and_backward(self, micro_batches: list[Batch], step: int, weight: float) -> tuple[Tensor, Tensor]:
        wide = float_of(self._placement.device)
        loss_sum = torch.zeros((), dtype=wide, device=self._placement.device)
        counts: Tensor | int = 0
        for micro_step, batch in enumerate(micro_batches):
            if self._ranks.is_alone:
                self._safe_point()
            self._seed_dropout(step, micro_step)
            there = self._moved(batch)
            with self._autocast():
                outputs = self._task.forward(self.model, there)
            micro_loss = self._task.loss_sum(outputs, there)
            self.scaler.scale(micro_loss / (weight or 1.0)).backward()  # type: ignore[no-untyped-call]
            loss_sum = loss_sum + micro_loss.detach().to(wide)
            counts = counts + self._task.count(outputs.detach(), there)
        return loss_sum, torch.as_tensor(counts)

    def _start_over(self) -> None:
        """Back to the boundary before the step, with the memory of the failed try given back."""
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for name, kept in self._at_boundary.items():
                self._buffers[name].copy_(kept)
        self._give_memory_back()

    def _give_memory_back(self) -> None:
        gc.collect()  # a failed pass leaves cycles that hold its activations
        if self._placement.device.type == "cuda":
            torch.cuda.empty_cache()
        elif self._placement.device.type == "mps":
            torch.mps.empty_cache()

    def evaluate(self, model: nn.Module | None = None) -> EvalResult:
        """One pass over the eval set with the model in training, or another one, placed beside it for the time.

        Draws no random number, touches no gradient. Where there is no memory for its batches it begins anew with
        smaller ones; those of training stay as they are.
        """
        model = self.model if model is None else model.to(self._placement.device)
        was_training = model.training
        model.train(mode=False)
        try:
            while (result := self._evaluate(model)) is None:
                self._give_memory_back()
        finally:
            model.train(mode=was_training)
        return result

    def _evaluate(self, model: nn.Module) -> EvalResult | None:
        """None when there was no memory for it, with `eval_batch_size` halved."""
        tally = self._task.start_eval()
        try:
            # Not in inference mode: what a model keeps of such a pass (positions, masks) could not be trained with.
            with torch.no_grad(), self._autocast():
                for batch in self._task.eval_batches(self.eval_batch_size):
                    self._safe_point()
                    tally.add(batch, self._task.forward(model, self._moved(batch)).float())
        except (RuntimeError, MemoryError) as error:
            size = self.eval_batch_size
            if not is_out_of_memory(error) or size < 2:
                raise
            self.eval_batch_size = (size + 1) // 2
            shrunk = Shrunk("eval", size, self.eval_batch_size, str(error))
        else:
            return tally.result()
        self._on_shrunk(shrunk)
        return None

    def samples(self) -> list[Sample]:
        """What the model, as it is, has to show beside numbers; draws no random number of training's.

        Nothing where there is no memory for it: an evaluation is worth more than its illustration.
        """
        self.model.train(mode=False)
        try:
            with torch.no_grad(), self._autocast():
                return self._task.samples(self.model)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            print(f"no samples: there is no memory for them: {error}", file=sys.stderr)
            return []
        finally:
            self.model.train()

    def _moved(self, batch: Batch) -> Batch:
        return {name: tensor.to(self._placement.device, non_blocking=True) for name, tensor in batch.items()}

    def _update(
        self, loss: Tensor, step: int, lr: float, clip_norm: float, *, looks: bool
    ) -> tuple[Tensor, Causes | None]:
        """Clip, and update unless the guard finds the step bad: weights, optimizer and buffers stay as they were."""
        for memory in self._memory:
            memory.hold_update()
        self.scaler.unscale_(self.optimizer)
        if looks:
            self._causes.before_update()
        grad_norm = torch.nn.utils.clip_grad_norm_(self._parameters, clip_norm or float("inf"))
        is_bad = self.guard.judge(loss, grad_norm, step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        optimizer.step_unless(self.optimizer, is_bad)
        causes = self._causes.after_update(is_bad) if looks else None
        with torch.no_grad():
            for name, kept in self._at_boundary.items():
                buffer = self._buffers[name]
                buffer.copy_(torch.where(is_bad > 0, kept, buffer))
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return grad_norm, causes

    def _seed_dropout(self, step: int, micro_step: int) -> None:
        seed = dropout_seed(self._config.seed, step, micro_step, self._ranks.seat.rank)
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

    def copy(self) -> tuple[HostCopy, HostCopy]:
        """Model and optimizer as they were at the last boundary, also in the midst of a step.

        In memory that the next call overwrites. What a forward pass changes is cloned first: the copy may still be
        under way when the next one begins.
        """
        still = {name: buffer.clone() for name, buffer in self._buffers.items()} | self._at_boundary
        weights, optimizer_state = self._tensors()
        weights = {name: still.get(name, tensor) for name, tensor in weights.items()}
        return self._memory[0].copy(weights), self._memory[1].copy(optimizer_state)

    def _tensors(self) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        """What a checkpoint holds: of the model, and of the optimizer."""
        return self._task.weights(self.model), optimizer.state_tensors(self.model, self.optimizer)

    @property
    def state_bytes(self) -> int:
        """Of what `copy` copies, about."""
        return sum(tensor.nbytes for tensors in self._tensors() for tensor in tensors.values())

    def note_state(self, state: TrainingState) -> None:
        """Put what a checkpoint holds of this beside the tensors into its state. May wait for the device."""
        state.scaler = self.scaler.state_dict() if self.scaler.is_enabled() else None
        state.guard = self.guard.state()
        state.micro_batch_size = self.micro_batch_size
        state.eval_batch_size = None if self.eval_batch_size == self._config.eval.batch_size else self.eval_batch_size

    def restore(self, optimizer_tensors: Mapping[str, Tensor], state: TrainingState) -> None:
        """Put all but the model back; that came with its weights."""
        for memory in self._memory:
            memory.hold_update()
        optimizer.load_state_tensors(self.model, self.optimizer, optimizer_tensors)
        if state.scaler and self.scaler.is_enabled():
            self.scaler.load_state_dict(state.scaler)
        self.guard.restore(state.guard)
        self.micro_batch_size = state.micro_batch_size
        self.eval_batch_size = state.eval_batch_size or self.eval_batch_size


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
