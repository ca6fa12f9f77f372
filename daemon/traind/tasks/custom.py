"""A task that a user wrote (`traind.custom.Custom`), as the trainer wants it. Owns the file of its weights.

Everything of the user's is tried on a first batch before training, so that a mistake is told in words and not by the
loop; what the user's own code raises passes through, traceback and all.
"""

import hashlib
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import Dataset

from rundir.layout import RunDir
from rundir.records import Sample
from rundir.status import read_run_info
from traind.config import Config, ConfigError
from traind.custom import TARGETS, WEIGHTS, Custom, load_weights, place
from traind.device import float_of
from traind.task import Batch
from traind.tasks.factory import make, source_file
from traind.tasks.rehearsal import rehearse
from traind.tasks.seed import seeded
from traind.tasks.shares import spread

_log = logging.getLogger(__name__)


class CustomTask:
    """The task of one run. Exact resume holds as far as the user's objects are the same each time."""

    num_classes = None

    def __init__(self, config: Config, run: RunDir, *, alive: Callable[[], None]) -> None:
        """Call the factory and try all that it made. Raises ConfigError for a mistake in it."""
        self._config = config
        self._unused: nn.Module | None
        self._made, self._unused = self._make()
        alive()
        with seeded(config.seed):
            self.metric_names: tuple[str, ...] = rehearse(self._made, self._unused, config)
        alive()
        self.train_data = cast("Dataset[Any]", self._made.train_data)
        self.num_train = len(self._made.train_data)
        self.collate: Callable[[Sequence[Any]], Batch] = (
            self._made.collate
        )  # loader workers get it, and nothing of ours
        self.summary: dict[str, Any] = {"examples": {"train": self.num_train, "eval": len(self._made.eval_data)}}
        self.hashes = _hashes(config, run)

    def _make(self) -> tuple[Custom, nn.Module]:
        with seeded(self._config.seed):
            return make(self._config)

    def describe(self) -> str:
        examples = self.summary["examples"]
        return f"{examples['train']:,} examples to train, {examples['eval']:,} to evaluate"

    # --- the model ---

    def build_model(self) -> nn.Module:
        """A new one each time: the factory's first, then those of further calls."""
        model, self._unused = self._unused, None
        return self._make()[1] if model is None else model

    def load_model(self, directory: Path) -> nn.Module:
        """Raises ConfigError where the factory no longer makes the model that was saved."""
        model = self.build_model()
        try:
            load_weights(model, directory)
        except ValueError as error:
            raise ConfigError(
                f"task.factory = {self._config.task.factory!r}: {directory.name}: {error}; put back the code and the "
                "options this run began with, or start a new run"
            ) from None
        return model

    def weights(self, model: nn.Module) -> Mapping[str, Tensor]:
        return model.state_dict()

    def write_model(self, model: nn.Module, weights: Mapping[str, Tensor], directory: Path) -> None:  # noqa: ARG002
        """model.safetensors, if there are weights; tied ones once, under the first of their names. Raises OSError."""
        if not weights:
            return
        first: dict[tuple[object, ...], str] = {}
        for name, tensor in weights.items():
            first.setdefault(place(tensor), name)
        tensors = {name: weights[name].contiguous() for name in first.values()}
        save_file(tensors, directory / WEIGHTS, metadata={"format": "pt"})

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        outputs: Tensor = model(**{name: tensor for name, tensor in batch.items() if name != TARGETS})
        return outputs

    # --- loss and metrics ---

    def target_weight(self, batch: Batch) -> float:
        """The number of examples."""
        return float(len(batch[TARGETS]))

    def loss_sum(self, outputs: Tensor, batch: Batch) -> Tensor:
        with torch.autocast(outputs.device.type, enabled=False):
            return self._made.loss(outputs.float(), batch[TARGETS]).float().sum()

    def count(self, outputs: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002
        """None: what the user measures is measured at evaluations."""
        return torch.zeros(0, dtype=torch.int64, device=outputs.device)

    def accuracy(self, counts: Tensor) -> Tensor | None:  # noqa: ARG002
        """None: nothing is counted."""
        return None

    def train_metrics(self, counts: list[int]) -> Mapping[str, float]:  # noqa: ARG002
        return {}

    def eval_batches(self, batch_size: int) -> Iterator[Batch]:
        data = self._made.eval_data
        for begin in range(0, len(data), batch_size):
            yield self.collate([data[index] for index in range(begin, min(begin + batch_size, len(data)))])

    def start_eval(self) -> "CustomTally":
        return CustomTally(self._made, self.metric_names)

    def samples(self, model: nn.Module) -> list[Sample]:  # noqa: ARG002
        return []

    def baseline(self) -> tuple[str, Mapping[str, float]]:
        own = getattr(self._made, "baseline", None)
        if own is None:
            return "the factory's object has none", {}
        what, scores = own()
        return str(what), {str(name): float(score) for name, score in scores.items()}


@dataclass(frozen=True, slots=True)
class CustomResult:
    """The outcome of one pass over the eval set."""

    loss: float
    metrics: Mapping[str, float]
    labels: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    confusion: None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    """How the predictions are spread, where outputs and targets are those of classes."""


class CustomTally:
    """Keeps the outputs and targets of one evaluation in host memory, as the user's metrics want them whole."""

    def __init__(self, made: Custom, metric_names: Sequence[str]) -> None:
        self._made, self._names = made, metric_names
        self._outputs: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._loss = 0.0

    def add(self, batch: Batch, outputs: Tensor) -> None:
        targets = batch[TARGETS]
        with torch.autocast(outputs.device.type, enabled=False):
            losses = self._made.loss(outputs, targets.to(outputs.device))
            self._loss += float(losses.to(float_of(losses.device)).sum())
        self._outputs.append(outputs.cpu())
        self._targets.append(targets)

    def result(self) -> CustomResult:
        """Raises ConfigError where the metrics are not those that were promised: the best could not be chosen."""
        outputs, targets = torch.cat(self._outputs), torch.cat(self._targets)
        found = {str(name): float(value) for name, value in self._made.metrics(outputs, targets).items()}
        if set(found) != set(self._names):
            raise ConfigError(
                f"task.factory: metrics gave {', '.join(found) or 'nothing'}, and {', '.join(self._names)} before "
                "training; always give the same names (nan where one means nothing)"
            )
        loss = self._loss / len(targets) if len(targets) else math.nan
        return CustomResult(loss, found, shares=_shares(outputs, targets))


def _shares(outputs: Tensor, targets: Tensor) -> dict[str, float]:
    """Of [examples, classes] with a class an example; nothing of anything else."""
    if outputs.ndim != 2 or targets.ndim != 1 or targets.dtype != torch.int64 or not len(targets):
        return {}
    num_classes = outputs.shape[1]
    if int(targets.min()) < 0 or int(targets.max()) >= num_classes:
        return {}
    predicted, true = (torch.bincount(each, minlength=num_classes) for each in (outputs.argmax(dim=1), targets))
    return spread(predicted.numpy(), true.numpy())


def _hashes(config: Config, run: RunDir) -> dict[str, str]:
    """The factory's source file. A changed one is no reason to refuse a resume (a mended mistake), but is said."""
    path = source_file(config)
    if path is None:
        return {}
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    try:
        info = read_run_info(run.run_json)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{run.run_json}: cannot be read: {error}; put it back, or start a new run") from None
    before = found if info is None else info.hashes.get("factory", found)
    if before != found:
        _log.warning("%s has changed since this run began: the resume is exact only if the change means nothing", path)
    return {"factory": found}
