"""Asking the system's own programs and files, bounded in time. What is not there is None, never an error."""

import subprocess
from pathlib import Path

_LIMIT_S = 5.0


def ask(*command: str, limit_s: float = _LIMIT_S) -> str | None:
    """What a program prints; None when it is not there, fails, or takes longer than `limit_s`."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=True)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout


def read(path: str | Path) -> str | None:
    """A small text file of the system; None when it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
