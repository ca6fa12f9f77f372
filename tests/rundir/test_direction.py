"""Which metrics are better when they are lower."""

from typing import Any

import pytest

from rundir.direction import directions_in, is_lower_better, is_score


@pytest.mark.parametrize(
    "name", ["loss", "eval_loss", "perplexity", "bits_per_char", "mae", "brier", "eval_mape", "ppl"]
)
def test_lower(name: str) -> None:
    assert is_lower_better(name)


@pytest.mark.parametrize("name", ["f1", "accuracy", "binary_f1@3", "token_accuracy", "recall"])
def test_higher(name: str) -> None:
    assert not is_lower_better(name)


def test_what_says_nothing_of_how_good_a_model_is_has_no_best_value() -> None:
    assert not any(map(is_score, ("prediction_top_share", "eval_prediction_entropy", "label_top_share")))
    assert all(map(is_score, ("f1", "loss", "top_share_recall")))


@pytest.mark.parametrize(
    ("configured", "says"),
    [
        ({"eval": {"metric": "regret", "direction": "lower"}}, {"regret": True}),
        ({"eval": {"metric": "mae", "direction": "higher"}}, {"mae": False}),
        ({"eval": {"metric": "regret"}}, {}),
        ({"eval": {"metric": "regret", "direction": "down"}}, {}),
        ({"eval": {"metric": ["regret"], "direction": "lower"}}, {}),
        ({"eval": [1]}, {}),
        ({}, {}),
    ],
)
def test_what_a_configuration_says_comes_before_the_name(configured: dict[str, Any], says: dict[str, bool]) -> None:
    assert directions_in(configured) == says
    assert is_lower_better("regret", says) == says.get("regret", False)
    assert is_lower_better("mae", says) == says.get("mae", True)
