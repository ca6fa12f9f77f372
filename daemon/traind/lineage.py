"""The checkpoints that a run can go on from: which there are, which one is taken, which are kept, which are put aside.

Looks at names, manifests and plain values alone. Knows no torch: supervisor and command line choose as the trainer
does; they only read.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from rundir.layout import RunDir, checkpoint_step, point
from traind import manifest
from traind.manifest import InvalidCheckpointError
from traind.training_state import TrainingState

REPLACED = ".writing-replaced-"
"""Begins the name of a checkpoint that a second save at the same step is about to replace."""

T = TypeVar("T")


def paths(run: RunDir) -> list[Path]:
    """The checkpoints of the current lineage, newest first. Whether they are whole is not looked at."""
    try:
        entries = [path for path in run.checkpoints.iterdir() if checkpoint_step(path) is not None]
    except FileNotFoundError:
        return []
    return sorted(
        (path for path in entries if path.is_dir()), key=lambda path: checkpoint_step(path) or 0, reverse=True
    )


def steps(run: RunDir) -> list[int]:
    """Their steps, newest first."""
    return [step for path in paths(run) if (step := checkpoint_step(path)) is not None]


def read_state(path: Path) -> TrainingState:
    """The plain values of one checkpoint, its files verified first. Raises InvalidCheckpointError."""
    manifest.verify(path)
    try:
        return msgspec.json.decode((path / "state.json").read_bytes(), type=TrainingState)
    except (OSError, ValueError) as error:
        raise InvalidCheckpointError(f"unreadable: {error}") from None


def newest(run: RunDir, read: Callable[[Path], T], *, at_most: int | None = None) -> tuple[T | None, dict[str, str]]:
    """What `read` gives of the newest checkpoint that it does not refuse by InvalidCheckpointError.

    Also the newer ones passed over, each with its reason. Those of steps beyond `at_most` are not looked at.
    """
    passed_over: dict[str, str] = {}
    for path in paths(run):
        if at_most is not None and (checkpoint_step(path) or 0) > at_most:
            continue
        try:
            return read(path), passed_over
        except InvalidCheckpointError as error:
            passed_over[path.name] = str(error)
    return None, passed_over


def newest_valid(run: RunDir, *, at_most: int | None = None) -> tuple[Path | None, dict[str, str]]:
    """The checkpoint that a resume (to `at_most` steps done) takes, and the newer ones passed over with reasons."""

    def whole(path: Path) -> Path:
        read_state(path)
        return path

    return newest(run, whole, at_most=at_most)


def put_back_replaced(run: RunDir) -> None:
    """A writer killed between the two renames of a second save has left the first one aside.

    For the trainer before it reads: beside a living writer it would undo what that one does.
    """
    for aside in run.checkpoints.glob(f"{REPLACED}*"):
        final = run.checkpoints / aside.name.removeprefix(REPLACED)
        if not final.exists():
            aside.rename(final)


def supersede_beyond(run: RunDir, step: int, attempt: int) -> None:
    """Move what lies beyond `step` out of the current lineage, and clear what a killed writer left behind."""
    for path in paths(run):
        if (checkpoint_step(path) or 0) > step:
            aside = run.superseded / f"{attempt}"
            aside.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.rename(aside / path.name)
    if run.checkpoints.is_dir():
        for path in run.checkpoints.glob(".writing-*"):
            shutil.rmtree(path, ignore_errors=True)


def drop_superseded(run: RunDir) -> list[Path]:
    """Remove what earlier attempts have left behind, but for checkpoints a person asked for. Returns what went."""
    dropped = [path for path in _superseded(run) if not _asked_for(path)]
    for path in dropped:
        shutil.rmtree(path, ignore_errors=True)
    return dropped


def superseded_bytes(run: RunDir) -> int:
    """What `drop_superseded` would make free, about."""
    files = (file for path in _superseded(run) if not _asked_for(path) for file in path.iterdir())
    return sum(file.stat().st_size for file in files)


def _superseded(run: RunDir) -> list[Path]:
    return sorted(run.superseded.glob("*/step-*"))


def relink(run: RunDir, best_step: int | None) -> None:
    """Point `latest` and `best` at the current lineage. For people; a resume never looks at them."""
    latest = next(iter(paths(run)), None)
    if latest is not None:
        point(run.checkpoints / "latest", latest.name)
    if best_step is not None and run.checkpoint(best_step).is_dir():
        point(run.checkpoints / "best", run.checkpoint(best_step).name)


def prune(run: RunDir, keep_last: int, best_step: int | None, is_whole: Callable[[Path], bool]) -> None:
    """Remove all but the last `keep_last`, the best, and those a person asked for.

    What `is_whole` denies does not count among the last: a run never comes down to damaged ones.
    """
    num_kept = 0
    for path in paths(run):
        if num_kept < keep_last:
            num_kept += is_whole(path)
        elif checkpoint_step(path) != best_step and not _asked_for(path):
            shutil.rmtree(path, ignore_errors=True)


def _asked_for(path: Path) -> bool:
    try:
        return bool(json.loads((path / "state.json").read_bytes())["reason"] == "order")
    except (OSError, ValueError, KeyError):
        return False
