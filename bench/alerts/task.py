"""What one thing to train consists of, and what the families share in making it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from bench.alerts.spec import Spec

Criterion = Callable[[Tensor, Tensor, int], Tensor]
"""(what the net gives, the targets, the step) to the loss."""

EASY = ("converged", "flat")
"""Hard negatives whose task can be learnt through and through."""


@dataclass
class Task:
    """One thing to train."""

    model: nn.Module
    x: Tensor
    y: Tensor
    held_x: Tensor
    held_y: Tensor
    criterion: Criterion
    num_classes: int | None = None
    signed: bool = False
    is_sequence: bool = False
    """Whether the second dimension is time, so that a curriculum can cut it."""
    jitter: float = 0.0
    """Augmentation: Gaussian noise on the inputs of training."""
    has_opposites: bool = True
    """Whether a wrong number may be one of the other sign; where not, it is that of another example."""
    pretrain: int = 0
    """Steps trained before the record begins."""


def cross_entropy(out: Tensor, y: Tensor, _step: int) -> Tensor:
    return F.cross_entropy(out.reshape(-1, out.shape[-1]), y.reshape(-1))


def squares(out: Tensor, y: Tensor, _step: int) -> Tensor:
    return F.mse_loss(out, y)


def num_train(spec: Spec, enough: int) -> int:
    """How many examples a run learns from."""
    return int(spec.size) if spec.fault == "tiny-data" else enough


def pool(spec: Spec, held: int) -> int:
    """Examples to draw from a teacher: a few epochs' worth, so that a healthy run does not learn them by heart."""
    return held + min(60_000, max(4000, spec.steps * spec.batch // 3))


def split(spec: Spec, x: Tensor, y: Tensor, held: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The last `held` examples for evaluation; tiny data take the first few."""
    n = num_train(spec, len(x) - held)
    return x[:n], y[:n], x[-held:], y[-held:]


def mislabelled(y: Tensor, num_classes: int, share: float, g: torch.Generator) -> Tensor:
    """A share of the labels drawn anew."""
    return torch.where(torch.rand(y.shape, generator=g) < share, torch.randint(0, num_classes, y.shape, generator=g), y)


def dropout(spec: Spec) -> float:
    """Its rate."""
    return 0.5 if spec.hard == "dropout" else 0.0
