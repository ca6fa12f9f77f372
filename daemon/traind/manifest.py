"""manifest.json of a checkpoint, as it is written; it is read, and held against the files, by `rundir.manifest`."""

import json
from collections.abc import Mapping
from pathlib import Path

from rundir.manifest import MANIFEST, InvalidCheckpointError, check_sizes, checksum, size_bytes, verify
from traind.training_state import FORMAT

__all__ = ["MANIFEST", "InvalidCheckpointError", "check_sizes", "checksum", "size_bytes", "verify", "write"]


def write(directory: Path, crcs: Mapping[str, str]) -> int:
    """Name the files of `directory`, each with its CRC-32. Returns the bytes of all, the manifest's own included.

    Raises OSError.
    """
    files = {
        name: {"size_bytes": (directory / name).stat().st_size, "crc32": crc} for name, crc in sorted(crcs.items())
    }
    text = json.dumps({"format": FORMAT, "files": files}, indent=1)
    (directory / MANIFEST).write_text(text, encoding="utf-8")
    return sum(int(str(entry["size_bytes"])) for entry in files.values()) + len(text)
