"""The checks that need torch, from the task to a repeated batch, in the order in which one explains the next.

A fault that leaves nothing to go on with ends the inspection; what comes after it would be noise.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from rundir.layout import RunDir
from traind import device
from traind.batch_order import BatchOrder
from traind.check import learning
from traind.check.blame import of_error
from traind.check.capacity import Activations, Cost, bytes_of, examine_memory, examine_time, state_bytes
from traind.check.direction import examine_direction
from traind.check.finding import Finding, Level, of_mistake, ok
from traind.check.outputs import (
    are_classes,
    examine_ids,
    examine_labels,
    examine_outputs,
    examine_softmax,
    examine_start,
)
from traind.check.plan import Plan, examine_disk, examine_plan, plan_of
from traind.check.report import Reporter
from traind.check.scan import Scan, examine_scan, examine_truncation, labels_of, scan
from traind.check.weights import examine_weights
from traind.complaint import print_traceback
from traind.config import Config, ConfigError
from traind.device import Placement
from traind.stepper import Stepper
from traind.task import Batch, Task
from traind.tasks.kind import open_task
from traind.trainer import check_metric, save_activations

MOST_TEXTS = 10_000
"""Of each set, that are tokenised: seconds. What can be counted without that is counted of all."""
_SLOW_STEP_S = 1.0
"""Of a batch whose step takes longer, a part is repeated."""
_VERY_SLOW_STEP_S = 5.0
_PART = 2
"""Examples: one alone would be none for a batch norm."""


class _NothingToGoOnWith(Exception):  # noqa: N818 — no error, the end of the inspection
    pass


class Inspection:
    """One configuration, a directory to work in, and whom to tell."""

    def __init__(self, config: Config, run: RunDir, reporter: Reporter, *, free_bytes: int) -> None:
        """`free_bytes`: of the disk that the checkpoints would go to."""
        self._config, self._run, self._reporter, self._free_bytes = config, run, reporter, free_bytes

    def make(self) -> None:
        """Report everything. Raises OSError when nobody listens any more."""
        with suppress(_NothingToGoOnWith):
            self._make()

    def _make(self) -> None:
        config, say = self._config, self._reporter
        say.doing("reading and tokenising the data")
        with self._blamed("task"):
            placement = device.place(config.train)
            device.set_threads(config.train.threads)
            task = open_task(_without_pretraining(config), self._run, lambda: None, most_texts=MOST_TEXTS)
            check_metric(config, task)
        say.found(ok("device", placement.reason), ok("data", _description(task)))
        plan = plan_of(config, round(task.num_train / _share(task)[0]))
        say.all(examine_plan(config, plan))
        say.all(examine_direction(config))
        order = BatchOrder(task.num_train, config.train.batch_size, config.train.accumulation, config.seed)
        say.doing("looking at training examples")
        with self._blamed("examples"):
            found = scan(task, order, config.eval.batch_size)
            batch = _first_batch(task, order)
        say.all(examine_scan(found, config.data.max_length))
        say.all(examine_truncation(task.summary, found.num_examples))
        say.doing("building the model")
        with self._blamed("model"):
            model = task.build_model()
        self._end_on_fault(*examine_weights(model, is_adapter=bool(config.lora.r)))
        with self._blamed("model"):
            model.to(placement.device)
            model.train()
            if config.train.gradient_checkpointing:
                save_activations(model)
        self._look_at_batch(task, model, placement, batch, found)
        self._train_a_little(task, model, placement, batch, found, plan)

    def _look_at_batch(self, task: Task, model: nn.Module, placement: Placement, batch: Batch, found: Scan) -> None:
        """One forward pass."""
        self._end_on_fault(*examine_ids(found, _num_embeddings(model)))
        kind, labels, num_classes = self._config.task.kind, labels_of(batch), task.num_classes
        with self._blamed("one batch"), torch.no_grad():
            outputs = task.forward(model, {name: tensor.to(placement.device) for name, tensor in batch.items()})
        if labels is not None and are_classes(labels, outputs):
            num_outputs = outputs.shape[-1]
            is_lm, is_own = kind == "causal-lm", kind == "custom"
            self._end_on_fault(examine_labels(found, num_outputs, num_classes, may_be_padded=is_lm, is_own_loss=is_own))
            num_classes = num_classes or num_outputs
        with self._blamed("one batch"):
            outputs, loss = learning.loss_of(task, model, batch, placement)
        self._end_on_fault(examine_outputs(outputs, batch))
        if labels is not None:
            self._end_on_fault(*examine_softmax(outputs, labels, lambda of: float(task.loss_sum(of, batch))))
        is_scratch = self._config.model.init == "scratch" and kind != "custom"
        self._end_on_fault(examine_start(loss, num_classes, is_scratch=is_scratch))

    def _train_a_little(
        self, task: Task, model: nn.Module, placement: Placement, batch: Batch, found: Scan, plan: Plan
    ) -> None:
        """A few steps of the trainer's own, with everything that they tell."""
        config, say = self._config, self._reporter
        say.doing("training on one batch")
        watch = learning.GradientWatch()
        with self._blamed("one step"), watch.on(model):
            begun_with = learning.trained_weights(model)
            cost, update, memory = self._first_steps(task, model, placement, batch, found, watch, begun_with)
            learning.put_back(model, begun_with)
            part = batch if cost.micro_step_s < _SLOW_STEP_S else {name: t[:_PART] for name, t in batch.items()}
            repetition = learning.repeat(config, task, model, placement, part)
        self._end_on_fault(learning.examine_gradients(model, watch), update)
        with self._blamed("one step"):
            if not repetition.is_learnt:
                learning.put_back(model, begun_with)
            learnt = learning.examine_repetition(config, task, model, placement, part, repetition)
        checkpoint_bytes = bytes_of(iter(task.weights(model).values())) + cost.optimizer_bytes
        say.found(
            learnt,
            memory,
            examine_time(config, plan, cost, num_eval=_whole(found.num_eval, _share(task)[1])),
            examine_disk(config, plan, checkpoint_bytes=checkpoint_bytes, free_bytes=self._free_bytes),
        )

    def _first_steps(
        self,
        task: Task,
        model: nn.Module,
        placement: Placement,
        batch: Batch,
        found: Scan,
        watch: learning.GradientWatch,
        begun_with: Mapping[str, Tensor],
    ) -> tuple[Cost, Finding, Finding]:
        """One or two steps at the full learning rate: what they cost, what they changed, what fits."""
        config, activations = self._config, Activations()
        stepper = Stepper(config, task, model, placement, lambda: None)
        lr, clip_norm = config.train.lr, config.train.clip_norm
        with activations.measured(model):
            step_s = learning.step(stepper, batch, 0, lr=lr, clip_norm=clip_norm)[1]
        update = learning.examine_update(model, begun_with, watch, lr)
        if step_s < _VERY_SLOW_STEP_S:  # the first one also compiles and allocates
            step_s = min(step_s, learning.step(stepper, batch, 1, lr=lr, clip_norm=clip_norm)[1])
        memory = examine_memory(
            model, stepper.optimizer, activations.num_bytes * _growth(batch, found, config), placement
        )
        eval_batch_s = _seconds_of_eval_batch(config, task, model, placement)
        return Cost(step_s, eval_batch_s, state_bytes(stepper.optimizer)), update, memory

    def _end_on_fault(self, *findings: Finding) -> None:
        self._reporter.all(findings)
        if any(finding.level is Level.FAULT for finding in findings):
            raise _NothingToGoOnWith

    @contextmanager
    def _blamed(self, check: str) -> Iterator[None]:
        """What goes wrong in the block is a finding under this name. The task may be a user's own code."""
        try:
            yield
        except ConfigError as error:
            self._end_on_fault(*(of_mistake(check, mistake) for mistake in error.faults))
        except Exception as error:  # noqa: BLE001 — anything may be raised by what is checked; all of it is reported
            print_traceback()
            self._end_on_fault(of_error(check, error))


def _without_pretraining(config: Config) -> Config:
    """Random weights where a body would first be pre-trained: that takes a minute, and changes no shape."""
    if config.model.init != "mlm":
        return config
    return msgspec.structs.replace(config, model=msgspec.structs.replace(config.model, init="scratch"))


def _share(task: Task) -> tuple[float, float]:
    """Of the train and the eval set, that the task has been given."""
    part = task.summary.get("part", {})
    return part.get("train", 1.0), part.get("eval", 1.0)


def _description(task: Task) -> str:
    of_train, of_eval = _share(task)
    if of_train == of_eval == 1:
        return task.describe()
    return f"looked at {of_train:.2%} of the train and {of_eval:.2%} of the eval set: {task.describe()}"


def _whole(count: int | None, share: float) -> int | None:
    return None if count is None else round(count / share)


def _first_batch(task: Task, order: BatchOrder) -> Batch:
    indices = order.micro_batches(0, 0)[0][0]
    return task.collate([task.train_data[index] for index in indices])


def _num_embeddings(model: nn.Module) -> int | None:
    """Of a transformer; None for another module."""
    whole: Any = model
    if not hasattr(whole, "get_input_embeddings"):
        return None
    return getattr(whole.get_input_embeddings(), "num_embeddings", None)


def _seconds_of_eval_batch(config: Config, task: Task, model: nn.Module, placement: Placement) -> float:
    batch = next(task.eval_batches(config.eval.batch_size), None)
    began = time.monotonic()
    if batch is not None:
        learning.loss_of(task, model, batch, placement)
    return time.monotonic() - began


def _growth(batch: Batch, found: Scan, config: Config) -> float:
    """How much larger than this batch the largest can be, in tokens."""
    if "attention_mask" not in batch or not found.longest:
        return 1.0
    return max(1.0, found.longest * config.train.batch_size / batch["attention_mask"].numel())
