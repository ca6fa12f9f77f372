"""Text classification: a class for each text, weighted cross-entropy, every score from one confusion matrix.

Owns how the parts beside it fit together; the loop, the optimizer and the checkpoints know nothing of them.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn
from transformers import DistilBertConfig

from rundir.layout import RunDir
from rundir.records import Sample
from traind.config import Config, ConfigError
from traind.data.classes import ClassSet, read_classes
from traind.data.text_corpus import TextCorpus
from traind.tasks import lora
from traind.tasks import model as models
from traind.tasks.cache import Prepared
from traind.tasks.class_tally import ClassTally
from traind.tasks.class_weights import settled_weights
from traind.tasks.confusion import POSITIVE, as_counts, counts_of_one_answer, flat_counts, metric_names, scores
from traind.tasks.prepare import prepare
from traind.tasks.text_features import Batch, TextCollator, TextDataset, encode_texts, ordered_batches
from traind.tasks.tokenizer import bare, fingerprint, framing
from traind.tasks.weighted_loss import WeightedLoss
from traind.tasks.window import EncodedSet


class TextClassification:
    """The task of one run. Same configuration and data: same features, order and weights, bit for bit."""

    def __init__(
        self, config: Config, run: RunDir, *, alive: Callable[[], None], most_texts: int | None = None
    ) -> None:
        """Read or make the run's tokenised data. Raises ConfigError for a user's mistake, OSError on a full disk.

        `alive` is called between texts by the score, so that orders are heard meanwhile; what it raises passes.
        `most_texts` takes a part of the data, as `part_of` does.
        """
        ready = prepare(config, run, alive, read_labels=read_classes, encode=_encode, most_texts=most_texts)
        self._config, self._run, self.tokenizer = config, run, ready.tokenizer
        self._labels: ClassSet = ready.labels
        self.num_classes = len(self._labels)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token or self.tokenizer.unk_token
        self.collate = TextCollator(self.tokenizer.pad_token_id or 0)
        prefix, suffix = framing(self.tokenizer)
        capacity = config.data.max_length - len(prefix) - len(suffix)
        self._train, self._eval = ready.data.train, ready.data.eval
        self.train_data = TextDataset(self._train, capacity, prefix, suffix)
        self._eval_data = TextDataset(self._eval, capacity, prefix, suffix)
        self.num_train = len(self.train_data)
        weights, hashes = settled_weights(config.task.class_weights, run, self._counts(self._train), self._labels.names)
        self._loss = WeightedLoss(weights)
        self.hashes = {**ready.data.hashes, **hashes}
        self._positive_from = config.task.positive_from
        self.metric_names = metric_names(self.num_classes, self._positive_from)
        truncated = {"train": self.train_data.num_truncated, "eval": self._eval_data.num_truncated}
        self.summary: dict[str, Any] = {**ready.data.summary, "truncated": truncated}

    def _counts(self, encoded: EncodedSet) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
        return np.bincount(encoded.labels, minlength=self.num_classes)

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
        return "; ".join([text, *odd])

    # --- model ---

    def scratch_config(self) -> DistilBertConfig:
        """The architecture of a model that starts from random weights."""
        return models.scratch_config(
            self._config, self._labels, num_tokens=len(self.tokenizer), pad_token_id=self.collate.pad_token_id
        )

    def build_model(self) -> nn.Module:
        """A new model on the CPU, its weights a function of seed and configuration. Raises ConfigError."""
        return models.build(
            self._config,
            self._labels,
            models.SEQUENCE,
            self._run,
            num_tokens=len(self.tokenizer),
            pad_token_id=self.collate.pad_token_id,
        )

    def load_model(self, directory: Path) -> nn.Module:
        """The model of a checkpoint of this run; needs neither hub nor pretrained directory, unless for an adapter."""
        return models.load(
            self._config, self._labels, models.SEQUENCE, self._run, directory, pad_token_id=self.collate.pad_token_id
        )

    def weights(self, model: nn.Module) -> Mapping[str, Tensor]:
        """All of them, or those of an adapter and the head."""
        return lora.weights(model)

    def write_model(self, model: nn.Module, weights: Mapping[str, Tensor], directory: Path) -> None:
        """model.safetensors, config.json and the tokenizer's files, as `save_pretrained` lays them. Raises OSError."""
        models.write(model, weights, directory)
        self.tokenizer.save_pretrained(directory)

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Logits of [texts, classes]."""
        return models.logits(model, batch)

    # --- loss ---

    def target_weight(self, batch: Batch) -> float:
        """The number of texts, or the sum of the weights of their classes."""
        return self._loss.weight_of(batch["labels"])

    def loss_sum(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of [texts, classes] summed over the texts, each times its class weight. fp32."""
        return self._loss.sum_of(outputs, batch["labels"])

    # --- metrics ---

    def count(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Which class was taken for which, flat: int64, on the logits' device, without a host sync."""
        return flat_counts(outputs.argmax(dim=-1), batch["labels"], self.num_classes)

    def train_metrics(self, counts: list[int]) -> dict[str, float]:
        """The same scores as those of an evaluation, of summed counts."""
        return scores(as_counts(counts, self.num_classes), self._positive_from)

    def eval_batches(self, batch_size: int) -> Iterator[Batch]:
        """The eval texts in their order."""
        return ordered_batches(self._eval_data, self.collate, batch_size)

    def start_eval(self) -> ClassTally:
        return ClassTally(len(self._eval_data), self._labels.names, self._positive_from, self._loss)

    def samples(self, model: nn.Module) -> list[Sample]:  # noqa: ARG002
        """None: classes are judged by numbers."""
        return []

    def baseline(self) -> tuple[str, dict[str, float]]:
        """Giving every text the class that is the most frequent one in training, the first of equal ones.

        The question whether a score is ≥ N is also answered by always saying yes: the better of the two counts there.
        """
        majority = int(self._counts(self._train).argmax())
        of_eval = self._counts(self._eval)
        found = scores(counts_of_one_answer(majority, of_eval), self._positive_from)
        what = f"always {self._labels.names[majority]}, the most frequent class"
        if self._positive_from is not None and majority < self._positive_from:
            name = f"binary_f1@{self._positive_from}"
            found[name] = scores(counts_of_one_answer(self._positive_from, of_eval), self._positive_from)[name]
            what += f"; for {name} always {self._labels.names[self._positive_from]}"
        return what, found


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
        "train_labels": {name: int(count) for name, count in zip(corpus.labels.names, by_label, strict=True)},
    }
    return Prepared(train, evaluation, summary, {**corpus.hashes, "tokenizer": fingerprint(tokenizer)})
