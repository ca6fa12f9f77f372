"""Token classification: spans of text to BIO labels, weighted cross-entropy, entity scores on whole documents.

Owns how the parts beside it fit together; the loop, the optimizer and the checkpoints know nothing of them.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from torch import Tensor

from rundir.layout import RunDir
from traind.config import Config, ConfigError
from traind.data.labels import read_labels
from traind.tasks.classifier import Classifier
from traind.tasks.entity import batch_counts, scores
from traind.tasks.features import Batch, Collator, WindowDataset, ordered_batches
from traind.tasks.lexicon import lexicon_predictions
from traind.tasks.model import TOKEN
from traind.tasks.prepare import encode_labelled, prepare
from traind.tasks.tally import METRIC_NAMES, EvalTally, document_scores
from traind.tasks.tokenizer import framing
from traind.tasks.window import EncodedSet, Windows, cut_windows


class TokenClassification(Classifier):
    """The task of one run. Same configuration and data: same features, order and weights, bit for bit."""

    head = TOKEN
    metric_names = METRIC_NAMES

    def __init__(
        self, config: Config, run: RunDir, *, alive: Callable[[], None], most_texts: int | None = None
    ) -> None:
        """Read or make the run's tokenised data. Raises ConfigError for a user's mistake, OSError on a full disk.

        `alive` is called between documents by the score, so that orders are heard meanwhile; what it raises passes.
        `most_texts` takes a part of the data, as `part_of` does.
        """
        ready = prepare(config, run, alive, read_labels=read_labels, encode=encode_labelled, most_texts=most_texts)
        train = ready.data.train
        counts = np.bincount(train.labels[train.labels >= 0], minlength=len(ready.labels))
        super().__init__(config, run, ready, counts)
        self._prefix, self._suffix = framing(ready.tokenizer)
        train_windows, self._eval_windows = self._cut(self._train), self._cut(self._eval)
        self.train_data = WindowDataset(self._train, train_windows, self._prefix, self._suffix)
        self._eval_data = WindowDataset(self._eval, self._eval_windows, self._prefix, self._suffix)
        self.num_train = len(self.train_data)
        self.collate = Collator(self._pad_token_id)
        windows = {"train": len(train_windows), "eval": len(self._eval_windows)}
        self.summary: dict[str, Any] = {**ready.data.summary, "windows": windows}

    def describe(self) -> str:
        """Documents, spans, and what was lost on the way."""
        documents, spans, lost = self.summary["documents"], self.summary["spans"], self.summary["spans_lost"]
        text = f"{documents['train']:,} documents to train, {documents['eval']:,} to evaluate, {spans['train']:,} spans"
        return text + (f"; lost: {', '.join(f'{count:,} {cause}' for cause, count in lost.items())}" if lost else "")

    def _cut(self, encoded: EncodedSet) -> Windows:
        capacity = self._config.data.max_length - len(self._prefix) - len(self._suffix)
        try:
            return cut_windows(encoded.offsets, capacity, self._config.data.stride)
        except ValueError as error:
            raise ConfigError(f"data.stride: {error}; raise data.max_length or lower data.stride") from None

    def count(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The counts behind `train_metrics`, int64, on the logits' device, without a host sync."""
        return batch_counts(outputs.argmax(dim=-1), batch["labels"])

    def accuracy(self, counts: Tensor) -> Tensor:
        """Of the scored tokens, on the device."""
        return counts[0] / counts[1]

    def train_metrics(self, counts: list[int]) -> dict[str, float]:
        """Token accuracy and entity scores of summed counts; entities are counted within windows here."""
        correct, tokens, right, predicted, true = counts
        return {"token_accuracy": correct / tokens if tokens else 0.0, **scores(right, predicted, true)}

    def eval_batches(self, batch_size: int) -> Iterator[Batch]:
        """The eval windows in document order."""
        return ordered_batches(self._eval_data, self.collate, batch_size)

    def start_eval(self) -> EvalTally:
        return EvalTally(
            self._eval, self._eval_windows, self._labels, self._loss.sum_of, self._loss.weight_of, len(self._prefix)
        )

    def baseline(self) -> tuple[str, dict[str, float]]:
        """Marking every longest stretch that was a span in training."""
        return "longest match of spans seen in training", document_scores(
            lexicon_predictions(self._train, self._eval), self._eval, self._labels
        )[0]
