"""Which keys of a configuration are noted as given."""

import tomllib
from pathlib import Path

import pytest

from traind import config
from traind.config import Config
from traind.given import given

REPOSITORY = Path(__file__).parents[2]


def test_what_is_at_its_default_is_not_given() -> None:
    settings = config.check(
        {
            "data": {"train": "sample:propaganda"},
            "model": {"init": "scratch"},
            "train": {"lr": Config().train.lr, "epochs": 7.0},
            "alerts": {"limits": {"divergence": {"lost": 0.3}}},
        },
        "test",
    )
    found = given(settings)
    assert {"data.train", "model.init", "train.epochs"} <= set(found)
    assert "train.lr" not in found
    assert [path for path in found if path.startswith("alerts")] == ["alerts.limits.divergence.lost"]


@pytest.mark.parametrize("path", sorted((REPOSITORY / "configs").glob("*.toml")), ids=lambda path: path.name)
def test_every_path_is_one_of_config_toml(path: Path) -> None:
    settings = config.load(path)
    written = tomllib.loads(config.dump(settings).decode())
    for key in given(settings):
        place = written
        for name in key.split("."):
            assert name in place, key
            place = place[name]
