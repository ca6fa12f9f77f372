"""manifest.json of a checkpoint: every file with its size and checksum, and whether they are still so. No torch."""

import hashlib
import json
from collections.abc import Collection
from pathlib import Path

from traind.training_state import FORMAT

MANIFEST = "manifest.json"


class InvalidCheckpointError(Exception):
    """The directory is not a whole checkpoint; the text says what is wrong."""


def write(directory: Path) -> int:
    """Name all files that lie in `directory`. Returns the bytes of all, the manifest's own included. Raises OSError."""
    files = {
        path.name: {"size_bytes": path.stat().st_size, "sha256": _sha256(path)} for path in sorted(directory.iterdir())
    }
    text = json.dumps({"format": FORMAT, "files": files}, indent=1)
    (directory / MANIFEST).write_text(text, encoding="utf-8")
    return sum(int(str(entry["size_bytes"])) for entry in files.values()) + len(text)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
