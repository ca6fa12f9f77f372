"""Adding up an evaluation of whole texts by class. Knows the number of examples, no model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from traind.tasks.confusion import as_counts, flat_counts, has_matrix, scores, table
from traind.tasks.shares import spread
from traind.tasks.weighted_loss import WeightedLoss


@dataclass(frozen=True, slots=True)
class ClassResult:
    """The outcome of one pass over the eval set."""

    loss: float
    """Mean over the texts, by class weight where there are any; nan when they weigh nothing."""
    metrics: dict[str, float]
    labels: dict[str, dict[str, float]]
    """Per class: precision, recall, f1, support."""
    confusion: list[list[int]] | None
    """Texts by true (row) and predicted class (column), in the order of `labels`; None of very many classes."""
    shares: dict[str, float] = field(default_factory=dict)
    """Without the matrix: how the predictions are spread."""


class ClassTally:
    """Owns the counts of one evaluation of `num_texts` texts; batches come in any order, each once."""

    def __init__(self, num_texts: int, names: Sequence[str], positive_from: int | None, loss: WeightedLoss) -> None:
        self._num_texts, self._names, self._positive_from, self._loss = num_texts, names, positive_from, loss
        self._loss_sum = 0.0
        self._weight = 0.0
        self._seen = 0
        self._counts: NDArray[np.int64] = flat_counts(torch.zeros(0), torch.zeros(0), len(names)).numpy()

    def add(self, batch: dict[str, Tensor], outputs: Tensor) -> None:
        """Take the logits [texts, classes] of a batch. One host sync."""
        logits = outputs.cpu()
        labels = batch["labels"]
        # NaN logits must count as an answer: argmax then gives some class, and the loss is nan.
        self._counts = self._counts + flat_counts(logits.argmax(dim=-1), labels, len(self._names)).numpy()
        self._seen += len(labels)
        self._loss_sum += float(self._loss.sum_of(logits, labels))
        self._weight += self._loss.weight_of(labels)

    def result(self) -> ClassResult:
        """The metrics of everything added. Raises ValueError when texts are missing."""
        if self._seen != self._num_texts:
            raise ValueError(f"{self._seen} of {self._num_texts} texts were evaluated")
        loss = self._loss_sum / self._weight if self._weight else math.nan
        counts = as_counts(self._counts, len(self._names))
        metrics, by_class = scores(counts, self._positive_from), table(counts, self._names)
        if has_matrix(len(self._names)):
            return ClassResult(loss, metrics, by_class, counts.tolist())
        _, predicted, true = counts
        return ClassResult(loss, metrics, by_class, None, spread(predicted, true))
