"""The checkpoints that a run can go on from: which there are, which one is taken, which are kept, which are put aside.

Looks at names, manifests and plain values alone. Knows no torch: supervisor and command line choose as the trainer
does.
"""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from rundir.checkpoint_dir import is_asked_for, paths, plain_state, remove
from rundir.layout import RunDir, checkpoint_step, point
from rundir.size import size_of
from traind import manifest
from traind.manifest import InvalidCheckpointError
from traind.training_state import TrainingState

REPLACED = ".writing-replaced-"
"""Begins the name of a checkpoint that a second save at the same step is about to replace."""

T = TypeVar("T")

__all__ = [
    "REPLACED",
    "drop_superseded",
    "is_asked_for",
    "newest",
    "newest_valid",
    "next_start",
    "paths",
    "prune",
    "put_back_replaced",
    "read_state",
    "relink",
    "steps",
    "supersede_beyond",
    "superseded_bytes",
]


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


def next_start(run: RunDir, *, at_most: int | None = None) -> int:
    """Steps done where the next attempt is to begin. By manifests and sizes: it costs no reading of the files."""

    def step_of(path: Path) -> int:
        manifest.check_sizes(path)
        return checkpoint_step(path) or 0

    return newest(run, step_of, at_most=at_most)[0] or 0


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
    _unlink_lost_best(run)  # else it would show whatever comes to have that step
    if run.checkpoints.is_dir():
        for path in run.checkpoints.glob(".writing-*"):
            shutil.rmtree(path, ignore_errors=True)


def drop_superseded(run: RunDir) -> list[Path]:
    """Remove what earlier attempts have left behind, but for checkpoints a person asked for. Returns what went."""
    dropped = _droppable(run)
    for path in dropped:
        shutil.rmtree(path, ignore_errors=True)
    return dropped


def superseded_bytes(run: RunDir) -> int:
    """What `drop_superseded` would make free, about."""
    return sum(size_of(file) for path in _droppable(run) for file in path.glob("*"))


def _droppable(run: RunDir) -> list[Path]:
    return [path for path in sorted(run.superseded.glob("*/step-*")) if not is_asked_for(path)]


def relink(run: RunDir, best_step: int | None) -> None:
    """Point `latest` and `best` at the current lineage. For people; a resume never looks at them.

    While the best has no checkpoint, as its save has failed, `best` stays at the best one that has.
    """
    latest = next(iter(paths(run)), None)
    if latest is not None:
        point(run.checkpoints / "latest", latest.name)
    if best_step is not None and run.checkpoint(best_step).is_dir():
        point(run.checkpoints / "best", run.checkpoint(best_step).name)
    else:
        _unlink_lost_best(run)


def _unlink_lost_best(run: RunDir) -> None:
    """Remove `best` where it shows a checkpoint that is no longer there."""
    best = run.checkpoints / "best"
    if best.is_symlink() and not best.exists():
        best.unlink()


def prune(run: RunDir, keep_last: int, best_step: int | None, is_whole: Callable[[Path], bool]) -> None:
    """Remove all but the last `keep_last`, the best, and those a person asked for.

    The best is that of now, and those of the last ones, which a rollback may go back to; as long as it has no
    checkpoint, the one that `best` shows. What `is_whole` denies does not count among the last: a run never comes
    down to damaged ones.
    """
    all_paths = paths(run)
    kept: list[tuple[Path, bool]] = []
    for path in all_paths:
        if sum(whole for _, whole in kept) < keep_last:
            kept.append((path, is_whole(path)))
    wanted = {best_step, *(_best_step(path) for path, _ in kept)}
    if best_step is not None and not run.checkpoint(best_step).is_dir():
        wanted.add(checkpoint_step((run.checkpoints / "best").resolve()))
    for path in all_paths[len(kept) :]:
        if checkpoint_step(path) not in wanted and not is_asked_for(path):
            with contextlib.suppress(OSError):  # tried again after the next save
                remove(path)


def _best_step(path: Path) -> object:
    """The best one as it was when this checkpoint was made."""
    return plain_state(path).get("best_step")
