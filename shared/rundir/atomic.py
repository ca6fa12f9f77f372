"""Small files replaced whole: a reader sees the old content or the new, never a mixture, whatever dies in between."""

import errno
import os
import threading
from pathlib import Path


def write_atomic(path: Path, data: bytes, *, durable: bool = True, mode: int = 0o600) -> None:
    """Write to a temporary file beside `path`, then rename it into place.

    With `durable` the data and the rename are on disk on return; without, a power loss may show the old file.
    Raises OSError (disk full, permission), the old file then untouched and the temporary one removed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        fsync_dir(path.parent)


def write_in_room(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Overwrite a JSON file within the room that it takes already, for a disk that has no byte left.

    One write(2); what the old content had more is blanks. A reader at that very moment may see a mixture, as may
    whoever comes after a power loss. Raises OSError, the old file then untouched, where there is no such file or room.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if len(data) > found.st_blocks * 512:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.pwrite(fd, data.ljust(found.st_size), 0)
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)


def fsync_dir(path: Path) -> None:
    """Put a directory's entries (renames, new files) on disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
