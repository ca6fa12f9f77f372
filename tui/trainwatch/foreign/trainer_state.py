"""`trainer_state.json` of Hugging Face's Trainer: its log_history, read again whenever the file changes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainwatch.foreign.points import Points
from trainwatch.foreign.source import ForeignError, Polled

NAME = "trainer_state.json"
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_NO_CURVES = frozenset({"step", "total_flos", "train_loss", "train_runtime"})
_TIMES = ("_runtime", "_per_second")


def newest_state(path: Path) -> Path | None:
    """The file itself, or that of a directory: of its newest checkpoint, else its own."""
    if path.is_file():
        return path if path.name.endswith(".json") else None
    found = [(int(m.group(1)), each) for each in _children(path) if (m := _CHECKPOINT.fullmatch(each.name))]
    for _, checkpoint in sorted(found, reverse=True):
        if (checkpoint / NAME).is_file():
            own = path / NAME  # written when the training is over
            is_over = own.is_file() and own.stat().st_mtime >= (checkpoint / NAME).stat().st_mtime
            return own if is_over else checkpoint / NAME
    return path / NAME if (path / NAME).is_file() else None


def _children(path: Path) -> list[Path]:
    try:
        return list(path.iterdir())
    except OSError:
        return []


def read_state(path: Path) -> dict[str, Any]:
    """Raises ForeignError for what is no state of a Trainer, OSError."""
    try:
        state = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ForeignError(f"{path}: no JSON: {error}") from None
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list):
        raise ForeignError(f"{path}: no state of a Trainer: it has no list log_history")
    return dict(state)


class TrainerStateSource:
    """Owns what is known of the file: it is replaced whole at every checkpoint."""

    kind = "trainer_state.json"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[Path, int, int, int] | None = None
        self.planned_steps: int | None = None
        file = newest_state(path)
        if file is not None:
            planned = read_state(file).get("max_steps")
            self.planned_steps = planned if isinstance(planned, int) and planned > 0 else None

    def poll(self, points: Points) -> Polled:
        file = newest_state(self.path)
        if file is None:
            return Polled(1.0, f"{NAME} is gone")
        stat = file.stat()
        seen = (file, stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if seen == self._seen:
            return Polled()
        try:
            state = read_state(file)
        except ForeignError as error:
            return Polled(1.0, str(error))  # being written: the next look finds it whole
        if self._seen is not None:
            points.clear()
        self._seen = seen
        for tag, step, value in _numbers(state["log_history"]):
            points.add(tag, [step], [value])
        return Polled()


def _numbers(history: list[Any]) -> Iterator[tuple[str, float, float]]:
    for entry in history:
        step: Any = entry.get("step") if isinstance(entry, dict) else None
        if not _is_number(step):
            continue
        # Of an evaluation, the epoch is no metric of it.
        is_step = any(name == "loss" for name in entry)
        for name, value in entry.items():
            if name in _NO_CURVES or str(name).endswith(_TIMES) or (name == "epoch" and not is_step):
                continue
            if _is_number(value):
                yield name, _as_float(step), _as_float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
