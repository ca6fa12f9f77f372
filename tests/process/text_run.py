"""A tiny text classification for process tests: its data, its configuration, and what a crash must not change."""

import random
from pathlib import Path

from rundir.layout import RunDir
from rundir.records import EvalRecord
from tests.process.tiny_run import Trace, metrics_of, trace_of

CONFIG = """
name = "tiny-text"
[task]
kind = "text-classification"
class_weights = "inverse"
positive_from = 2
[data]
train = "{data}"
max_length = 16
stride = 0
eval_fraction = 0.2
num_workers = 1
[model]
init = "scratch"
dim = 64
n_layers = 1
n_heads = 2
hidden_dim = 128
vocab_size = 200
dropout = 0.1
[train]
epochs = 8
batch_size = 4
accumulation = 2
lr = 4e-3
gradient_checkpointing = true
device = "cpu"
threads = 1
[eval]
every = 11
metric = "binary_f1@2"
[checkpoint]
every = 5
[policy]
max_restarts = 50
grace_s = 20.0
"""

_WORDS = ("the", "a", "we", "ate", "here", "again", "today", "soup", "rice", "bread")
_MOODS = ("awful", "poor", "good", "superb")


def write_config(directory: Path) -> Path:
    """scores.csv and text.toml in a directory; returns the configuration's path."""
    rng = random.Random(5)
    data = directory / "scores.csv"
    with data.open("w", encoding="utf-8") as file:
        file.write("review,stars\n")
        for _ in range(150):
            score = rng.choice((0, 1, 1, 2, 3))
            words = [rng.choice(_WORDS) for _ in range(rng.randint(2, 18))]
            words.insert(rng.randrange(min(len(words), 8)), _MOODS[score])
            file.write(f"{' '.join(words)},{score}\n")
    config = directory / "text.toml"
    config.write_text(CONFIG.format(data=data), encoding="utf-8")
    return config


def evals_of(run: RunDir) -> list[EvalRecord]:
    return [record for record in metrics_of(run) if isinstance(record, EvalRecord)]


def text_trace(run: RunDir) -> tuple[Trace, list[list[list[int]] | None]]:
    """All numbers, and the confusion matrix of each evaluation."""
    return trace_of(run), [record.confusion for record in evals_of(run)]
