"""Configurations: the shipped ones load, and every fault is named with its key."""

from pathlib import Path
from typing import Any

import pytest

from traind import config
from traind.config import ConfigError

REPOSITORY = Path(__file__).parents[2]
GOOD: dict[str, Any] = {"data": {"train": "sample:propaganda"}, "model": {"init": "scratch"}}


@pytest.mark.parametrize("path", sorted((REPOSITORY / "configs").glob("*.toml")), ids=lambda path: path.name)
def test_every_shipped_configuration_loads(path: Path) -> None:
    assert config.load(path).name == path.stem


def test_what_is_dumped_is_read_back() -> None:
    settings = config.check(GOOD, "test")
    assert config.parse(config.dump(settings), "dump") == settings


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("train", "lr", 0, ["train.lr", "> 0"]),
        ("train", "lr", "high", ["train.lr", "'high'"]),
        ("train", "learning_rate", 1, ["train.learning_rate", "unknown"]),
        ("train", "epoch", 1, ["did you mean train.epochs"]),
        ("train", "device", "tpu", ["train.device"]),
        ("data", "stride", 126, ["data.stride", "data.max_length"]),
        ("eval", "every", 0, ["eval.every"]),
        ("model", "pretrained", "x", ["either pretrained", "or init"]),
        ("model", "n_heads", 3, ["model.dim", "multiple"]),
    ],
)
def test_a_fault_names_its_key(section: str, key: str, value: object, words: list[str]) -> None:
    raw = {**GOOD, section: {**GOOD.get(section, {}), key: value}}
    with pytest.raises(ConfigError) as caught:
        config.check(raw, "my.toml")
    assert len(caught.value.faults) == 1
    for word in ["my.toml", *words]:
        assert word in caught.value.faults[0]


def test_all_faults_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        config.check({**GOOD, "train": {"lr": -1, "epochs": 0}, "seed": -1, "nonsense": 1}, "my.toml")
    assert len(caught.value.faults) == 4


def test_overrides_set_nested_keys(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('[data]\ntrain = "sample:propaganda"\n[model]\ninit = "scratch"\n', encoding="utf-8")
    settings = config.load(path, ["train.lr=1e-4", "name=mine", "eval.every=epoch"])
    assert (settings.train.lr, settings.name, settings.eval.every) == (1e-4, "mine", "epoch")
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        config.load(path, ["train.lr"])


def test_every_key_is_described() -> None:
    import msgspec

    for name, section in {"": config.Config, **config.SECTIONS}.items():
        for field in msgspec.structs.fields(section):
            if field.name not in config.SECTIONS:
                assert config.describe(section, field.name), f"{name}.{field.name}"
