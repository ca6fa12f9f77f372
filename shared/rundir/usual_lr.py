"""Peak learning rates that are in use, by optimizer and by what begins to learn."""

from collections.abc import Mapping
from typing import Any

from rundir.section import section

USUAL_LR: Mapping[tuple[str, str], tuple[float, float]] = {
    ("adamw", "pretrained"): (1e-6, 5e-4),
    ("adamw", "adapter"): (1e-5, 5e-3),
    ("adamw", "scratch"): (1e-5, 2e-2),
    ("sgd", "pretrained"): (1e-5, 0.1),
    ("sgd", "adapter"): (1e-4, 1.0),
    ("sgd", "scratch"): (1e-4, 1.0),
}
"""The lowest and the highest."""


def beginning_of(config: Mapping[str, Any]) -> str:
    """What begins to learn, by a decoded config.toml: an adapter, a model from scratch, or a pretrained one."""

    if section(config, "task").get("kind") == "custom":
        return "scratch"
    if section(config, "lora").get("r"):
        return "adapter"
    return "scratch" if section(config, "model").get("init") else "pretrained"


def usual_range(config: Mapping[str, Any]) -> tuple[float, float] | None:
    """The lowest and the highest rate in use for such a run; None where config.toml does not say what optimizer and
    model it has."""
    optimizer = section(config, "train").get("optimizer")
    if not isinstance(optimizer, str) or not isinstance(config.get("task"), Mapping):
        return None
    return USUAL_LR.get((optimizer, beginning_of(config)))


def most_usual(config: Mapping[str, Any]) -> float | None:
    """The highest of them."""
    known = usual_range(config)
    return None if known is None else known[1]
