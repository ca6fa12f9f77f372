"""What a person names to try: a run, or a checkpoint directory wherever it was copied. Knows no torch."""

import os
from dataclasses import dataclass
from pathlib import Path

from rundir import layout
from rundir.layout import RunDir, RunNotFoundError, checkpoint_step

MODEL_FILES = ("manifest.json", "config.json", "adapter_config.json", "model.safetensors")
"""One of them makes a directory a checkpoint."""


@dataclass(frozen=True, slots=True)
class Source:
    """A run whose checkpoint is still to be chosen, or a checkpoint; and the run around it, where there is one."""

    run: RunDir | None
    checkpoint: Path | None


def find(reference: str, runs_dir: Path) -> Source:
    """Raises RunNotFoundError."""
    path = Path(reference)
    if os.path.isdir(path) and not layout.is_run(path) and any((path / name).is_file() for name in MODEL_FILES):  # noqa: PTH112 - a text of any length may be given
        return _checkpoint(path.resolve())
    try:
        return Source(layout.resolve(reference, runs_dir), None)
    except RunNotFoundError as error:
        if os.path.isdir(path):  # noqa: PTH112
            raise RunNotFoundError(
                f"{reference}: neither a run nor a checkpoint: no run.json, config.json or adapter_config.json there"
            ) from None
        raise RunNotFoundError(f"{error}; traind predict RUN TEXT, as in: traind predict latest 'a text'") from None


def _checkpoint(path: Path) -> Source:
    """Inside a run, that run comes with it."""
    home = path.parent.parent
    is_in_run = checkpoint_step(path) is not None and path.parent == RunDir(home).checkpoints and layout.is_run(home)
    return Source(RunDir(home) if is_in_run else None, path)
