"""What the trainer needs of a task: the only thing that the loop knows of data, model, loss and metrics."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedModel

Batch = dict[str, Tensor]
"""`input_ids`, `attention_mask` and `labels`, int64, examples × tokens; ignored targets are −100."""


class EvalResult(Protocol):
    """The outcome of one pass over the eval set."""

    @property
    def loss(self) -> float: ...

    @property
    def metrics(self) -> Mapping[str, float]: ...

    @property
    def labels(self) -> Mapping[str, Mapping[str, float]]:
        """Per label: precision, recall, f1, support."""
        ...


class EvalTally(Protocol):
    """Adds up an evaluation."""

    def add(self, batch: Batch, logits: Tensor) -> None: ...

    def result(self) -> EvalResult: ...


class Task(Protocol):
    """Data, model, loss and metrics of one kind of training."""

    @property
    def train_data(self) -> Dataset[Any]: ...

    @property
    def num_train(self) -> int:
        """Examples of `train_data`."""
        ...

    @property
    def summary(self) -> Mapping[str, Any]:
        """What was read and what was lost, for an event."""
        ...

    @property
    def hashes(self) -> dict[str, str]:
        """sha256 of data files and tokenizer."""
        ...

    @property
    def metric_names(self) -> Sequence[str]:
        """What an evaluation measures, `loss` aside."""
        ...

    def collate(self, features: Sequence[Any]) -> Batch: ...

    def build_model(self) -> PreTrainedModel:
        """A new model, its weights a function of the seed, or of the pretrained ones. Raises ConfigError."""
        ...

    def load_model(self, directory: Path) -> PreTrainedModel:
        """The model of a checkpoint directory."""
        ...

    def save_extras(self, directory: Path) -> None:
        """What `from_pretrained` wants beside the model: the tokenizer's files."""
        ...

    def target_weight(self, labels: Tensor) -> float:
        """What the loss of these targets is divided by: their number, or the sum of their class weights."""
        ...

    def loss_sum(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss summed over the targets, fp32, not divided."""
        ...

    def count(self, logits: Tensor, labels: Tensor) -> Tensor:
        """int64 counts behind the train metrics; they add up over micro-batches."""
        ...

    def train_metrics(self, counts: list[int]) -> Mapping[str, float]: ...

    def eval_batches(self, batch_size: int) -> Iterator[Batch]:
        """The eval set in a fixed order."""
        ...

    def start_eval(self) -> EvalTally: ...

    def baseline(self) -> Mapping[str, float]:
        """What a program without a model scores on the eval set."""
        ...
