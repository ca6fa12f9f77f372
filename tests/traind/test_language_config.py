"""Configurations of language models: the bundled ones load, and what they cannot have is refused with the cure."""

from pathlib import Path
from typing import Any

import pytest

from traind import config
from traind.config import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"
GOOD: dict[str, Any] = {
    "task": {"kind": "causal-lm"},
    "data": {"train": "sample:text"},
    "model": {"init": "scratch"},
    "eval": {"metric": "perplexity"},
}


def faults(**changed: dict[str, Any]) -> tuple[str, ...]:
    raw = {section: {**GOOD.get(section, {}), **changed.get(section, {})} for section in (*GOOD, *changed)}
    with pytest.raises(ConfigError) as caught:
        config.check(raw, "my.toml")
    return caught.value.faults


@pytest.mark.parametrize("name", ["banking-lm", "banking-lm-small", "char-lm"])
def test_the_bundled_configurations_load(name: str) -> None:
    settings = config.load(CONFIGS / f"{name}.toml")
    assert settings.task.kind == "causal-lm"
    assert settings.task.prompts
    assert settings.data.train.startswith("sample:")


def test_the_large_one_is_as_it_was_asked_for() -> None:
    large = config.load(CONFIGS / "banking-lm.toml")
    model, train = large.model, large.train
    assert (model.dim, model.n_layers, model.n_heads, model.hidden_dim, model.dropout) == (512, 6, 8, 2048, 0.1)
    assert (large.data.tokenizer, large.data.max_length) == ("word", 256)
    assert (train.batch_size, train.accumulation, train.lr, train.schedule, train.weight_decay) == (
        *(4, 8, 3e-4, "cosine", 0.1),
    )


def test_metrics_of_classifiers_are_refused_with_those_there_are() -> None:
    assert faults(eval={"metric": "f1"}) == (
        "my.toml: eval.metric = 'f1': a causal-lm has loss, perplexity, bits_per_char, token_accuracy; take \"loss\"",
    )


def test_a_good_one_has_no_fault() -> None:
    assert config.check(GOOD, "my.toml").task.kind == "causal-lm"
