"""manifest.json of a checkpoint: every file with its size and checksum, and whether they are still so. No torch.

The checksum is a CRC-32: it finds what a disk or a copy has done to a file, at a fifth of the time of the SHA-256 that
stood here before and is still read. Against somebody who means harm neither would help: the manifest lies beside.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Collection, Mapping
from io import FileIO
from pathlib import Path

from rundir.size import size_of
from traind.training_state import FORMAT

MANIFEST = "manifest.json"

_CHUNK = 1 << 20


class InvalidCheckpointError(Exception):
    """The directory is not a whole checkpoint; the text says what is wrong."""


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


def _crc32(file: FileIO) -> str:
    buffer = bytearray(_CHUNK)
    view, crc = memoryview(buffer), 0
    while num_bytes := file.readinto(buffer):
        crc = zlib.crc32(view[:num_bytes], crc)
    return f"{crc:08x}"


def _sha256(file: FileIO) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


_ALGORITHMS: dict[str, Callable[[FileIO], str]] = {"crc32": _crc32, "sha256": _sha256}


def checksum(path: Path, algorithm: str = "crc32") -> str:
    """Of a whole file, in hexadecimal digits. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        return _ALGORITHMS[algorithm](file)


def verify(path: Path, *, without: Collection[str] = ()) -> None:
    """Raises InvalidCheckpointError unless every file of the manifest is there, with its size and checksum.

    Those named in `without` are not looked at: a model can be tried where its optimizer was left behind.
    """
    for name, (algorithm, expected) in _present(path, without).items():
        try:
            found = checksum(path / name, algorithm)
        except OSError as error:
            raise InvalidCheckpointError(f"{name} is unreadable: {error}") from None
        if found != expected:
            raise InvalidCheckpointError(f"{name} does not match its checksum")


def check_sizes(path: Path) -> None:
    """The quick part of `verify`: manifest, names and sizes, no checksum. Raises InvalidCheckpointError."""
    _present(path, ())


def size_bytes(path: Path) -> int:
    """Of all files together, as the manifest has it. Raises InvalidCheckpointError."""
    return sum(num_bytes for num_bytes, _, _ in _read(path).values())


def _present(path: Path, without: Collection[str]) -> dict[str, tuple[str, str]]:
    """Algorithm and checksum of each file, once all are there with their sizes."""
    files = _read(path)
    for name, (num_bytes, _, _) in files.items():
        if name in without:
            continue
        file = path / name
        if "/" in name or not file.is_file():
            raise InvalidCheckpointError(f"{name} is missing")
        if (found := size_of(file)) != num_bytes:  # 0 where it has just been removed
            raise InvalidCheckpointError(f"{name} has {found} bytes, not {num_bytes}")
    return {name: (algorithm, expected) for name, (_, algorithm, expected) in files.items() if name not in without}


def _read(path: Path) -> dict[str, tuple[int, str, str]]:
    """Size, algorithm and checksum of each file that the manifest names."""
    try:
        files = json.loads((path / MANIFEST).read_bytes())["files"]
        wanted = {}
        for name, entry in files.items():
            algorithm = next(known for known in _ALGORITHMS if known in entry)
            wanted[str(name)] = (int(entry["size_bytes"]), algorithm, str(entry[algorithm]))
    except FileNotFoundError:
        raise InvalidCheckpointError("no manifest") from None
    except StopIteration:
        raise InvalidCheckpointError(f"manifest has no checksum of {' or '.join(_ALGORITHMS)}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidCheckpointError(f"manifest unreadable: {error}") from None
    return wanted
