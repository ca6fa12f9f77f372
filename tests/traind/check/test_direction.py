"""Which metric of a user's own needs to be told whether it should rise."""

import pytest

from traind.check.direction import examine_direction
from traind.check.finding import Level
from traind.config import Config, Data, Eval, Task


def _config(metric: str, direction: str | None = None, kind: str = "custom") -> Config:
    task = Task(kind=kind, factory="own:make" if kind == "custom" else None)  # type: ignore[arg-type]
    return Config(task=task, data=Data(train="x.csv"), eval=Eval(metric=metric, direction=direction))  # type: ignore[arg-type]


def test_of_an_unknown_metric_the_rule_is_told() -> None:
    (row,) = examine_direction(_config("deviation"))
    assert (row.level, row.check, row.text) == (Level.WARN, "direction", "deviation: higher is taken as better")
    assert "eval.direction" in row.cure


@pytest.mark.parametrize("metric", ["loss", "mae", "perplexity", "accuracy", "Macro_F1", "eval_roc_auc"])
def test_a_known_metric_needs_no_word(metric: str) -> None:
    assert not list(examine_direction(_config(metric)))


@pytest.mark.parametrize("config", [_config("deviation", "lower"), _config("binary_f1@1", kind="text-classification")])
def test_nor_one_that_is_told_or_is_the_daemons_own(config: Config) -> None:
    assert not list(examine_direction(config))
