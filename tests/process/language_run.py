"""A tiny language model for process tests: its data, its configuration, and what a crash must not change in its run."""

import json
from pathlib import Path

import msgspec

from rundir.layout import RunDir
from rundir.records import EvalRecord
from tests.process.tiny_run import Trace, metrics_of, trace_of
from traind.samples.banking import question

CONFIG = """
name = "tiny-lm"
[task]
kind = "causal-lm"
prompts = ["I lost my", ""]
sample_tokens = 12
[data]
train = "{data}"
tokenizer = "word"
max_length = 24
stride = 4
num_workers = 1
[model]
init = "scratch"
dim = 32
n_layers = 2
n_heads = 2
hidden_dim = 64
vocab_size = 300
dropout = 0.2
[train]
epochs = 3
batch_size = 4
accumulation = 2
lr = 4e-3
min_lr = 4e-4
schedule = "cosine"
warmup_steps = 5
weight_decay = 0.1
betas = [0.9, 0.95]
device = "cpu"
threads = 1
[eval]
every = 9
metric = "loss"
[checkpoint]
every = 5
[policy]
max_restarts = 50
grace_s = 20.0
"""


def write_config(directory: Path) -> Path:
    """questions.jsonl and lm.toml in a directory; returns the configuration's path."""
    data = directory / "questions.jsonl"
    data.write_text("".join(json.dumps({"text": question(3, index)}) + "\n" for index in range(160)), encoding="utf-8")
    config = directory / "lm.toml"
    config.write_text(CONFIG.format(data=data), encoding="utf-8")
    return config


def evals_of(run: RunDir) -> list[EvalRecord]:
    return [record for record in metrics_of(run) if isinstance(record, EvalRecord)]


def language_trace(run: RunDir) -> tuple[Trace, list[object]]:
    """All numbers and all generated texts."""
    return trace_of(run), [msgspec.to_builtins(record.samples) for record in evals_of(run)]
