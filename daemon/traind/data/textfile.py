"""Reading a file whole, and telling of many faults in one: shared by the readers of all formats."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from traind.config import ConfigError

T = TypeVar("T")
_MAX_FAULTS = 10
"""Of one file that are shown; the rest is counted."""


class Fault(str):
    """What is wrong at a place, and the cure."""

    __slots__ = ()


def read_bytes(path: Path, key: str, cure: str) -> bytes:
    """All of a file. Raises ConfigError naming `key`; `cure` is for one that is not there."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{key}: {path}: no such file; {cure}") from None
    except OSError as error:
        raise ConfigError(f"{key}: {path}: cannot be read: {error.strerror}") from None


def decode(data: bytes, path: Path, key: str) -> str:
    """UTF-8 text, with or without a byte order mark. Raises ConfigError."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{key}: {path}: not UTF-8 at byte {error.start}; convert it") from None


def collect(parsed: Iterable[T | Fault], key: str) -> list[T]:
    """The items, if none is a fault. Raises ConfigError with the first of them, and the number of the rest."""
    items: list[T] = []
    faults: list[str] = []
    for item in parsed:
        if isinstance(item, Fault):
            faults.append(f"{key}: {item}")
        else:
            items.append(item)
    if len(faults) > _MAX_FAULTS:
        faults = [*faults[:_MAX_FAULTS], f"{key}: and {len(faults) - _MAX_FAULTS} more faults of this kind"]
    if faults:
        raise ConfigError(*faults)
    return items
