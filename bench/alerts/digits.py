"""scikit-learn's 8x8 images of digits."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


@lru_cache
def digits() -> tuple[Tensor, Tensor]:
    """All of them, [1797, 64] from 0 to 1, and which digit each is."""
    from sklearn.datasets import load_digits

    data: Any = load_digits()
    return torch.tensor(data.data, dtype=torch.float32) / 16.0, torch.tensor(data.target)
