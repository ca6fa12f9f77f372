"""A user's module whose data or memory are at fault as its options say, for runs of the real daemon."""

from pathlib import Path

MODULE = """
import torch
from torch import nn

class Faulty:
    def __init__(self, options, seed):
        generator = torch.Generator().manual_seed(seed)
        num = options.get("num_train", 240)
        points = torch.randn(num + 24, 2, generator=generator)
        targets = points.sum(dim=1, keepdim=True) + 0.3 * torch.randn(num + 24, 1, generator=generator)
        for index in options.get("nan", []):
            points[index] = float("nan")
        for index in options.get("inf_gradient", []):
            points[index] = 0.0  # the norm of nothing: finite, without a slope
        for index in options.get("outlier", []):
            targets[index] = 1e4
        examples = list(zip(points, targets))
        self.train_data, self.eval_data = examples[:num], examples[num:]
        self.model = Net(options, seed)

    def collate(self, examples):
        points, targets = zip(*examples)
        return {"points": torch.stack(points), "targets": torch.stack(targets)}

    def loss(self, outputs, targets):
        return ((outputs - targets) ** 2).squeeze(1)

    def metrics(self, outputs, targets):
        return {"mae": (outputs - targets).abs().mean()}


class Net(nn.Module):
    def __init__(self, options, seed):
        super().__init__()
        self.options, self.has_trained = options, False
        self.first = nn.Linear(2, 8)
        self.norm = nn.BatchNorm1d(8) if options.get("norm", True) else nn.Identity()
        self.last = nn.Linear(8, 1)

    def forward(self, points):
        self.has_trained = self.training or self.has_trained  # the daemon asks an untrained one for its metrics
        room = self.options.get("room_train" if self.training else "room_eval", 1000) if self.has_trained else 1000
        if len(points) > room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB (injected)")
        if self.options.get("hungry_bytes"):  # a real one: more than this process may have of the device
            torch.cuda.set_per_process_memory_fraction(self.options["fraction"])
            torch.empty(len(points) * self.options["hungry_bytes"], dtype=torch.uint8, device=points.device)
        outputs = self.last(torch.relu(self.norm(self.first(points))))
        if self.options.get("inf_gradient"):
            length = (self.first.weight[0, 0] * points.abs().sum(1, keepdim=True)).abs().sqrt()
            outputs = outputs + 0.001 * length
        if self.training and len(points) > self.options.get("room_backward", 1000):
            outputs.register_hook(no_room)
        return outputs


def no_room(gradient):
    raise torch.OutOfMemoryError("CUDA out of memory on the way back (injected)")


def make(options, seed):
    return Faulty(options, seed)
"""

CONFIG = """
name = "faulty"
[task]
kind = "custom"
factory = "faulty:make"
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
metric = "mae"
[checkpoint]
every = 4
keep_last = 3
[log]
system_every_s = 1.0
[policy]
grace_s = 20.0
"""


def write_faulty(directory: Path) -> Path:
    """faulty.py and faulty.toml in a directory; returns the configuration's path."""
    (directory / "faulty.py").write_text(MODULE, encoding="utf-8")
    config = directory / "faulty.toml"
    config.write_text(CONFIG, encoding="utf-8")
    return config
