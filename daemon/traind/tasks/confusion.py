"""How often which class was taken for which, and every score that follows from that. Knows no text and no model.

A confusion matrix has the true class in rows, the predicted one in columns; matrices of parts of the data add up.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Matrix = NDArray[np.int64]

POSITIVE = 1
"""The class that precision, recall and F1 are about where there are two."""


def metric_names(num_classes: int, positive_from: int | None) -> tuple[str, ...]:
    """The keys of `scores`."""
    names: tuple[str, ...] = ("accuracy", "precision", "recall", "f1")
    if num_classes > 2:
        names += ("macro_precision", "macro_recall", "macro_f1", "weighted_f1")
    return names if positive_from is None else (*names, f"binary_f1@{positive_from}")


def flat_counts(predicted: Tensor, true: Tensor, num_classes: int) -> Tensor:
    """The matrix of a batch ([examples] each) as [classes²] int64, on its device.

    By comparison: `bincount` would wait for the GPU, and `scatter_add` on one has no fixed order.
    """
    cell = true * num_classes + predicted
    cells = torch.arange(num_classes**2, device=cell.device)
    return (cell.unsqueeze(0) == cells.unsqueeze(1)).sum(dim=1)


def as_matrix(counts: Sequence[int], num_classes: int) -> Matrix:
    """Flat counts, added up over batches, as [true, predicted]."""
    return np.asarray(counts, dtype=np.int64).reshape(num_classes, num_classes)


def scores(matrix: Matrix, positive_from: int | None = None) -> dict[str, float]:
    """All metrics of `metric_names`: of two classes those of the positive one, of more their macro means.

    As scikit-learn has them with its defaults: macro means go over the classes that occur, predicted or true; where
    there is nothing to divide by, a score is 0. The accuracy of nothing is nan.
    """
    num_classes = len(matrix)
    total = int(matrix.sum())
    accuracy = float(np.trace(matrix)) / total if total else math.nan
    precision, recall, f1 = _of_classes(matrix)
    support = matrix.sum(axis=1)
    if num_classes > 2:
        occurs = (support + matrix.sum(axis=0)) > 0
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
        result[f"binary_f1@{positive_from}"] = float(_of_classes(_joined(matrix, positive_from))[2][POSITIVE])
    return result


def table(matrix: Matrix, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each class, by its name."""
    columns = (*_of_classes(matrix), matrix.sum(axis=1))
    keys = ("precision", "recall", "f1", "support")
    return {
        name: {key: float(values[index]) for key, values in zip(keys, columns, strict=True)}
        for index, name in enumerate(names)
    }


def _of_classes(matrix: Matrix) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1 of each class; F1 = 2 right / (true + predicted)."""
    right = np.diagonal(matrix).astype(np.float64)
    true, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    return _ratio(right, predicted), _ratio(right, true), _ratio(2 * right, true + predicted)


def _ratio(part: NDArray[np.float64], whole: Matrix) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _joined(matrix: Matrix, threshold: int) -> Matrix:
    """The question whether a score is at least `threshold`: two classes, no and yes."""
    parts = (slice(None, threshold), slice(threshold, None))
    return np.array([[matrix[row, column].sum() for column in parts] for row in parts], dtype=np.int64)
