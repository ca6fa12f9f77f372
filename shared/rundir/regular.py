"""Opening a file of a run to read it: what is no regular file is an error at once.

A pipe in its place would be waited for without end, a device may have no end. Nothing is said of whose file it is: for
orders, see `trust`.
"""

import errno
import os
import stat


def open_regular(path: str | os.PathLike[str]) -> int:
    """A descriptor to read from. Raises FileNotFoundError, and OSError for all that is no regular file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
    words = os.strerror(code) if stat.S_ISDIR(mode) else "no regular file"
    raise OSError(code, words, os.fspath(path))


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """All that a file holds. Raises as `open_regular` does."""
    with open(open_regular(path), "rb") as file:
        return file.read()
