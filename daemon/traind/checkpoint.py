"""Checkpoints on disk: how one becomes whole, and how one is read back. Which one, is lineage.py's.

Guarantees: a checkpoint directory has its final name only when it is whole and on disk; reading one runs no code
(safetensors and JSON alone); its manifest names every file with size and checksum. Knows no model and no loop: it is
handed tensors, bytes and plain values.
"""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
from safetensors.torch import load_file
from torch import Tensor

from rundir.atomic import fsync_dir
from rundir.layout import RunDir
from rundir.records import encode
from traind import lineage, manifest
from traind.direct_file import write_direct
from traind.host_copy import HostCopy
from traind.manifest import InvalidCheckpointError
from traind.model_card import write_card
from traind.model_writer import ModelWriter
from traind.training_state import TrainingState

OPTIMIZER = "optimizer.safetensors"
METRICS = "metrics.json"
"""What the evaluation at this very step measured; absent where none was due."""

_THREADS = 4


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy of everything at one optimizer-step boundary, in host memory; it stays so until the next one."""

    state: TrainingState
    optimizer: HostCopy
    model: HostCopy


@dataclass(frozen=True, slots=True)
class Loaded:
    """A checkpoint read back; the model is loaded from `path` by whoever knows its kind."""

    path: Path
    state: TrainingState
    optimizer: dict[str, Tensor]


def write(run: RunDir, snapshot: Snapshot, model_writer: ModelWriter) -> tuple[Path, int]:
    """Write a checkpoint, whole or not at all. Returns its path and size in bytes. Raises OSError."""
    final = run.checkpoint(snapshot.state.step)
    temporary = run.checkpoints / f".writing-{final.name}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True, mode=0o700)
    try:
        size_bytes = _fill(temporary, run, snapshot, model_writer)
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


def _fill(directory: Path, run: RunDir, snapshot: Snapshot, model_writer: ModelWriter) -> int:
    """Write all files and put them on disk, the manifest last. Returns the bytes of all.

    The large ones go to the disk while the others are made.
    """
    snapshot.optimizer.wait()
    snapshot.model.wait()
    with ThreadPoolExecutor(_THREADS, "checkpoint") as beside:
        under_way = {OPTIMIZER: beside.submit(write_direct, directory / OPTIMIZER, snapshot.optimizer.content)}
        under_way |= model_writer.write(snapshot.model, directory, beside)
        _describe(directory, run, snapshot.state)
        others = [path for path in directory.iterdir() if path.name not in under_way]
        on_disk = [beside.submit(_fsync, path) for path in others]
        crcs = {path.name: manifest.checksum(path) for path in others}
        crcs |= {name: crc.result() for name, crc in under_way.items()}
        for done in on_disk:
            done.result()
    size_bytes = manifest.write(directory, crcs)
    _fsync(directory / manifest.MANIFEST)
    fsync_dir(directory)
    return size_bytes


def _describe(directory: Path, run: RunDir, state: TrainingState) -> None:
    """The small files: plain values, and what a person wants to know of it."""
    metrics = state.metrics if state.evaluated_step == state.step else None
    if metrics is not None:
        (directory / METRICS).write_bytes(msgspec.json.format(encode(metrics)))
    (directory / "state.json").write_bytes(msgspec.json.format(encode(state)))
    if run.config_toml.is_file():  # so that a checkpoint copied elsewhere says what it was made with
        shutil.copyfile(run.config_toml, directory / run.config_toml.name)
        write_card(directory, run.config_toml, state.step, state.step / state.steps_per_epoch, metrics)


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
        return Loaded(path, state, load_file(path / OPTIMIZER))
    except (OSError, ValueError) as error:
        raise InvalidCheckpointError(f"unreadable: {error}") from None


def newest_valid(run: RunDir, *, at_most: int | None = None) -> tuple[Loaded | None, dict[str, str]]:
    """The checkpoint that a resume takes, read, and the newer ones passed over, each with its reason."""
    lineage.put_back_replaced(run)
    return lineage.newest(run, read, at_most=at_most)
