"""What a run was made with: versions of libraries, and the commit of the directory that it was started in.

Imports none of the libraries that it names.
"""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

_NAMED = ("trainwatch", "torch", "transformers", "peft", "tokenizers", "safetensors", "numpy", "msgspec")


def versions(more: tuple[str, ...] = ()) -> dict[str, str]:
    """Of Python and the libraries that are installed, by name."""
    found = {"python": platform.python_version()}
    for name in (*_NAMED, *more):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git(directory: Path) -> tuple[str | None, bool | None]:
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
