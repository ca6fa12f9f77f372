"""What the directory of a run's checkpoints holds, read in a worker thread into plain values. Never writes."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rundir import checkpoint_dir, manifest
from rundir.layout import RunDir, checkpoint_step
from rundir.manifest import InvalidCheckpointError
from trainwatch.remote.run import RemoteRun
from trainwatch.scores import numeric, ordered


@dataclass(frozen=True, slots=True)
class Found:
    """One checkpoint as its files have it; of a run elsewhere only that it is there."""

    path: str
    """Relative to the run directory."""
    step: int
    reason: str = ""
    """Why it was saved; empty where its files do not say."""
    marked: bool = False
    """Whether a person keeps it."""
    epoch: float | None = None
    best_step: int | None = None
    """The best one as it was when this one was made."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Of the evaluation at this very step."""
    size_bytes: int | None = None
    at: float | None = None
    """When its manifest was written."""
    fault: str = ""
    """What manifest, names and sizes alone say against it."""
    put_aside: str = ""
    """The attempt that went on from before it; empty for those of the current lineage."""

    @property
    def stamp(self) -> tuple[str, float | None]:
        """The same as long as it is the same checkpoint: what was found out about it then still holds."""
        return self.path, self.at


@dataclass(frozen=True, slots=True)
class Shelf:
    """All that were found."""

    found: tuple[Found, ...] = ()
    """Newest first; those put aside last."""
    best_step: int | None = None
    is_here: bool = True
    """Whether their files can be read here."""


def look(run: RunDir, named: Mapping[str, int]) -> Shelf:
    """What is there now. Reads the small files alone, and never raises on what they hold.

    Raises OSError where a directory may not be read.

    `named`: by path the steps of those that the records name. A script may have put its own anywhere.
    """
    if isinstance(run, RemoteRun):
        here = (Found(_within(run, path), checkpoint_step(path) or 0) for path in checkpoint_dir.paths(run))
        return Shelf(tuple(here), is_here=False)
    current = (_read(run, path, "") for path in checkpoint_dir.paths(run))
    aside = (_read(run, path, attempt) for attempt, path in _put_aside(run))
    others = [path for path in reversed(list(named)) if not path.startswith("checkpoints/step-")]
    own = (_of_script(run, path, named[path]) for path in others)
    return Shelf((*current, *filter(None, own), *aside), checkpoint_dir.best_step(run))


def _of_script(run: RunDir, path: str, step: int) -> Found | None:
    """A file or directory that a script has written; None where it is gone."""
    try:
        at = _written_at(run.path / path)
    except ValueError:  # no path at all: a damaged line may name anything
        return None
    return Found(path, step, at=at) if at is not None else None


def _put_aside(run: RunDir) -> Iterator[tuple[str, Path]]:
    found = [path for path in run.superseded.glob("*/step-*") if checkpoint_step(path) is not None and path.is_dir()]
    for path in sorted(found, key=lambda path: (path.parent.name, path.name), reverse=True):
        yield path.parent.name, path


def _within(run: RunDir, path: Path) -> str:
    return str(path.relative_to(run.path))


def _read(run: RunDir, path: Path, put_aside: str) -> Found:
    state = checkpoint_dir.plain_state(path)
    step, per_epoch, best_step = checkpoint_step(path) or 0, state.get("steps_per_epoch"), state.get("best_step")
    try:
        size_bytes = manifest.size_bytes(path)
        manifest.check_sizes(path)
        fault = ""
    except InvalidCheckpointError as error:
        size_bytes, fault = None, str(error)
    return Found(
        path=_within(run, path),
        step=step,
        reason=str(state.get("reason", "")),
        marked=checkpoint_dir.is_marked(path),
        epoch=step / per_epoch if isinstance(per_epoch, int) and per_epoch > 0 else None,
        best_step=best_step if isinstance(best_step, int) else None,
        metrics=_metrics(path),
        size_bytes=size_bytes,
        at=_written_at(path / manifest.MANIFEST) or _written_at(path),
        fault=fault,
        put_aside=put_aside,
    )


def _metrics(path: Path) -> dict[str, float]:
    try:
        values: Any = json.loads((path / "metrics.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return ordered(numeric(values)) if isinstance(values, dict) else {}


def _written_at(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
