"""Hand-made outcomes: a run whose every curve is what a test says, and quiet otherwise."""

from pathlib import Path
from typing import Any

import numpy as np

from bench.alerts.outcomes import Array, Run
from bench.alerts.spec import Spec

SAMPLE = Path(__file__).parents[3] / "bench" / "alerts" / "sample"
"""The runs of the dev part that the repository holds."""


def spec(**given: Any) -> Spec:
    """A recipe; what a test does not care about is plain."""
    plain: dict[str, Any] = {
        "name": "dev-1-mlp-plain",
        "part": "dev",
        "family": "mlp",
        "seed": 1,
        "steps": 600,
        "batch": 32,
        "lr": 1e-3,
    }
    return Spec(**{**plain, **given})


def falling(num: int, *, noise: float = 0.02) -> Array:
    """A loss that falls from 2.3 to about 0.5, with noise."""
    return 0.5 + 1.8 * np.exp(-np.arange(num) / 80) + noise * np.random.default_rng(1).normal(size=num)


def run(loss: Array, **given: Any) -> Run:
    """A run with this loss."""
    num, absent = len(loss), np.full(len(loss), np.nan)
    plain: dict[str, Any] = {
        "grad_norm": np.ones(num),
        "lr": np.full(num, 1e-3),
        "accuracy": absent,
        "unchanged": absent,
        "update_ratio": absent,
        "dead_share": absent,
    }
    return Run(loss=loss, **{**plain, **given})
