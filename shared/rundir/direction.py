"""Which metrics are scores, and which of them are better when they are lower: as a run's configuration says of its own,
else known by name.
"""

from collections.abc import Mapping
from typing import Any

from rundir.section import section

_LOWER = (
    *("perplexity", "ppl", "bits_per_char", "nll", "brier", "ece"),
    *("error", "mae", "mse", "rmse", "mape", "smape", "msle", "rmsle", "wer", "cer", "eer"),
)

_NO_SCORES = ("prediction_top_share", "prediction_entropy", "label_top_share")
"""What an evaluation says of the predictions or the data, not of how good they are."""


def is_score(name: str) -> bool:
    """Whether one value of a metric is better than another."""
    return name.removeprefix("eval_") not in _NO_SCORES


def is_lower_better(name: str, told: Mapping[str, bool] | None = None) -> bool:
    """What `told` says of a metric; else true of losses and of the error measures known by name, false of scores."""
    if told is not None and name in told:
        return told[name]
    return "loss" in name or name.removeprefix("eval_") in _LOWER


def directions_in(configured: Mapping[str, Any]) -> dict[str, bool]:
    """Of a decoded config.toml: its `[eval]` metric with whether the lower is better; empty where it does not say.

    What is no configuration of ours says nothing.
    """
    part = section(configured, "eval")
    metric, direction = part.get("metric"), part.get("direction")
    return {metric: direction == "lower"} if isinstance(metric, str) and direction in ("higher", "lower") else {}
