"""The checkpoints of a run as its directory holds them: which there are, which a person keeps, and how one is removed.

Guarantees: a checkpoint that is removed loses its name before any of its files goes; a mark is a file of its own beside
what the manifest names, so that it changes nothing that is verified, and goes where the checkpoint goes. Reading never
raises on what a file may hold. Whether anybody else is at the directory is the caller's business.
"""

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rundir import manifest
from rundir.atomic import write_atomic
from rundir.layout import RunDir, checkpoint_step, point
from rundir.manifest import InvalidCheckpointError
from rundir.records import encode

KEPT = "kept.json"
"""Of a checkpoint: the mark of who keeps it, and since when. That it is there is what counts."""
_DISCARDED = ".writing-discarded-"
"""Begins the name of one that is being removed; what is left of it goes with the next start."""


class NotDoneError(Exception):
    """A checkpoint was not marked, or not removed; the text says why, and nothing was changed."""


def paths(run: RunDir) -> list[Path]:
    """The checkpoints of the current lineage, newest first. Whether they are whole is not looked at."""
    try:
        entries = [path for path in run.checkpoints.iterdir() if checkpoint_step(path) is not None]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(
        (path for path in entries if path.is_dir()), key=lambda path: checkpoint_step(path) or 0, reverse=True
    )


def plain_state(path: Path) -> dict[str, Any]:
    """A checkpoint's state.json, unverified; empty where it cannot be read."""
    try:
        state = json.loads((path / "state.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return state if isinstance(state, dict) else {}


def is_asked_for(path: Path) -> bool:
    """Whether a person wants this checkpoint: it was saved by an order, or marked since."""
    return is_marked(path) or plain_state(path).get("reason") == "order"


def is_marked(path: Path) -> bool:
    return (path / KEPT).exists()


def argument_fault(args: dict[str, Any], known: tuple[str, ...]) -> str | None:
    """Why the arguments of an order on one checkpoint are wrong; None when they are right. Pure."""
    step = args.get("step")
    if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step < 2**53:
        return "step: must be a checkpoint's step, a whole number"
    for key, value in args.items():
        if key not in known:
            return f"{key}: unknown; known: {', '.join(known)}"
        if key == "kept" and not isinstance(value, bool):
            return f"kept = {value!r}: must be true or false"
    return None


def mark(run: RunDir, step: int, *, kept: bool, at: float, by: str) -> None:
    """Mark a checkpoint as kept, or no more. Raises NotDoneError; already so is no fault."""
    path = _found(run, step)
    try:
        if kept:
            write_atomic(path / KEPT, encode({"at": at, "by": by}))
        else:
            (path / KEPT).unlink(missing_ok=True)
    except OSError as error:
        raise NotDoneError(f"{path.name}: {error.strerror or error}") from None


def discard(run: RunDir, step: int, *, needed: set[int]) -> None:
    """Remove a checkpoint for good, never the only whole one nor one of `needed`. Raises NotDoneError."""
    path = _found(run, step)
    if reason := refusal(run, step, needed, is_whole):
        raise NotDoneError(reason)
    try:
        remove(path)
    except OSError as error:
        raise NotDoneError(f"{path.name}: {error.strerror or error}") from None
    with contextlib.suppress(OSError):  # it is gone all the same; links are for people, and mended at the next save
        _mend_links(run)


def remove(path: Path) -> None:
    """Remove a checkpoint: its name first, so that nobody sees half of it. Raises OSError, with all of it still there.

    What cannot be removed then stays under a name that the next start clears away.
    """
    gone = path.with_name(f"{_DISCARDED}{path.name}")
    shutil.rmtree(gone, ignore_errors=True)
    path.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def refusal(run: RunDir, step: int, needed: set[int], is_whole: Callable[[Path], bool]) -> str:
    """Why a checkpoint may not be removed; empty when it may. Of the others one at least has to be whole."""
    if step in needed:
        return f"the run needs step {step}: it is the best, or what it would go on from"
    if not any(checkpoint_step(path) != step and is_whole(path) for path in paths(run)):
        return f"step {step} would be the last whole checkpoint to go"
    return ""


def is_whole(path: Path) -> bool:
    """By manifest, names and sizes alone: it costs no reading of the files."""
    try:
        manifest.check_sizes(path)
    except InvalidCheckpointError:
        return False
    return True


def needed(run: RunDir, *, at_most: int | None = None) -> set[int]:
    """The steps that a run which may go on needs: the newest whole one (of `at_most` steps), and what `best` shows."""
    whole = (path for path in paths(run) if at_most is None or (checkpoint_step(path) or 0) <= at_most)
    newest = next((checkpoint_step(path) for path in whole if is_whole(path)), None)
    return {step for step in (newest, best_step(run)) if step is not None}


def best_step(run: RunDir) -> int | None:
    """Of the checkpoint that the link `best` shows; None where there is none."""
    try:
        return checkpoint_step((run.checkpoints / "best").readlink())
    except OSError:
        return None


def _found(run: RunDir, step: int) -> Path:
    path = run.checkpoint(step)
    if not path.is_dir() or path.is_symlink():
        there = ", ".join(str(checkpoint_step(path)) for path in paths(run)) or "none"
        raise NotDoneError(f"no checkpoint of step {step}; there are: {there}")
    return path


def _mend_links(run: RunDir) -> None:
    """Links must not show what comes to have that name one day."""
    for name in ("latest", "best"):
        link = run.checkpoints / name
        if link.is_symlink() and not link.exists():
            link.unlink(missing_ok=True)
    newest = next(iter(paths(run)), None)
    if newest is not None and not (run.checkpoints / "latest").is_symlink():
        point(run.checkpoints / "latest", newest.name)
