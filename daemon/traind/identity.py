"""run.json: what a run is and what made it. Written once, when the model stands and its plan is known."""

import importlib.metadata
import os
import platform
import subprocess
import time
from pathlib import Path

from rundir import process
from rundir.atomic import write_atomic
from rundir.layout import RunDir
from rundir.records import encode
from rundir.secret import redact
from rundir.status import RunInfo
from traind.config import Config
from traind.wire import Facts

_NAMED_VERSIONS = ("trainwatch", "torch", "transformers", "peft", "tokenizers", "safetensors", "numpy", "msgspec")


def write_run_json(run: RunDir, config: Config, argv: list[str], started_at: float | None, facts: Facts) -> None:
    """Write run.json unless it is there. Raises OSError."""
    if run.run_json.exists():
        return
    commit, is_dirty = _git(Path.cwd())
    info = RunInfo(
        id=run.id,
        name=config.name,
        task=config.task.kind,
        created_at=started_at or time.time(),
        argv=[redact(word, os.environ) for word in argv],
        host=process.host(),
        user=process.user(),
        git_commit=commit,
        git_dirty=is_dirty,
        versions=_versions(),
        seed=config.seed,
        planned_steps=facts.planned_steps,
        threads=facts.threads,
        cpu_capability=facts.cpu_capability,
        hashes=facts.hashes,
    )
    write_atomic(run.run_json, encode(info))


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _NAMED_VERSIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git(directory: Path) -> tuple[str | None, bool | None]:
    """Commit and whether the tree differs from it; None outside a repository or without git."""

    def ask(*args: str) -> str | None:
        try:
            answer = subprocess.run(
                ["git", *args],  # noqa: S607 — the user's own git, wherever it is
                cwd=directory,
                capture_output=True,
                text=True,
                timeout=5,
                check=True,
                env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return answer.stdout.strip()

    commit = ask("rev-parse", "HEAD")
    changes = ask("status", "--porcelain", "--untracked-files=no") if commit else None
    return commit, None if changes is None else bool(changes)
