"""A user's module for tests: whole as it stands, and the ways to break it one line at a time."""

import itertools
from pathlib import Path

from traind import config
from traind.config import Config

MODULE = '''
import torch
from torch import nn

class Points:
    """Is a point above the line? With batch norm, dropout and tied weights: all that a resume could lose."""

    def __init__(self, num_train, seed):
        generator = torch.Generator().manual_seed(seed)
        points = torch.randn(num_train + 40, 2, generator=generator)
        above = (points.sum(dim=1) > 0).long()
        examples = list(zip(points, above))
        self.train_data, self.eval_data = examples[:num_train], examples[num_train:]
        self.model = Net()

    def collate(self, examples):
        points, above = zip(*examples)
        return {"points": torch.stack(points), "targets": torch.stack(above)}

    def loss(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets, reduction="none")

    def metrics(self, outputs, targets):
        return {"accuracy": (outputs.argmax(dim=1) == targets).float().mean()}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 8)
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.3)
        self.middle = nn.Linear(8, 8, bias=False)
        self.again = nn.Linear(8, 8, bias=False)
        self.again.weight = self.middle.weight
        self.last = nn.Linear(8, 2)

    def forward(self, points):
        hidden = self.drop(torch.relu(self.norm(self.first(points))))
        return self.last(torch.relu(self.again(torch.relu(self.middle(hidden)))))


def make(options, seed):
    return Points(options.get("num_train", 60), seed)
'''

CONFIG = """
name = "points"
[task]
kind = "custom"
factory = "{module}:make"
[train]
epochs = 4
batch_size = 4
accumulation = 3
lr = 1e-2
device = "cpu"
threads = 1
[eval]
every = 7
batch_size = 16
metric = "accuracy"
[checkpoint]
every = 4
[log]
system_every_s = 1.0
[policy]
max_restarts = 50
grace_s = 20.0
"""

_numbers = itertools.count()


def write_module(directory: Path, *changes: tuple[str, str]) -> Path:
    """The module, its lines changed, and its configuration; returns the configuration's path.

    Under a name of its own each time: Python imports a name once a process.
    """
    text = MODULE
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    name = f"points_{next(_numbers)}"
    (directory / f"{name}.py").write_text(text, encoding="utf-8")
    path = directory / f"{name}.toml"
    path.write_text(CONFIG.format(module=name), encoding="utf-8")
    return path


def load_module(directory: Path, *changes: tuple[str, str], overrides: tuple[str, ...] = ()) -> Config:
    """The loaded configuration of such a module."""
    return config.load(write_module(directory, *changes), overrides)
