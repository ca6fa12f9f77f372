"""Checkpoints on disk: their layout, how one becomes whole, which one a resume takes, which ones are kept.

Guarantees: a checkpoint directory has its final name only when it is whole and on disk; reading one runs no code
(safetensors and JSON alone); its manifest names every file with size and SHA-256. Knows no model and no loop: it is
handed tensors and plain values.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rundir.atomic import fsync_dir
from rundir.layout import RunDir, checkpoint_step, point
from rundir.records import Number, encode
from traind.dial import Dials
from traind.model_card import write_card

STATE_FORMAT = 1
MANIFEST = "manifest.json"
METRICS = "metrics.json"
"""What the evaluation at this very step measured; absent where none was due."""
_REPLACED = ".writing-replaced-"


class EpochTally(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the current epoch has added up so far."""

    loss_sum: Number = 0.0
    target_weight: float = 0.0
    counts: list[int] = []
    started_at: float = 0.0
    active_s: float = 0.0


class TrainingState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """state.json: all that an exact resume needs beside the tensors. Plain values; floats round-trip exactly."""

    format: int = STATE_FORMAT
    step: int
    """Optimizer steps done."""
    attempt: int
    steps_per_epoch: int
    dials: Dials
    applied_sets: list[str]
    """Ids of the `set` orders whose effect is in `dials`."""
    tally: EpochTally
    best_metric: float | None = None
    best_loss: Number | None = None
    best_step: int | None = None
    evals_since_best: int = 0
    metrics: dict[str, Number] | None = None
    """Of the evaluation at `evaluated_step`, the loss included."""
    history: list[tuple[float, Number, Number]] = []
    """Of every evaluation that was due: epoch, loss, and the metric that chooses the best."""
    evaluated_step: int | None = None
    """The last step whose due evaluation was made; one due at `step` and not made is made on resume."""
    early_stopped: bool = False
    scaler: dict[str, float | int] | None = None
    environment: dict[str, str]
    config_sha256: str
    reason: str
    """Why it was saved; `order` ones are kept for good."""


ModelWriter: TypeAlias = Callable[[dict[str, Tensor], Path], None]
"""Writes weights into a directory as `save_pretrained` lays them, with config.json and tokenizer files."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy of everything at one optimizer-step boundary, in host memory; nothing in it changes any more."""

    state: TrainingState
    optimizer: dict[str, Tensor]
    model: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A checkpoint read back; the model is loaded from `path` by whoever knows its kind."""

    path: Path
    state: TrainingState
    optimizer: dict[str, Tensor]


class InvalidCheckpointError(Exception):
    """The directory is not a whole checkpoint; the text says what is wrong."""


def write(run: RunDir, snapshot: Snapshot, write_model: ModelWriter) -> tuple[Path, int]:
    """Write a checkpoint, whole or not at all. Returns its path and size in bytes. Raises OSError."""
    final = run.checkpoint(snapshot.state.step)
    temporary = run.checkpoints / f".writing-{final.name}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True, mode=0o700)
    try:
        write_model(snapshot.model, temporary)
        save_file(snapshot.optimizer, temporary / "optimizer.safetensors")
        state = snapshot.state
        metrics = state.metrics if state.evaluated_step == state.step else None
        if metrics is not None:
            (temporary / METRICS).write_bytes(msgspec.json.format(encode(metrics)))
        (temporary / "state.json").write_bytes(msgspec.json.format(encode(snapshot.state)))
        if run.config_toml.is_file():  # so that a checkpoint copied elsewhere says what it was made with
            shutil.copyfile(run.config_toml, temporary / run.config_toml.name)
            write_card(temporary, run.config_toml, state.step, state.step / state.steps_per_epoch, metrics)
        size_bytes = _write_manifest(temporary)
        for path in (*temporary.iterdir(), temporary):
            _fsync(path)
        if final.exists():  # saved before at this step; a person asked for it now
            replaced = run.checkpoints / f"{_REPLACED}{final.name}"
            final.rename(replaced)
            temporary.rename(final)
            shutil.rmtree(replaced)
        else:
            temporary.rename(final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    fsync_dir(run.checkpoints)
    return final, size_bytes


def _write_manifest(directory: Path) -> int:
    files = {
        path.name: {"size_bytes": path.stat().st_size, "sha256": _sha256(path)} for path in sorted(directory.iterdir())
    }
    text = json.dumps({"format": STATE_FORMAT, "files": files}, indent=1)
    (directory / MANIFEST).write_text(text, encoding="utf-8")
    return sum(int(str(entry["size_bytes"])) for entry in files.values()) + len(text)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fsync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def verify(path: Path, *, without: Collection[str] = ()) -> None:
    """Raises InvalidCheckpointError unless every file of the manifest is there, with its size and checksum.

    Those named in `without` are not looked at: a model can be tried where its optimizer was left behind.
    """
    try:
        files = json.loads((path / MANIFEST).read_bytes())["files"]
        wanted = {str(name): (int(entry["size_bytes"]), str(entry["sha256"])) for name, entry in files.items()}
    except FileNotFoundError:
        raise InvalidCheckpointError("no manifest") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidCheckpointError(f"manifest unreadable: {error}") from None
    for name, (size_bytes, sha256) in wanted.items():
        if name in without:
            continue
        file = path / name
        if "/" in name or not file.is_file():
            raise InvalidCheckpointError(f"{name} is missing")
        if file.stat().st_size != size_bytes:
            raise InvalidCheckpointError(f"{name} has {file.stat().st_size} bytes, not {size_bytes}")
        if _sha256(file) != sha256:
            raise InvalidCheckpointError(f"{name} does not match its checksum")


def read(path: Path) -> Loaded:
    """Verify and load. Raises InvalidCheckpointError."""
    verify(path)
    try:
        state = msgspec.json.decode((path / "state.json").read_bytes(), type=TrainingState)
        return Loaded(path, state, load_file(path / "optimizer.safetensors"))
    except (OSError, ValueError) as error:
        raise InvalidCheckpointError(f"unreadable: {error}") from None


def lineage(run: RunDir) -> list[Path]:
    """The checkpoints of the current lineage, newest first. Whether they are whole is not looked at."""
    try:
        entries = [path for path in run.checkpoints.iterdir() if checkpoint_step(path) is not None]
    except FileNotFoundError:
        return []
    return sorted(
        (path for path in entries if path.is_dir()), key=lambda path: checkpoint_step(path) or 0, reverse=True
    )


def newest_valid(run: RunDir) -> tuple[Loaded | None, dict[str, str]]:
    """The checkpoint that a resume takes, and the newer ones passed over, each with its reason."""
    passed_over: dict[str, str] = {}
    _put_back_replaced(run)
    for path in lineage(run):
        try:
            return read(path), passed_over
        except InvalidCheckpointError as error:
            passed_over[path.name] = str(error)
    return None, passed_over


def _put_back_replaced(run: RunDir) -> None:
    """A writer killed between the two renames of a second save has left the first one aside."""
    for aside in run.checkpoints.glob(f"{_REPLACED}*"):
        final = run.checkpoints / aside.name.removeprefix(_REPLACED)
        if not final.exists():
            aside.rename(final)


def supersede_beyond(run: RunDir, step: int, attempt: int) -> None:
    """Move what lies beyond `step` out of the current lineage, and clear what a killed writer left behind."""
    for path in lineage(run):
        if (checkpoint_step(path) or 0) > step:
            aside = run.superseded / f"{attempt}"
            aside.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.rename(aside / path.name)
    if run.checkpoints.is_dir():
        for path in run.checkpoints.glob(".writing-*"):
            shutil.rmtree(path, ignore_errors=True)


def relink(run: RunDir, best_step: int | None) -> None:
    """Point `latest` and `best` at the current lineage. For people; a resume never looks at them."""
    newest = next(iter(lineage(run)), None)
    if newest is not None:
        point(run.checkpoints / "latest", newest.name)
    if best_step is not None and run.checkpoint(best_step).is_dir():
        point(run.checkpoints / "best", run.checkpoint(best_step).name)


def prune(run: RunDir, keep_last: int, best_step: int | None) -> None:
    """Remove all but the last `keep_last`, the best, and those a person asked for."""
    for path in lineage(run)[keep_last:]:
        if checkpoint_step(path) == best_step or _asked_for(path):
            continue
        shutil.rmtree(path, ignore_errors=True)


def _asked_for(path: Path) -> bool:
    try:
        return bool(json.loads((path / "state.json").read_bytes())["reason"] == "order")
    except (OSError, ValueError, KeyError):
        return False


def host_copy(tensors: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Contiguous clones in host memory. Tensors that share storage (tied weights) share it in the copy as well."""
    copies: dict[tuple[int, tuple[int, ...], tuple[int, ...]], Tensor] = {}
    result: dict[str, Tensor] = {}
    for name, tensor in dict(tensors).items():
        key = (tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()))
        if tensor.numel() == 0 or key not in copies:
            copies[key] = tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        result[name] = copies[key]
    return result
