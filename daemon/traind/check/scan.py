"""A look at as many training examples as a second or two allow, as the model gets them."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from traind.batch_order import BatchOrder
from traind.check.finding import Finding, fault, ok, warn
from traind.custom import TARGETS
from traind.data.labels import IGNORED
from traind.task import Batch, Task

SCAN_S = 2.0
_CHUNK = 64
MANY_WITHOUT_TARGET = 0.05
MANY_TRUNCATED = 0.1
_WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


@dataclass(frozen=True, slots=True)
class Scan:
    """What the examples hold."""

    num_seen: int
    num_examples: int
    lengths: NDArray[np.int64]
    """Tokens of each; empty where batches have no `attention_mask`."""
    highest_id: int
    lowest_id: int
    lowest_label: int
    highest_label: int
    num_without_target: int
    is_one_class: bool
    """All examples have the same label, one each."""
    num_eval: int | None
    """Eval examples; None where counting them took too long."""

    @property
    def longest(self) -> int:
        return int(self.lengths.max()) if len(self.lengths) else 0


def scan(task: Task, order: BatchOrder, eval_batch_size: int) -> Scan:
    """Read examples in the order of the first epoch until the time is up."""
    give_up_at = time.monotonic() + SCAN_S
    ids: list[int] = []
    labels: list[int] = []
    lengths, num_seen, without, is_single = [], 0, 0, True
    indices = order.permutation(0)
    for begin in range(0, len(indices), _CHUNK):
        chosen = [int(index) for index in indices[begin : begin + _CHUNK]]
        batch = task.collate([task.train_data[index] for index in chosen])
        num_seen += len(chosen)
        if "input_ids" in batch:
            ids = _range(batch["input_ids"], ids)
        if "attention_mask" in batch:
            lengths.append(batch["attention_mask"].sum(dim=1).numpy())
        targets = labels_of(batch)
        if targets is not None:
            valid = targets != IGNORED
            labels = _range(targets[valid], labels)
            is_single = is_single and targets.dim() == 1
            without += int((~valid.reshape(len(chosen), -1).any(dim=1)).sum())
        if time.monotonic() > give_up_at:
            break
    return Scan(
        num_seen=num_seen,
        num_examples=len(indices),
        lengths=np.concatenate(lengths) if lengths else np.zeros(0, dtype=np.int64),
        lowest_id=min(ids, default=0),
        highest_id=max(ids, default=0),
        lowest_label=min(labels, default=0),
        highest_label=max(labels, default=0),
        num_without_target=without,
        is_one_class=is_single and bool(labels) and min(labels) == max(labels),
        num_eval=_count_eval(task, eval_batch_size),
    )


def labels_of(batch: Batch) -> Tensor | None:
    """The class numbers of a batch; None where its task has none: then its targets are no whole numbers."""
    labels = batch.get("labels", batch.get(TARGETS))
    return labels if labels is not None and labels.dtype in _WHOLE else None


def _range(values: Tensor, known: list[int]) -> list[int]:
    """The smallest and the largest so far."""
    if not values.numel():
        return known
    lowest, highest = (int(value) for value in values.aminmax())
    return [min([*known, lowest]), max([*known, highest])]


def _count_eval(task: Task, batch_size: int) -> int | None:
    give_up_at, count = time.monotonic() + SCAN_S / 2, 0
    for batch in task.eval_batches(batch_size):
        count += len(next(iter(batch.values())))
        if time.monotonic() > give_up_at:
            return None
    return count


def examine_scan(found: Scan, max_length: int) -> Iterator[Finding]:
    """Token lengths, and examples from which nothing is learnt."""
    if len(found.lengths):
        middle, high = np.percentile(found.lengths, (50, 95))
        yield ok(
            "token lengths",
            f"median {middle:,.0f}, 95% within {high:,.0f}, longest {found.longest:,}; max_length {max_length:,}",
        )
    if found.is_one_class and found.num_seen > 1:
        yield fault(
            "labels",
            f"all {found.num_seen:,} examples looked at have the label {found.lowest_label}: nothing to tell apart",
            "give examples of other labels too",
        )
    if found.num_without_target > MANY_WITHOUT_TARGET * found.num_seen:
        yield warn(
            "targets",
            f"{found.num_without_target:,} of {found.num_seen:,} examples have no target: nothing is learnt from them",
            "look at how labels are laid on tokens, or take those texts out",
        )


def examine_truncation(summary: Mapping[str, Any], num_examples: int) -> Iterator[Finding]:
    """How many texts are cut short, where the task cuts any (`truncated` of its summary)."""
    truncated = summary.get("truncated")
    if not isinstance(truncated, Mapping) or not num_examples:
        return
    count = int(truncated.get("train", 0))
    text = f"{count:,} of {num_examples:,} train texts ({count / num_examples:.0%}) are cut at data.max_length"
    if count > MANY_TRUNCATED * num_examples:
        yield warn("truncation", text, "raise data.max_length, unless what decides stands at the beginning")
    else:
        yield ok("truncation", text)
