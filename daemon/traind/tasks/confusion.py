"""How often which class was taken for which, and every score that follows from that. Knows no text and no model.

A confusion matrix has the true class in rows, the predicted one in columns. Of many classes only three numbers each are
kept. Counts of parts of the data add up, whichever they are.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from traind.data.classes import SCORES_MAX

Counts = NDArray[np.int64]
"""Up to MATRIX_MAX classes their matrix, [true, predicted]; of more how often each was right, predicted and true,
[3, classes]."""
MATRIX_MAX = SCORES_MAX
"""Classes beyond which a matrix costs more than it tells: its size is their square, for each batch and each record."""
POSITIVE = 1
"""The class that precision, recall and F1 are about where there are two."""


def metric_names(num_classes: int, positive_from: int | None) -> tuple[str, ...]:
    """The keys of `scores`."""
    names: tuple[str, ...] = ("accuracy", "precision", "recall", "f1")
    if num_classes > 2:
        names += ("macro_precision", "macro_recall", "macro_f1", "weighted_f1")
    return names if positive_from is None else (*names, f"binary_f1@{positive_from}")


def has_matrix(num_classes: int) -> bool:
    """Whether the counts of so many classes are a matrix."""
    return num_classes <= MATRIX_MAX


def flat_counts(predicted: Tensor, true: Tensor, num_classes: int) -> Tensor:
    """The counts of a batch ([examples] each) as int64 [classes²], of many classes [3 · classes], on its device.

    By comparison: `bincount` would wait for the GPU, and `scatter_add` on one has no fixed order.
    """
    if has_matrix(num_classes):
        return _occurrences(true * num_classes + predicted, num_classes**2)
    right = true.where(true == predicted, -1)
    return torch.cat([_occurrences(values, num_classes) for values in (right, predicted, true)])


def _occurrences(values: Tensor, num_values: int) -> Tensor:
    return (values.unsqueeze(0) == torch.arange(num_values, device=values.device).unsqueeze(1)).sum(dim=1)


def share_of_right(flat: Tensor, num_classes: int) -> Tensor:
    """Of flat counts, without dimension, on their device; nan of none. Without a host sync."""
    rows = flat.view(-1, num_classes)
    if has_matrix(num_classes):
        return rows.diagonal().sum() / rows.sum()
    return rows[0].sum() / rows[2].sum()


def as_counts(flat: Sequence[int] | NDArray[np.int64], num_classes: int) -> Counts:
    """Flat counts, added up over batches, in their shape."""
    return np.asarray(flat, dtype=np.int64).reshape(-1, num_classes)


def counts_of_one_answer(answer: int, support: NDArray[np.int64]) -> Counts:
    """What giving the class `answer` to everything comes to, each class being true `support` times."""
    num_classes = len(support)
    if has_matrix(num_classes):
        matrix = np.zeros((num_classes, num_classes), dtype=np.int64)
        matrix[:, answer] = support
        return matrix
    chosen = np.arange(num_classes) == answer
    return np.stack([np.where(chosen, support, 0), np.where(chosen, support.sum(), 0), support])


def _parts(counts: Counts) -> Counts:
    """How often each class was right, predicted and true: [3, classes]."""
    if not has_matrix(counts.shape[1]):
        return counts
    return np.stack([np.diagonal(counts), counts.sum(axis=0), counts.sum(axis=1)])


def scores(counts: Counts, positive_from: int | None = None) -> dict[str, float]:
    """All metrics of `metric_names`: of two classes those of the positive one, of more their macro means.

    As scikit-learn has them with its defaults: macro means go over the classes that occur, predicted or true; where
    there is nothing to divide by, a score is 0. The accuracy of nothing is nan. `positive_from` needs a matrix.
    """
    right, predicted, support = _parts(counts)
    total = int(support.sum())
    accuracy = float(right.sum()) / total if total else math.nan
    precision, recall, f1 = _of_classes(counts)
    if len(support) > 2:
        occurs = (support + predicted) > 0
        means = {
            name: float(values[occurs].mean()) if occurs.any() else 0.0
            for name, values in (("precision", precision), ("recall", recall), ("f1", f1))
        }
        result = {"accuracy": accuracy, **means, **{f"macro_{name}": value for name, value in means.items()}}
        result["weighted_f1"] = float((f1 * support).sum()) / total if total else 0.0
    else:
        chosen = {"precision": precision, "recall": recall, "f1": f1}
        result = {"accuracy": accuracy, **{name: float(values[POSITIVE]) for name, values in chosen.items()}}
    if positive_from is not None:
        result[f"binary_f1@{positive_from}"] = float(_of_classes(_joined(counts, positive_from))[2][POSITIVE])
    return result


def table(counts: Counts, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each class, by its name."""
    columns = (*_of_classes(counts), _parts(counts)[2])
    keys = ("precision", "recall", "f1", "support")
    return {
        name: {key: float(values[index]) for key, values in zip(keys, columns, strict=True)}
        for index, name in enumerate(names)
    }


def _of_classes(counts: Counts) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1 of each class; F1 = 2 right / (true + predicted)."""
    right, predicted, true = _parts(counts)
    return _ratio(right, predicted), _ratio(right, true), _ratio(2 * right, true + predicted)


def _ratio(part: Counts, whole: Counts) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _joined(matrix: Counts, threshold: int) -> Counts:
    """The question whether a score is at least `threshold`: two classes, no and yes."""
    parts = (slice(None, threshold), slice(threshold, None))
    return np.array([[matrix[row, column].sum() for column in parts] for row in parts], dtype=np.int64)
