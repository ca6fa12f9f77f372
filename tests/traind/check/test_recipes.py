"""The recipes that are shipped have nothing wrong with them: a check that cries wolf is not listened to."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.traind.check.ground import checked, troubles
from traind import config
from traind.check.data import examine_early
from traind.data import load_corpus

RECIPES = sorted((Path(__file__).parents[3] / "configs").glob("*.toml"))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_data_of_every_recipe_is_sound(path: Path) -> None:
    settings = config.load(path)
    assert troubles(examine_early(settings, load_corpus(settings).survey())) == []


@pytest.mark.slow
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_that_needs_no_hub_is_left_alone(tmp_path: Path, path: Path) -> None:
    if config.load(path).model.pretrained is not None:
        pytest.skip("begins with a model from the hub")
    findings = checked(path, ["train.threads=1"], tmp_path / "work")
    assert troubles(findings) == []
    assert {"learns one batch", "memory", "run time", "disk"} <= {finding.check for finding in findings}
