"""Text classification: a class for each text, weighted cross-entropy, every score from one confusion matrix.

Owns how the parts beside it fit together; the loop, the optimizer and the checkpoints know nothing of them.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from torch import Tensor

from rundir.layout import RunDir
from traind.config import Config, ConfigError
from traind.data.classes import read_classes
from traind.data.text_corpus import TextCorpus
from traind.tasks.cache import Prepared
from traind.tasks.class_tally import ClassTally
from traind.tasks.classifier import Classifier
from traind.tasks.confusion import (
    POSITIVE,
    as_counts,
    counts_of_one_answer,
    flat_counts,
    metric_names,
    scores,
    share_of_right,
)
from traind.tasks.model import SEQUENCE
from traind.tasks.prepare import prepare
from traind.tasks.text_features import Batch, TextCollator, TextDataset, encode_texts, ordered_batches
from traind.tasks.tokenizer import bare, fingerprint, framing
from traind.tasks.window import EncodedSet


class TextClassification(Classifier):
    """The task of one run. Same configuration and data: same features, order and weights, bit for bit."""

    head = SEQUENCE

    def __init__(
        self, config: Config, run: RunDir, *, alive: Callable[[], None], most_texts: int | None = None
    ) -> None:
        """Read or make the run's tokenised data. Raises ConfigError for a user's mistake, OSError on a full disk.

        `alive` is called between texts by the score, so that orders are heard meanwhile; what it raises passes.
        `most_texts` takes a part of the data, as `part_of` does.
        """
        ready = prepare(config, run, alive, read_labels=read_classes, encode=_encode, most_texts=most_texts)
        if ready.tokenizer.pad_token is None:
            ready.tokenizer.pad_token = ready.tokenizer.eos_token or ready.tokenizer.unk_token
        super().__init__(config, run, ready, _counts(ready.data.train, len(ready.labels)))
        self.collate = TextCollator(self._pad_token_id)
        prefix, suffix = framing(self.tokenizer)
        capacity = config.data.max_length - len(prefix) - len(suffix)
        self.train_data = TextDataset(self._train, capacity, prefix, suffix)
        self._eval_data = TextDataset(self._eval, capacity, prefix, suffix)
        self.num_train = len(self.train_data)
        self._positive_from = config.task.positive_from
        self.metric_names = metric_names(self.num_classes, self._positive_from)
        truncated = {"train": self.train_data.num_truncated, "eval": self._eval_data.num_truncated}
        self.summary: dict[str, Any] = {**ready.data.summary, "truncated": truncated}

    def describe(self) -> str:
        """Texts, classes, and what is odd about them."""
        texts, truncated, notes = (self.summary[key] for key in ("texts", "truncated", "notes"))
        text = f"{texts['train']:,} texts to train, {texts['eval']:,} to evaluate, {self.num_classes} classes"
        if self.num_classes == 2:
            text += f'; precision, recall and f1 are those of "{self._labels.names[POSITIVE]}"'
        odd = [f"{count:,} with {cause}" for cause, count in notes.items()]
        if any(truncated.values()):
            limit = f"data.max_length = {self._config.data.max_length}"
            odd.append(f"{truncated['train']:,} + {truncated['eval']:,} cut short at {limit}")
        # Of a run that began before this was written down, the tokenised data does not say.
        columns = self.summary.get("columns", "")
        return "; ".join([text, *([columns] if columns else []), *odd])

    def count(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Which class was taken for which, flat: int64, on the logits' device, without a host sync."""
        return flat_counts(outputs.argmax(dim=-1), batch["labels"], self.num_classes)

    def accuracy(self, counts: Tensor) -> Tensor:
        """Of the texts, on the device."""
        return share_of_right(counts, self.num_classes)

    def train_metrics(self, counts: list[int]) -> dict[str, float]:
        """The same scores as those of an evaluation, of summed counts."""
        return scores(as_counts(counts, self.num_classes), self._positive_from)

    def eval_batches(self, batch_size: int) -> Iterator[Batch]:
        """The eval texts in their order."""
        return ordered_batches(self._eval_data, self.collate, batch_size)

    def start_eval(self) -> ClassTally:
        return ClassTally(len(self._eval_data), self._labels.names, self._positive_from, self._loss)

    def baseline(self) -> tuple[str, dict[str, float]]:
        """Giving every text the class that is the most frequent one in training, the first of equal ones.

        The question whether a score is ≥ N is also answered by always saying yes: the better of the two counts there.
        """
        majority = int(_counts(self._train, self.num_classes).argmax())
        of_eval = _counts(self._eval, self.num_classes)
        found = scores(counts_of_one_answer(majority, of_eval), self._positive_from)
        what = f"always {self._labels.names[majority]}, the most frequent class"
        if self._positive_from is not None and majority < self._positive_from:
            name = f"binary_f1@{self._positive_from}"
            found[name] = scores(counts_of_one_answer(self._positive_from, of_eval), self._positive_from)[name]
            what += f"; for {name} always {self._labels.names[self._positive_from]}"
        return what, found


def _counts(encoded: EncodedSet, num_classes: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    return np.bincount(encoded.labels, minlength=num_classes)


def _encode(config: Config, corpus: TextCorpus, tokenizer: Any, alive: Callable[[], None]) -> Prepared:
    core = bare(tokenizer)
    train, evaluation = encode_texts(corpus.train, core, alive), encode_texts(corpus.eval, core, alive)
    if not len(train.ids):
        raise ConfigError(f"data.train: {config.data.train}: no text has a token; give texts")
    by_label = np.bincount(train.labels, minlength=len(corpus.labels))
    summary = {
        "texts": {"train": len(corpus.train), "eval": len(corpus.eval)},
        "tokens": {"train": len(train.ids), "eval": len(evaluation.ids)},
        "notes": corpus.notes,
        "columns": corpus.columns,
        "train_labels": {name: int(count) for name, count in zip(corpus.labels.names, by_label, strict=True)},
    }
    return Prepared(train, evaluation, summary, {**corpus.hashes, "tokenizer": fingerprint(tokenizer)})
