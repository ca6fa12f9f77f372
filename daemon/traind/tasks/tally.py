"""Adding up an evaluation: window by window in, whole documents out. Knows the windows' order, no model."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from traind.data import LabelSet
from traind.data.labels import IGNORED
from traind.tasks.entity import compare, scores
from traind.tasks.shares import spread
from traind.tasks.window import EncodedSet, Ints, Windows

LossSum = Callable[[Tensor, Tensor], Tensor]
METRIC_NAMES = ("token_accuracy", "precision", "recall", "f1")


@dataclass(frozen=True, slots=True)
class EvalResult:
    """The outcome of one pass over the eval set."""

    loss: float
    """Mean over the scored tokens, by class weight where there are any; nan when there is none."""
    metrics: dict[str, float]
    labels: dict[str, dict[str, float]]
    """Per entity type: precision, recall, f1, support."""
    confusion: None = None
    """Spans have none: what is missed and what is invented meets no other label."""
    shares: dict[str, float] = field(default_factory=dict)
    """How the labels given to the scored tokens are spread."""


class EvalTally:
    """Owns the predictions of one evaluation. Batches must come in the order of `eval_batches`, each once."""

    def __init__(
        self,
        encoded: EncodedSet,
        windows: Windows,
        labels: LabelSet,
        loss_sum: LossSum,
        weight: Callable[[Tensor], float],
        num_prefix: int,
    ) -> None:
        self._encoded, self._windows, self._labels = encoded, windows, labels
        self._loss_sum, self._weight, self._num_prefix = loss_sum, weight, num_prefix
        self._next = 0
        self._loss = 0.0
        self._total_weight = 0.0
        self._predicted: Ints = np.zeros(len(encoded.ids), dtype=np.int64)

    def add(self, batch: dict[str, Tensor], logits: Tensor) -> None:
        """Take the logits [windows, tokens, labels] of the next batch. Waits for the device once."""
        labels = batch["labels"].cpu()
        owned = torch.full_like(labels, IGNORED)
        places = [self._place(self._next + row) for row in range(labels.shape[0])]
        for row, (columns, _) in enumerate(places):
            owned[row, columns] = labels[row, columns]
        loss = self._loss_sum(logits, owned.to(logits.device))
        # NaN logits must count as an answer: argmax then gives some label, and the loss is nan.
        predicted = logits.argmax(dim=-1).cpu().numpy()
        for row, (columns, tokens) in enumerate(places):
            self._predicted[tokens] = predicted[row, columns]
        self._next += labels.shape[0]
        self._loss += float(loss)  # it was computed before the predictions, which are here
        self._total_weight += self._weight(owned)

    def _place(self, index: int) -> tuple[slice, slice]:
        """What a window scores: its columns in the batch, and its tokens in the whole set."""
        windows = self._windows
        start, own_start, own_end = (
            int(column[index]) for column in (windows.start, windows.own_start, windows.own_end)
        )
        shift = self._num_prefix - start
        return slice(own_start + shift, own_end + shift), slice(own_start, own_end)

    def result(self) -> EvalResult:
        """The metrics of everything added. Raises ValueError when windows are missing."""
        if self._next != len(self._windows):
            raise ValueError(f"{self._next} of {len(self._windows)} windows were evaluated")
        loss = self._loss / self._total_weight if self._total_weight else math.nan
        scored = self._encoded.labels >= 0
        given, true = self._predicted[scored], self._encoded.labels[scored]
        metrics, per_type = document_scores(given, self._encoded, self._labels)
        num_labels = len(self._labels)
        shares = spread(np.bincount(given, minlength=num_labels), np.bincount(true, minlength=num_labels))
        return EvalResult(loss, metrics, per_type, shares=shares)


def document_scores(
    predicted: Ints, encoded: EncodedSet, labels: LabelSet
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Token accuracy and entity scores on whole documents, overall (micro) and per type.

    `predicted` are the labels of the scored tokens of `encoded`, in order.
    """
    scored = encoded.labels >= 0
    document = np.repeat(np.arange(encoded.num_documents), np.diff(encoded.offsets))[scored]
    true = torch.from_numpy(encoded.labels[scored])
    guess = torch.from_numpy(predicted)
    marks = compare(guess, true, torch.ones_like(true, dtype=torch.bool), torch.from_numpy(document))
    num_types = len(labels.types)
    by_type = [
        torch.bincount((source[mark] + 1) // 2, minlength=num_types + 1).tolist()
        for source, mark in ((true, marks.right), (guess, marks.predicted), (true, marks.true))
    ]
    per_type = {}
    for index, name in enumerate(labels.types, start=1):
        right, num_predicted, num_true = (counts[index] for counts in by_type)
        if num_predicted or num_true:
            per_type[name] = {**scores(right, num_predicted, num_true), "support": float(num_true)}
    accuracy = float((guess == true).double().mean()) if len(true) else math.nan
    return {"token_accuracy": accuracy, **scores(*(sum(counts) for counts in by_type))}, per_type
