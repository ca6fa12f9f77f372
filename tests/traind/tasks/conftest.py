"""Small real data and a small real model, made from scratch in milliseconds."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from rundir.layout import RunDir
from traind.config import Config, Data, Model, Task
from traind.tasks.token_classification import TokenClassification

Make = Callable[..., TokenClassification]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Forty texts of 5 to 60 words; every `foul` or `vile` phrase is a span."""
    rng = random.Random(7)
    path = tmp_path / "texts.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for _ in range(40):
            text, spans = "", []
            for _ in range(rng.randint(5, 60)):
                word = rng.choice(["the", "Cat", "sat", "on", "a", "mat,", "foul play", "vile trick"])
                if word[0] in "fv":
                    spans.append([len(text), len(text) + len(word), word.split()[0]])
                text += word + " "
            file.write(json.dumps({"text": text, "spans": spans}) + "\n")
    return path


def settings(train: Path | str, *, seed: int = 3, weights: str = "none", max_length: int = 24) -> Config:
    return Config(
        seed=seed,
        data=Data(train=str(train), eval_fraction=0.25, max_length=max_length, stride=6),
        task=Task(class_weights=weights),  # type: ignore[arg-type]
        model=Model(init="scratch", dim=16, n_layers=1, n_heads=2, hidden_dim=32, vocab_size=128),
    )


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A task on a run directory of the given name (the same name: the same run again)."""

    def make_one(config: Config, name: str = "run") -> TokenClassification:
        run = RunDir(tmp_path / name)
        run.path.mkdir(exist_ok=True)
        return TokenClassification(config, run, alive=lambda: None)

    return make_one
