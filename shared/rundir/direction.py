"""Which metrics are better when they are lower. Known by name, as records carry nothing else."""

_LOWER = (
    *("perplexity", "ppl", "bits_per_char", "nll", "brier", "ece"),
    *("error", "mae", "mse", "rmse", "mape", "smape", "msle", "rmsle", "wer", "cer", "eer"),
)


def is_lower_better(name: str) -> bool:
    """True of losses and of the error measures known by name; scores are better when they are higher."""
    return "loss" in name or name.removeprefix("eval_") in _LOWER
