"""Which checkpoint of a run is tried, and whether it is whole. Verified before anything of it is read."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from rundir.layout import RunDir
from rundir.status import State, known_status
from traind import lineage, manifest
from traind.config import ConfigError
from traind.manifest import InvalidCheckpointError
from traind.predict.source import Source
from traind.training_state import TrainingState

_ONLY_FOR_TRAINING = ("optimizer.safetensors", "state.json")
"""Two thirds of the bytes, and no use to a model that is only tried."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A checkpoint to load, and what a person should know of the choice."""

    path: Path
    run: RunDir | None
    name: str
    notes: list[str]


def choose(source: Source, wanted: str | None) -> Chosen:
    """`wanted` is best, latest, a step, or None: the best, else the newest that is whole. Raises ConfigError."""
    if source.checkpoint is not None:
        if wanted is not None:
            raise ConfigError(f"--checkpoint {wanted}: is for a run; {source.checkpoint} is a checkpoint itself")
        notes = _check(source.checkpoint)
        return Chosen(source.checkpoint, source.run, str(source.checkpoint), notes)
    if source.run is None:
        raise AssertionError("a source is a run or a checkpoint")
    path, notes = _of_run(source.run, wanted)
    return Chosen(path, source.run, f"{path.name} of {source.run.id}", notes)


def _of_run(run: RunDir, wanted: str | None) -> tuple[Path, list[str]]:
    paths = lineage.paths(run)
    if not paths:
        raise ConfigError(f"{run.path}: {_why_none(run)}")
    best = _best(run, paths)
    if wanted is not None:
        path = _wanted(run, paths, best, wanted)
        return path, _check(path)
    notes = []
    for path in dict.fromkeys([*([best] if best else []), *paths]):
        try:
            manifest.verify(path, without=_ONLY_FOR_TRAINING)
        except InvalidCheckpointError as error:
            notes.append(f"{path.name} passed over: {error}")
        else:
            return path, notes
    raise ConfigError(f"{run.path}: no checkpoint is whole: {'; '.join(notes)}")


def _why_none(run: RunDir) -> str:
    status = known_status(run.status_json)
    if status is not None and status.state is State.DONE:
        return "no checkpoint is left of it"
    if status is not None and status.state.has_ended:
        return f"no checkpoint: it ended before its first; `traind resume {run.id}` trains on"
    return f"no checkpoint yet; `traind checkpoint {run.id}` makes one of a live run"


def _wanted(run: RunDir, paths: list[Path], best: Path | None, wanted: str) -> Path:
    if wanted == "latest":
        return paths[0]
    if wanted == "best":
        if best is None:
            raise ConfigError(f"--checkpoint best: {run.id} has none yet: it was not evaluated; take latest")
        return best
    if wanted.isascii() and wanted.isdigit() and run.checkpoint(int(wanted)) in paths:
        return run.checkpoint(int(wanted))
    known = ", ".join(path.name.removeprefix("step-").lstrip("0") or "0" for path in paths)
    raise ConfigError(f"--checkpoint {wanted}: not there; give best, latest or one of the steps {known}")


def _best(run: RunDir, paths: list[Path]) -> Path | None:
    """By the newest readable state; the symlinks are for people and may lag behind."""
    for path in paths:
        try:
            state = msgspec.json.decode((path / "state.json").read_bytes(), type=TrainingState)
        except (OSError, msgspec.DecodeError):
            continue
        best = None if state.best_step is None else run.checkpoint(state.best_step)
        return best if best in paths else None
    return None


def _check(path: Path) -> list[str]:
    """Raises ConfigError for a checkpoint of ours that is not whole. One without manifest is somebody else's."""
    if not (path / manifest.MANIFEST).is_file():
        return [f"{path.name} has no {manifest.MANIFEST}: its files could not be verified"]
    try:
        manifest.verify(path, without=_ONLY_FOR_TRAINING)
    except InvalidCheckpointError as error:
        raise ConfigError(f"{path}: not a whole checkpoint: {error}; copy it again, or take another") from None
    return []
