"""A tiny real run for process tests: its data, its configuration, and the command line that drives it."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from rundir import effective as lineage
from rundir import process
from rundir.layout import RunDir
from rundir.records import (
    EVENT_DECODER,
    METRICS_DECODER,
    EpochRecord,
    EvalRecord,
    EventRecord,
    MetricsRecord,
    StepRecord,
    decode_lines,
)
from rundir.status import Status, read_status
from tests.conftest import eventually

CONFIG = """
name = "tiny"
[data]
train = "{data}"
max_length = 32
stride = 8
eval_fraction = 0.2
num_workers = 1
[task]
class_weights = "sqrt-inverse"
[model]
init = "scratch"
dim = 32
n_layers = 1
n_heads = 2
hidden_dim = 64
vocab_size = 200
dropout = 0.2
[train]
epochs = 4
batch_size = 4
accumulation = 3
lr = 2e-3
device = "cpu"
threads = 1
[eval]
every = 7
batch_size = 2
[checkpoint]
every = 4
[log]
system_every_s = 1.0
[policy]
max_restarts = 50
grace_s = 20.0
"""

_WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi".split()  # noqa: SIM905


def write_data(path: Path, num_documents: int = 150) -> None:
    """Word soup in which two words begin a span: learnable, and quick."""
    rng = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for _ in range(num_documents):
            words = [rng.choice(_WORDS) for _ in range(rng.randint(8, 40))]
            spans, start = [], 0
            for word, following in zip(words, [*words[1:], ""], strict=True):
                if word in ("delta", "xi") and following:
                    end = start + len(word) + 1 + len(following)
                    spans.append({"start": start, "end": end, "label": "A" if word == "delta" else "B"})
                start += len(word) + 1
            file.write(json.dumps({"text": " ".join(words), "spans": spans}) + "\n")


def write_config(directory: Path) -> Path:
    """tiny.jsonl and tiny.toml in a directory; returns the configuration's path."""
    write_data(directory / "tiny.jsonl")
    config = directory / "tiny.toml"
    config.write_text(CONFIG.format(data=directory / "tiny.jsonl"), encoding="utf-8")
    return config


@dataclass(frozen=True)
class Traind:
    """The command line, in a directory of its own."""

    directory: Path
    process: Mapping[str, Any] = field(default_factory=dict)
    """What subprocess is told besides: another user, umask or environment."""
    python: str = sys.executable

    def __call__(self, *args: str, timeout_s: float = 90.0) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.python, "-m", "traind.cli", *args],
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            **self.process,
        )

    def start(self, config: Path, *settings: str) -> RunDir:
        """Start and wait for the first step; `section.key=value` settings go by --set."""
        overrides = [word for setting in settings for word in ("--set", setting)]
        done = self("start", str(config), *overrides)
        assert done.returncode == 0, done.stderr
        return RunDir((self.directory / done.stdout.splitlines()[-1]).resolve())

    def ok(self, *args: str) -> str:
        done = self(*args)
        assert done.returncode == 0, (args, done.returncode, done.stderr)
        return done.stdout

    def finish(self, run: RunDir) -> None:
        done = self("wait", str(run.path), timeout_s=300.0)
        assert done.returncode == 0, done.stderr


def status_of(run: RunDir) -> Status:
    status = read_status(run.status_json)
    assert status is not None
    return status


def kill_supervisor(run: RunDir) -> None:
    heart = status_of(run).supervisor
    assert heart is not None
    os.kill(heart.process.pid, signal.SIGKILL)
    eventually(lambda: not process.is_alive(heart.process))


def kill_trainer(run: RunDir) -> bool:
    """False when there was none to kill."""
    heart = status_of(run).trainer
    if heart is None or not process.is_alive(heart.process):
        return False
    os.kill(heart.process.pid, signal.SIGKILL)
    eventually(lambda: not process.is_alive(heart.process))
    return True


def disturbed_once(run: RunDir) -> None:
    """Kill the trainer after its first checkpoint, and see it come back."""
    eventually(lambda: status_of(run).checkpoint, 60.0)
    attempt = status_of(run).attempt
    kill_trainer(run)
    eventually(lambda: status_of(run).attempt > attempt, 60.0)


def events_of(run: RunDir) -> list[EventRecord]:
    return decode_lines(run.events.read_bytes(), EVENT_DECODER).records


def metrics_of(run: RunDir) -> list[MetricsRecord]:
    """The effective records."""
    return lineage.effective(decode_lines(run.metrics.read_bytes(), METRICS_DECODER).records)


@dataclass(frozen=True)
class Trace:
    """All numbers of a run that a crash must not change."""

    steps: list[tuple[Any, ...]]
    evals: list[tuple[Any, ...]]
    epochs: list[tuple[Any, ...]]
    weights: bytes


def trace_of(run: RunDir, weights: str = "model.safetensors") -> Trace:
    records = metrics_of(run)
    newest = max(run.checkpoints.glob("step-*"))
    return Trace(
        steps=[(r.step, r.loss, r.grad_norm, r.lr) for r in records if isinstance(r, StepRecord)],
        evals=[
            (r.step, r.trigger, r.loss, r.metrics, msgspec.to_builtins(r.labels), r.best)
            for r in records
            if isinstance(r, EvalRecord)
        ],
        epochs=[(r.step, r.epoch, r.loss, r.metrics) for r in records if isinstance(r, EpochRecord)],
        weights=(newest / weights).read_bytes(),
    )


def scores_of(record: EvalRecord) -> dict[str, Any]:
    """What an evaluation measured of the model's worth, without what it says of the predictions for alert rules."""
    metrics = record.metrics or {}
    return {name: value for name, value in metrics.items() if not name.endswith(("_share", "_entropy"))}
