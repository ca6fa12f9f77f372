"""Holding a fraction of the documents out for evaluation. A pure function of seed and units."""

import random
from collections.abc import Sequence
from typing import TypeVar

from traind.config import Config, ConfigError

T = TypeVar("T")


def hold_out(documents: Sequence[T], config: Config, units: Sequence[int] | None = None) -> tuple[list[T], list[T]]:
    """Train and eval documents: `data.eval_fraction` of the units (at least one) are held out, chosen by the seed.

    `units` says what each document belongs to that must not be parted; by default each stands alone. Raises
    ConfigError when there is one unit only.
    """
    units = range(len(documents)) if units is None else units
    order = sorted(set(units), key=lambda unit: _draw(config.seed, unit))
    if len(order) < 2:
        raise ConfigError(
            f"data.eval_fraction: {config.data.train} has one document, none can be held out; give data.eval"
        )
    num_eval = min(max(1, round(len(order) * config.data.eval_fraction)), len(order) - 1)
    held_out = set(order[:num_eval])
    train = [document for document, unit in zip(documents, units, strict=True) if unit not in held_out]
    return train, [document for document, unit in zip(documents, units, strict=True) if unit in held_out]


def _draw(seed: int, unit: int) -> float:
    return random.Random(f"split:{seed}:{unit}").random()
