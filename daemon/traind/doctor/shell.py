"""Asking the system's own programs and files, bounded in time. What is not there is None, never an error."""

import contextlib
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_LIMIT_S = 5.0
_END_S = 1.0
"""How long a killed program has to go."""


class Answer(NamedTuple):
    """How a program ended and what it printed."""

    status: int
    """Its exit code; negative: the signal that ended it."""
    output: bytes
    errors: str


def run(command: Sequence[str], limit_s: float) -> Answer | None:
    """Run a program; None when it takes longer than `limit_s`. Raises OSError when it cannot be started.

    A program that hangs within a driver cannot be killed: it is left behind after `limit_s` and a second, where
    `subprocess.run` would wait for its end.
    """
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        output, errors = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        return None
    return Answer(process.returncode, output, errors.decode("utf-8", "replace"))


def ask(*command: str, limit_s: float = _LIMIT_S) -> str | None:
    """What a program prints; None when it is not there, fails, or takes longer than `limit_s`."""
    try:
        answer = run(command, limit_s)
        return None if answer is None or answer.status else answer.output.decode()
    except (OSError, UnicodeDecodeError):
        return None


def last_line(text: str) -> str:
    """The last line that says anything: of a traceback the error. Empty when none does."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


def read(path: str | Path) -> str | None:
    """A small text file of the system; None when it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
