"""Handwritten digits by a small convolutional network: an example of training something of your own with `traind`.

    traind start examples/digits/digits.toml --watch

The daemon asks this file for six things (`traind.custom.Custom` says what each must be) and does the rest: the order
of the examples, the optimizer, evaluation, checkpoints, exact resume, orders, alerts. Copy it and put your own data
and model in. The trained model, in a program of yours:

    model = SmallCnn(width=16, dropout=0.2)
    traind.custom.load_weights(model, "runs/latest/checkpoints/best")
"""

from collections.abc import Sequence
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

NUM_CLASSES = 10
BRIGHTEST = 16.0  # the pixels are whole numbers from 0 to 16

Example = tuple[Tensor, int]


class SmallCnn(nn.Module):
    """Two convolutions and a linear layer: [images, 1, 8, 8] to [images, 10]. `width` channels, then twice that."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, width, kernel_size=3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, kernel_size=3, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * width * 2 * 2, NUM_CLASSES)

    def forward(self, images: Tensor) -> Tensor:  # the argument's name is that of collate's tensor
        logits: Tensor = self.head(self.dropout(self.features(images)))
        return logits


class Digits:
    """Everything that the daemon needs."""

    def __init__(self, width: int, dropout: float, eval_fraction: float, seed: int) -> None:
        # torch's generator is seeded already: these weights are a function of the seed.
        self.model = SmallCnn(width, dropout)
        self.train_data, self.eval_data = split(read_digits(), eval_fraction, seed)

    def collate(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        """The model's inputs by the names of its arguments, and `targets`."""
        images, digits = zip(*examples, strict=True)
        return {"images": torch.stack(images), "targets": torch.tensor(digits)}

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """One number an example: the daemon itself divides by how many there are, over all micro-batches of a step."""
        return functional.cross_entropy(outputs, targets, reduction="none")

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Of the whole eval set. `eval.metric` in digits.toml names the one that chooses the best checkpoint."""
        predicted = outputs.argmax(dim=-1)
        recall = [(predicted[targets == digit] == digit).double().mean().item() for digit in targets.unique().tolist()]
        return {"accuracy": (predicted == targets).double().mean().item(), "worst_digit_recall": min(recall)}

    def baseline(self) -> tuple[str, dict[str, float]]:
        """Optional: what any model has to beat."""
        digits = torch.tensor([digit for _, digit in self.eval_data])
        most_common = torch.tensor([digit for _, digit in self.train_data]).mode().values
        accuracy = (digits == most_common).double().mean().item()
        return "always the most common digit", {"accuracy": accuracy, "worst_digit_recall": 0.0}


def read_digits() -> list[Example]:
    """The 1,797 scans of 8 × 8 pixels that come with scikit-learn, [1, 8, 8] each, from 0 to 1."""
    found: Any = load_digits()
    images = torch.from_numpy(found.images).float().div(BRIGHTEST).unsqueeze(1)
    return list(zip(images, found.target.tolist(), strict=True))


def split(examples: Sequence[Example], eval_fraction: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Train and eval set. By a generator of our own: a resumed run must find the same ones."""
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(seed)).tolist()
    num_eval = round(len(examples) * eval_fraction)
    return [examples[index] for index in order[num_eval:]], [examples[index] for index in order[:num_eval]]


def make(options: dict[str, Any], seed: int) -> Digits:
    """The factory that digits.toml names; `options` is its [task.options]."""
    return Digits(options["width"], options["dropout"], options["eval_fraction"], seed)
