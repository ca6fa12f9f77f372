"""Token classification: spans of text to BIO labels, weighted cross-entropy, entity scores on whole documents.

Owns how the parts beside it fit together; the loop, the optimizer and the checkpoints know nothing of them.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from rundir.layout import RunDir
from traind.config import Config, ConfigError
from traind.data.labels import IGNORED
from traind.tasks import model as models
from traind.tasks.entity import batch_counts, scores
from traind.tasks.features import Batch, Collator, WindowDataset, ordered_batches
from traind.tasks.lexicon import lexicon_predictions
from traind.tasks.prepare import prepare
from traind.tasks.tally import METRIC_NAMES, EvalTally, document_scores
from traind.tasks.tokenizer import framing
from traind.tasks.window import EncodedSet, Windows, cut_windows


class TokenClassification:
    """The task of one run. Same configuration and data: same features, order and weights, bit for bit."""

    metric_names = METRIC_NAMES

    def __init__(self, config: Config, run: RunDir, *, alive: Callable[[], None]) -> None:
        """Read or make the run's tokenised data. Raises ConfigError for a user's mistake, OSError on a full disk.

        `alive` is called between documents by the score, so that orders are heard meanwhile; what it raises passes.
        """
        ready = prepare(config, run, alive)
        self._config, self._labels, self._tokenizer = config, ready.labels, ready.tokenizer
        self._train, self._eval = ready.data.train, ready.data.eval
        self.hashes = ready.data.hashes
        self._prefix, self._suffix = framing(ready.tokenizer)
        train_windows, self._eval_windows = self._cut(self._train), self._cut(self._eval)
        self.train_data = WindowDataset(self._train, train_windows, self._prefix, self._suffix)
        self._eval_data = WindowDataset(self._eval, self._eval_windows, self._prefix, self._suffix)
        self.num_train = len(self.train_data)
        self.collate = Collator(ready.tokenizer.pad_token_id or 0)
        self._device_weights: Tensor | None = None
        self.class_weights = class_weights(config.task.class_weights, self._train, len(ready.labels))
        windows = {"train": len(train_windows), "eval": len(self._eval_windows)}
        self.summary: dict[str, Any] = {**ready.data.summary, "windows": windows}

    def _cut(self, encoded: EncodedSet) -> Windows:
        capacity = self._config.data.max_length - len(self._prefix) - len(self._suffix)
        try:
            return cut_windows(encoded.offsets, capacity, self._config.data.stride)
        except ValueError as error:
            raise ConfigError(f"data.stride: {error}; raise data.max_length or lower data.stride") from None

    # --- model ---

    def build_model(self) -> PreTrainedModel:
        """A new model on the CPU, its weights a function of seed and configuration. Raises ConfigError."""
        return models.build(
            self._config, self._labels, num_tokens=len(self._tokenizer), pad_token_id=self.collate.pad_token_id
        )

    def load_model(self, directory: Path) -> PreTrainedModel:
        """The model of a checkpoint of this run; needs neither hub nor pretrained directory."""
        return models.load(self._config, directory)

    def save_extras(self, directory: Path) -> None:
        """The tokenizer's files, as `save_pretrained` lays them. Raises OSError."""
        self._tokenizer.save_pretrained(directory)

    # --- loss ---

    def target_weight(self, labels: Tensor) -> float:
        """What a loss sum over these labels (on the CPU) is divided by: the targets, or their class weights' sum."""
        targets = labels[labels != IGNORED]
        if self.class_weights is None:
            return float(targets.numel())
        return float(self.class_weights.double()[targets].sum())

    def _class_weights_on(self, device: torch.device) -> Tensor | None:
        """Copied to a device once: each copy from pageable memory would wait for it."""
        if self.class_weights is None:
            return None
        if self._device_weights is None or self._device_weights.device != device:
            self._device_weights = self.class_weights.to(device)
        return self._device_weights

    def loss_sum(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of [windows, tokens, labels] summed over the targets, each times its class weight. fp32."""
        weights = self._class_weights_on(logits.device)
        with torch.autocast(logits.device.type, enabled=False):
            return functional.cross_entropy(
                logits.float().flatten(0, 1), labels.flatten(), weight=weights, ignore_index=IGNORED, reduction="sum"
            )

    # --- metrics ---

    def count(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The counts behind `train_metrics`, int64, on the logits' device, without a host sync."""
        return batch_counts(logits.argmax(dim=-1), labels)

    def train_metrics(self, counts: list[int]) -> dict[str, float]:
        """Token accuracy and entity scores of summed counts; entities are counted within windows here."""
        correct, tokens, right, predicted, true = counts
        return {"token_accuracy": correct / tokens if tokens else 0.0, **scores(right, predicted, true)}

    def eval_batches(self, batch_size: int) -> Iterator[Batch]:
        """The eval windows in document order."""
        return ordered_batches(self._eval_data, self.collate, batch_size)

    def start_eval(self) -> EvalTally:
        return EvalTally(
            self._eval, self._eval_windows, self._labels, self.loss_sum, self.target_weight, len(self._prefix)
        )

    def baseline(self) -> dict[str, float]:
        """What marking every longest stretch that was a span in training scores on the eval set."""
        return document_scores(lexicon_predictions(self._train, self._eval), self._eval, self._labels)[0]


def class_weights(kind: str, train: EncodedSet, num_labels: int) -> Tensor | None:
    """The loss weight of each label, [labels] fp32: 1/n or 1/√n of its n train tokens, scaled to mean 1.

    The mean is over the labels that occur; one that never does weighs 1. None for `none`.
    """
    if kind == "none":
        return None
    counts = np.bincount(train.labels[train.labels >= 0], minlength=num_labels).astype(np.float64)
    occurs = counts > 0
    weights = np.ones(num_labels)
    weights[occurs] = 1 / (counts[occurs] if kind == "inverse" else np.sqrt(counts[occurs]))
    weights[occurs] /= weights[occurs].mean()
    return torch.from_numpy(weights.astype(np.float32))
