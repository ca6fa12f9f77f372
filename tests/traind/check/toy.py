"""A custom task with one thing wrong with it: which one, its options say. Imported by the trainer, not by tests."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

NUM_CLASSES = 4
NUM_INPUTS = 8

Example = tuple[Tensor, int]


class Net(nn.Module):
    """Two layers, and the fault that is asked for."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        num_outputs = {"large head": NUM_CLASSES + 2, "small head": NUM_CLASSES - 1}.get(fault, NUM_CLASSES)
        self.body = nn.Linear(NUM_INPUTS, 32)
        self.middle = nn.Linear(32, 32)
        self.head = nn.Linear(32, num_outputs)
        if fault == "dead layer":
            nn.init.constant_(self.body.bias, -1e6)  # a ReLU after it lets nothing through
        if fault == "frozen body":
            self.body.requires_grad_(requires_grad=False)
        if fault == "frozen":
            self.requires_grad_(requires_grad=False)
        if fault == "sure head":
            nn.init.constant_(self.head.bias[:1], 30.0)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.middle(torch.relu(self.body(x)))
        if self.fault == "cut off":
            hidden = hidden.detach()
        logits: Tensor = self.head(torch.relu(hidden))
        return logits.softmax(dim=-1) if self.fault == "double softmax" else logits


class Toy:
    """Clusters of points, one a class."""

    def __init__(self, fault: str, seed: int) -> None:
        self.fault = fault
        self.model = Net(fault)
        draw = torch.Generator().manual_seed(seed)
        centres = torch.randn(NUM_CLASSES, NUM_INPUTS, generator=draw)
        self.train_data = self._examples(320, centres, draw)
        self.eval_data = [] if fault == "eval empty" else self._examples(80, centres, draw)

    def _examples(self, count: int, centres: Tensor, draw: torch.Generator) -> list[Example]:
        classes = torch.arange(count) % NUM_CLASSES
        points = centres[classes] + 0.3 * torch.randn(count, NUM_INPUTS, generator=draw)
        if self.fault == "NaN inputs":
            points[:, 0] = torch.nan
        if self.fault == "one class":
            classes = torch.zeros_like(classes)
        if self.fault == "off by one":
            classes = classes + 1
        if self.fault in ("own ignored label", "forgotten ignored label"):
            classes[::5] = -1
        return list(zip(points, classes.tolist(), strict=True))

    def collate(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        points, classes = zip(*examples, strict=True)
        return {"x": torch.stack(points), "targets": torch.tensor(classes)}

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        weight = torch.ones(3) if self.fault == "class weights" else None
        ignored = -1 if self.fault == "own ignored label" else -100
        losses = functional.cross_entropy(outputs, targets, weight=weight, reduction="none", ignore_index=ignored)
        return losses * 0 if self.fault == "no loss" else losses

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        return {"accuracy": (outputs.argmax(dim=-1) == targets).double().mean().item()}


def make(options: dict[str, Any], seed: int) -> Toy:
    return Toy(str(options.get("fault", "")), seed)
