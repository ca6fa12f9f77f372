"""Checkpoints on disk: how one becomes whole, and how one is read back. Which one, is lineage.py's.

Guarantees: a checkpoint directory has its final name only when it is whole and on disk; reading one runs no code
(safetensors and JSON alone); its manifest names every file with size and SHA-256. Knows no model and no loop: it is
handed tensors and plain values.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rundir.atomic import fsync_dir
from rundir.layout import RunDir
from rundir.records import encode
from traind import lineage, manifest
from traind.manifest import InvalidCheckpointError
from traind.model_card import write_card
from traind.training_state import TrainingState

METRICS = "metrics.json"
"""What the evaluation at this very step measured; absent where none was due."""


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
        size_bytes = manifest.write(temporary)
        for path in (*temporary.iterdir(), temporary):
            _fsync(path)
        if final.exists():  # saved before at this step; a person asked for it now
            replaced = run.checkpoints / f"{lineage.REPLACED}{final.name}"
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


def _fsync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read(path: Path) -> Loaded:
    """Verify and load. Raises InvalidCheckpointError."""
    state = lineage.read_state(path)
    try:
        return Loaded(path, state, load_file(path / "optimizer.safetensors"))
    except (OSError, ValueError) as error:
        raise InvalidCheckpointError(f"unreadable: {error}") from None


def newest_valid(run: RunDir, *, at_most: int | None = None) -> tuple[Loaded | None, dict[str, str]]:
    """The checkpoint that a resume takes, read, and the newer ones passed over, each with its reason."""
    lineage.put_back_replaced(run)
    return lineage.newest(run, read, at_most=at_most)


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
