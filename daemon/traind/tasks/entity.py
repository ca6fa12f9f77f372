"""Entities in BIO label ids, found and compared at once: the one counting behind train metrics and evaluation.

An entity begins at B-, and at an I- that does not continue one of its own type; it ends before the next label that
does not continue it. That is seqeval's default mode. Works on any device without a host sync.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Marks:
    """Where entities begin, by position; and whether the predicted one there is the true one, whole and of its type."""

    predicted: Tensor
    true: Tensor
    right: Tensor


def compare(predicted: Tensor, true: Tensor, scored: Tensor, sequence: Tensor) -> Marks:
    """Mark the entities of two labellings, all arguments of shape [tokens].

    `scored` says which tokens count (labels at the others are not looked at: they neither end nor carry an entity),
    `sequence` is a number that changes from one sequence to the next: no entity crosses that border.
    """
    num_tokens = predicted.shape[0]
    position = torch.arange(num_tokens, device=predicted.device)
    if num_tokens == 0:
        nothing = torch.zeros(0, dtype=torch.bool, device=predicted.device)
        return Marks(nothing, nothing, nothing)
    latest = torch.cummax(torch.where(scored, position, -1), dim=0).values
    previous = torch.cat([latest.new_full((1,), -1), latest[:-1]])
    joined = (previous >= 0) & (sequence == sequence[previous.clamp(min=0)]) & scored
    previous = previous.clamp(min=0)
    predicted_start, predicted_end = _bounds(predicted, scored, joined, previous, position)
    true_start, true_end = _bounds(true, scored, joined, previous, position)
    same = (predicted_end == true_end) & (_types(predicted) == _types(true))
    return Marks(predicted_start, true_start, predicted_start & true_start & same)


def _types(labels: Tensor) -> Tensor:
    """0 for O, k for B- and I- of the k-th type: labels are O, B-1, I-1, B-2, …"""
    return (labels + 1) // 2


def _bounds(
    labels: Tensor, scored: Tensor, joined: Tensor, previous: Tensor, position: Tensor
) -> tuple[Tensor, Tensor]:
    """Whether an entity begins at each token, and the next position at which whatever stands there has ended."""
    types = _types(labels)
    inside = scored & (types > 0)
    goes_on = inside & (labels % 2 == 0) & joined & (types == types[previous])
    num_tokens = labels.shape[0]
    border = torch.where(scored & ~goes_on, position, num_tokens)
    nearest = torch.cummin(border.flip(0), dim=0).values.flip(0)
    end = torch.cat([nearest[1:], nearest.new_full((1,), num_tokens)])
    return inside & ~goes_on, end


def batch_counts(predicted: Tensor, labels: Tensor) -> Tensor:
    """Of a batch of [sequences, tokens], −100 where a token is not scored: [5] int64.

    They are tokens correct, tokens, entities right, entities predicted, entities true.
    """
    scored = (labels >= 0).flatten()
    sequence = torch.arange(labels.shape[0], device=labels.device).repeat_interleave(labels.shape[1])
    flat_predicted, flat_labels = predicted.flatten(), labels.flatten()
    marks = compare(flat_predicted, flat_labels, scored, sequence)
    correct = (flat_predicted == flat_labels) & scored
    return torch.stack([m.sum() for m in (correct, scored, marks.right, marks.predicted, marks.true)])


def scores(right: int, predicted: int, true: int) -> dict[str, float]:
    """Precision, recall and F1; 0 where there is nothing to divide by, as seqeval has it."""
    precision = right / predicted if predicted else 0.0
    recall = right / true if true else 0.0
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}
