"""manifest.json of a checkpoint: every file with its size and checksum, and whether they are still so.

Guarantees: reading runs no code and never follows a name out of the checkpoint's own directory; whatever the manifest
holds, the fault is an `InvalidCheckpointError` in words.

The checksum is a CRC-32: it finds what a disk or a copy has done to a file, at a fifth of the time of the SHA-256 that
stood here before and is still read. Against somebody who means harm neither would help: the manifest lies beside.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

from rundir.size import size_of

MANIFEST = "manifest.json"

_CHUNK = 1 << 20


def _pass(num_bytes: int) -> None:
    """Nobody wants to be told."""


class InvalidCheckpointError(Exception):
    """The directory is not a whole checkpoint; the text says what is wrong."""


class _Sum(Protocol):
    def update(self, data: memoryview, /) -> None: ...

    def hexdigest(self) -> str: ...


class _Crc32:
    def __init__(self) -> None:
        self._crc = 0

    def update(self, data: memoryview, /) -> None:
        self._crc = zlib.crc32(data, self._crc)

    def hexdigest(self) -> str:
        return f"{self._crc:08x}"


_ALGORITHMS: dict[str, Callable[[], _Sum]] = {"crc32": _Crc32, "sha256": hashlib.sha256}


def checksum(path: Path, algorithm: str = "crc32", on_read: Callable[[int], None] = _pass) -> str:
    """Of a whole file, in hexadecimal digits. Raises OSError.

    `on_read` is told the bytes of each piece that was read, and may end it by an exception of its own.
    """
    total, buffer = _ALGORITHMS[algorithm](), bytearray(_CHUNK)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while num_bytes := file.readinto(buffer):
            total.update(view[:num_bytes])
            on_read(num_bytes)
    return total.hexdigest()


def verify(path: Path, *, without: Collection[str] = (), on_read: Callable[[int], None] = _pass) -> None:
    """Raises InvalidCheckpointError unless every file of the manifest is there, with its size and checksum.

    Those named in `without` are not looked at: a model can be tried where its optimizer was left behind. `on_read` as
    for `checksum`.
    """
    for name, (algorithm, expected) in _present(path, without).items():
        try:
            found = checksum(path / name, algorithm, on_read)
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
        if "/" in name or not _is_file(file):
            raise InvalidCheckpointError(f"{name} is missing")
        if (found := size_of(file)) != num_bytes:  # 0 where it has just been removed
            raise InvalidCheckpointError(f"{name} has {found} bytes, not {num_bytes}")
    return {name: (algorithm, expected) for name, (_, algorithm, expected) in files.items() if name not in without}


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


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
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InvalidCheckpointError(f"manifest unreadable: {error}") from None
    return wanted
