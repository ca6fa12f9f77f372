"""Which metrics are better when they are lower. Known by name, as records carry nothing else."""

_LOWER = ("perplexity", "error", "bits_per_char", "mae", "mse", "rmse", "wer", "cer")


def is_lower_better(name: str) -> bool:
    """True of losses and of the error measures known by name; scores are better when they are higher."""
    return "loss" in name or name.removeprefix("eval_") in _LOWER
