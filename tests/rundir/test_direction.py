"""Which metrics are better when they are lower."""

import pytest

from rundir.direction import is_lower_better


@pytest.mark.parametrize(
    "name", ["loss", "eval_loss", "perplexity", "bits_per_char", "mae", "brier", "eval_mape", "ppl"]
)
def test_lower(name: str) -> None:
    assert is_lower_better(name)


@pytest.mark.parametrize("name", ["f1", "accuracy", "binary_f1@3", "token_accuracy", "recall"])
def test_higher(name: str) -> None:
    assert not is_lower_better(name)
