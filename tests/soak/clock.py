"""A wall clock that can be set back under a run: `time.time` of its processes, and theirs alone.

Setting the machine's own clock takes rights that a test should not have. Durations are read from the monotonic clock,
which no one can set; that the daemon does so is part of what is tested.
"""

import time
from collections.abc import Callable
from pathlib import Path

NAME = "clock-offset-s"
_true_time: Callable[[], float] = time.time


def step(directory: Path, offset_s: float) -> None:
    """From now on the clocks of the runs in `directory` show `offset_s` more than the machine's."""
    (directory / NAME).write_text(str(offset_s), encoding="ascii")


def reading(directory: Path) -> Callable[[], float]:
    """`time.time` as the runs in `directory` see it."""
    path = directory / NAME

    def shown() -> float:
        try:
            return _true_time() + float(path.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):  # not set back; or being written at this very moment
            return _true_time()

    return shown


def install(run: str) -> None:
    """Let this process's clock follow what is said beside `runs/`."""
    time.time = reading(Path(run).parents[1])
