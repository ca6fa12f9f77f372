"""`traind predict`: hands its words on to a process that may load torch, and becomes that process."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from traind.launch import require_trainer


def predict(words: Sequence[str]) -> NoReturn:
    """Raises ConfigError where the trainer is not installed."""
    require_trainer()
    os.execv(sys.executable, [sys.executable, "-m", "traind.predict", *words])  # noqa: S606 — no shell, a list of words
