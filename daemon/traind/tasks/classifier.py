"""What the tasks that give labels have in common: an encoder with a head, its checkpoints, and the weighted loss."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import DistilBertConfig

from rundir.layout import RunDir
from rundir.records import Sample
from traind.config import Config
from traind.task import Batch
from traind.tasks import lora
from traind.tasks import model as models
from traind.tasks.class_weights import settled_weights
from traind.tasks.prepare import Ready
from traind.tasks.weighted_loss import WeightedLoss


class Classifier:
    """Part of a Task; the other part, data and metrics, is that of the kind of labels."""

    head: ClassVar[models.Head]

    def __init__(self, config: Config, run: RunDir, ready: Ready, counts: "NDArray[Any]") -> None:
        """`counts` are the train targets of each label, [labels]. Raises ConfigError for wrong class weights."""
        self._config, self._run = config, run
        self._labels, self.tokenizer = ready.labels, ready.tokenizer
        self._pad_token_id: int = ready.tokenizer.pad_token_id or 0
        self._train, self._eval = ready.data.train, ready.data.eval
        weights, hashes = settled_weights(config.task.class_weights, run, counts, ready.labels.names)
        self._loss = WeightedLoss(weights)
        self.hashes = {**ready.data.hashes, **hashes}
        self.num_classes = len(ready.labels)

    def scratch_config(self) -> DistilBertConfig:
        """The architecture of a model that starts from random weights."""
        return models.scratch_config(
            self._config, self._labels, num_tokens=len(self.tokenizer), pad_token_id=self._pad_token_id
        )

    def build_model(self) -> nn.Module:
        """A new model on the CPU, its weights a function of seed and configuration. Raises ConfigError."""
        return models.build(
            self._config,
            self._labels,
            self.head,
            self._run,
            num_tokens=len(self.tokenizer),
            pad_token_id=self._pad_token_id,
        )

    def load_model(self, directory: Path) -> nn.Module:
        """The model of a checkpoint of this run; needs neither hub nor pretrained directory, unless for an adapter."""
        return models.load(self._config, self._labels, self.head, self._run, directory, pad_token_id=self._pad_token_id)

    def weights(self, model: nn.Module) -> Mapping[str, Tensor]:
        """All of them, or those of an adapter and the head."""
        return lora.weights(model)

    def write_model(self, model: nn.Module, weights: Mapping[str, Tensor], directory: Path) -> None:
        """model.safetensors, config.json and the tokenizer's files, as `save_pretrained` lays them. Raises OSError."""
        models.write(model, weights, directory)
        self.tokenizer.save_pretrained(directory)

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """Logits of [windows, tokens, labels] or [texts, classes]."""
        return models.logits(model, batch)

    def target_weight(self, batch: Batch) -> float:
        """The number of targets, or the sum of their class weights."""
        return self._loss.weight_of(batch["labels"])

    def loss_sum(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy summed over the targets, each times its class weight. fp32."""
        return self._loss.sum_of(outputs, batch["labels"])

    def samples(self, model: nn.Module) -> list[Sample]:  # noqa: ARG002
        """None: labels are judged by numbers."""
        return []
