"""The scores of a language model, and those of one that knows only how often each token occurs. Knows no window."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from traind.config_fault import LANGUAGE_METRICS
from traind.data.labels import IGNORED
from traind.device import float_of
from traind.tasks.window import Ints


@dataclass(frozen=True, slots=True)
class LmResult:
    """The outcome of one pass over the eval set."""

    loss: float
    """Mean over the tokens, in nats."""
    metrics: dict[str, float]
    labels: dict[str, dict[str, float]] = field(default_factory=dict)
    confusion: None = None
    shares: dict[str, float] = field(default_factory=dict)
    """None: a healthy language model, too, begins with the few commonest tokens."""


class LmTally:
    """Adds up an evaluation: each target once, ignored ones not at all."""

    def __init__(self, num_characters: int) -> None:
        self._num_characters = num_characters
        self._loss_sum = 0.0
        self._num_right = self._num_targets = 0

    def add(self, batch: dict[str, Tensor], outputs: Tensor) -> None:
        """Take the logits [windows, tokens, vocabulary] of a batch. What they come to is read in one host sync."""
        labels = batch["labels"].to(outputs.device)
        # The counts of a batch are whole numbers that any of the floats can hold.
        wide = float_of(outputs.device)
        found = torch.cat([count(outputs, labels).to(wide), loss_sum(outputs, labels).to(wide).view(1)])
        num_right, num_targets, loss = found.tolist()
        self._loss_sum += loss
        self._num_right += int(num_right)
        self._num_targets += int(num_targets)

    def result(self) -> LmResult:
        """The scores of everything added; nan when that is nothing."""
        loss = self._loss_sum / self._num_targets if self._num_targets else math.nan
        return LmResult(loss, scores(self._loss_sum, self._num_right, self._num_targets, self._num_characters))


def loss_sum(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of [windows, tokens, vocabulary] summed over the targets, in nats, fp32."""
    with torch.autocast(logits.device.type, enabled=False):
        return functional.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum"
        )


def count(logits: Tensor, labels: Tensor) -> Tensor:
    """Targets whose likeliest token is right, and targets: int64 [2], on the device, without a host sync."""
    return torch.stack([(logits.argmax(dim=-1) == labels).sum(), (labels != IGNORED).sum()])


def scores(loss_sum_nats: float, num_right: int, num_targets: int, num_characters: int) -> dict[str, float]:
    """Perplexity = e^(nats a token); bits per character = nats ÷ ln 2 ÷ characters (Graves 2013).

    The end of a document counts as a character, as a line break between two would. Words that the tokenizer does not
    know cost nothing to spell: with unknown ones the bits are too few.
    """
    if not num_targets:
        return dict.fromkeys(LANGUAGE_METRICS, math.nan)
    return {
        "perplexity": _exp(loss_sum_nats / num_targets),
        "bits_per_char": loss_sum_nats / math.log(2) / num_characters,
        "token_accuracy": num_right / num_targets,
    }


def unigram_scores(train: Ints, evaluation: Ints, num_tokens: int, num_characters: int) -> dict[str, float]:
    """Loss and metrics of guessing a token by its share of the training tokens, one added to each count (Laplace)."""
    counts = np.bincount(train, minlength=num_tokens) + 1.0
    nats = -np.log(counts / counts.sum())
    loss = float(nats[evaluation].sum())
    num_right = int((evaluation == counts.argmax()).sum())
    return {"loss": loss / len(evaluation), **scores(loss, num_right, len(evaluation), num_characters)}


def _exp(nats: float) -> float:
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf
