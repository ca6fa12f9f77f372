"""Whose files orders are taken from. Judges what `fstat` says of an opened descriptor, never a path.

Guarantees: a descriptor that is given out is a regular file (or a directory, where one is asked for) that belongs to
the run's user or root, has one name, and that nobody else may write; whatever a path points to a moment later, this is
what is read.
"""

import errno
import os
import stat
from pathlib import Path

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFDIR: "a directory",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFREG: "a file",
}


class DistrustedError(Exception):
    """Nothing is taken from it. The text says why and what to do."""

    def __init__(self, why: str, found: os.stat_result | None = None) -> None:
        super().__init__(why)
        self.found = found
        """What was opened; None where nothing could be."""


def open_run(path: Path) -> tuple[int, int]:
    """A descriptor on a run directory, and the user it belongs to: the run's. Raises DistrustedError, OSError."""
    fd = os.open(path, _FLAGS | os.O_DIRECTORY)
    found = os.fstat(fd)
    return _kept(fd, found, _fault(found, found.st_uid, "700")), found.st_uid


def open_folder(name: str, owner: int, *, within: int) -> int:
    """A descriptor on a directory in the one that `within` is open on.

    Raises DistrustedError, FileNotFoundError, OSError.
    """
    fd = _open(name, within)
    found = os.fstat(fd)
    fault = None
    if not stat.S_ISDIR(found.st_mode):
        fault = f"it is {_kind(found)}, no directory: remove it"
    return _kept(fd, found, fault or _fault(found, owner, "700"))


def open_file(name: str, owner: int, *, within: int) -> int:
    """A descriptor on a file with orders there. Raises DistrustedError, FileNotFoundError, OSError."""
    fd = _open(name, within)
    found = os.fstat(fd)
    fault = None
    if not stat.S_ISREG(found.st_mode):
        fault = f"it is {_kind(found)}, no regular file: remove it"
    elif found.st_nlink > 1:
        # What is appended under its other name, by whoever keeps a log there, would be an order here.
        fault = f"it has {found.st_nlink} names (hard links): remove this one"
    return _kept(fd, found, fault or _fault(found, owner, "600"))


def _open(name: str, within: int) -> int:
    try:
        return os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=within)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DistrustedError("it is a symlink, which is not followed: remove it") from None
        if error.errno == errno.ENXIO:
            raise DistrustedError("it is a socket, no regular file: remove it") from None
        if error.errno == errno.EACCES:
            raise DistrustedError("it cannot be read: remove it, or give it to the run's user") from None
        raise


def _kept(fd: int, found: os.stat_result, fault: str | None) -> int:
    if fault is None:
        return fd
    os.close(fd)
    raise DistrustedError(fault, found)


def _fault(found: os.stat_result, owner: int, mode: str) -> str | None:
    if found.st_uid not in (owner, 0):
        return f"it belongs to user {found.st_uid}, neither to the run's user {owner} nor to root: remove it"
    if found.st_mode & _OTHERS_WRITE:
        return f"others may write it (mode {stat.S_IMODE(found.st_mode):o}): chmod {mode} it"
    return None


def _kind(found: os.stat_result) -> str:
    return _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
