"""What the trainer needs of a task: the only thing that the loop knows of data, model, loss and metrics."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn
from torch.utils.data import Dataset

from rundir.records import Sample

Batch = dict[str, Tensor]
"""What `collate` makes of some examples: tensors whose first dimension is the examples.

Those of texts are `input_ids`, `attention_mask` and `labels`, int64; ignored targets are −100.
"""


class EvalResult(Protocol):
    """The outcome of one pass over the eval set."""

    @property
    def loss(self) -> float: ...

    @property
    def metrics(self) -> Mapping[str, float]: ...

    @property
    def labels(self) -> Mapping[str, Mapping[str, float]]:
        """Per label: precision, recall, f1, support. Where there is a confusion matrix: all labels, in its order."""
        ...

    @property
    def confusion(self) -> Sequence[Sequence[int]] | None:
        """Examples by true (row) and predicted label (column); None where it means nothing."""
        ...

    @property
    def shares(self) -> Mapping[str, float]:
        """How the predictions are spread, by the names of `traind.tasks.shares`; empty where `confusion` says it."""
        ...


class EvalTally(Protocol):
    """Adds up an evaluation."""

    def add(self, batch: Batch, outputs: Tensor) -> None:
        """`batch` is in host memory, `outputs` on the device, in fp32."""
        ...

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

    def describe(self) -> str:
        """The same in one line."""
        ...

    @property
    def hashes(self) -> dict[str, str]:
        """sha256 of data files and tokenizer."""
        ...

    @property
    def metric_names(self) -> Sequence[str]:
        """What an evaluation measures, `loss` aside."""
        ...

    @property
    def num_classes(self) -> int | None:
        """Among how many a prediction chooses: a model that knows nothing has the loss ln(num_classes)."""
        ...

    def collate(self, features: Sequence[Any]) -> Batch: ...

    # --- the model ---

    def build_model(self) -> nn.Module:
        """A new model, its weights a function of the seed, or of the pretrained ones. Raises ConfigError."""
        ...

    def load_model(self, directory: Path) -> nn.Module:
        """The model of a checkpoint directory."""
        ...

    def weights(self, model: nn.Module) -> Mapping[str, Tensor]:
        """The live tensors that a checkpoint must hold: all, or those of an adapter and its head."""
        ...

    def write_model(self, model: nn.Module, weights: Mapping[str, Tensor], directory: Path) -> None:
        """Lay copies of those tensors out as `from_pretrained` wants them, tokenizer included.

        No tensors at all: everything but their file, which is written otherwise.
        Called by the saving thread: touches no live tensor. Raises OSError.
        """
        ...

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """The model's outputs for a batch on its device: logits, as a rule."""
        ...

    # --- loss and metrics ---

    def target_weight(self, batch: Batch) -> float:
        """What the loss of a batch in host memory is divided by: its targets, or the sum of their class weights."""
        ...

    def loss_sum(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The loss summed over the targets, fp32, not divided. Both arguments are on the device."""
        ...

    def count(self, outputs: Tensor, batch: Batch) -> Tensor:
        """int64 counts behind the train metrics; they add up over micro-batches. Without a host sync."""
        ...

    def accuracy(self, counts: Tensor) -> Tensor | None:
        """Share of right predictions among those counted, on their device, without a host sync; nan of none.

        None of a task that counts no such thing.
        """
        ...

    def train_metrics(self, counts: list[int]) -> Mapping[str, float]: ...

    def eval_batches(self, batch_size: int) -> Iterator[Batch]:
        """The eval set in a fixed order."""
        ...

    def start_eval(self) -> EvalTally: ...

    def samples(self, model: nn.Module) -> list[Sample]:
        """Texts made by the model as it is, to be looked at; leaves the random generators as they were."""
        ...

    def baseline(self) -> tuple[str, Mapping[str, float]]:
        """What a program without a model does, in words, and its scores on the eval set."""
        ...
