"""Large files written past the page cache: at the disk's own pace, without copying each byte once more in the kernel.

Training's data stay cached, and no flood of dirty pages makes every other writer of the machine wait. Where a file
system does not take such writes, they are ordinary ones.
"""

import errno
import fcntl
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_BLOCK = 4096
_CHUNK = 16 << 20


def write_direct(path: Path, content: memoryview) -> str:
    """Write a new file and put it on disk. Returns the CRC-32 of the bytes handed over, as hex. Raises OSError.

    Quick where `content` begins at a page.
    """
    with ThreadPoolExecutor(1, "checksum") as beside:
        crc = beside.submit(zlib.crc32, content)
        fd = _open(path)
        try:
            _write(fd, content)
            os.fsync(fd)
        finally:
            os.close(fd)
        return f"{crc.result():08x}"


def _open(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    try:
        return os.open(path, flags | getattr(os, "O_DIRECT", 0), 0o600)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.open(path, flags, 0o600)


def _write(fd: int, content: memoryview) -> None:
    written = 0
    while written < len(content):
        chunk = content[written : written + _CHUNK]
        if len(chunk) >= _BLOCK:
            chunk = chunk[: len(chunk) // _BLOCK * _BLOCK]
        else:
            _make_ordinary(fd)  # the end of the file is no whole block
        try:
            written += os.write(fd, chunk)
        except OSError as error:
            # EINVAL: larger blocks than ours, or memory that begins anywhere; EFAULT: memory that no disk reads from.
            if error.errno not in (errno.EINVAL, errno.EFAULT) or not _make_ordinary(fd):
                raise
        if written % _BLOCK:
            _make_ordinary(fd)  # a short write: the disk is about to be full, and the next one says so


def _make_ordinary(fd: int) -> bool:
    """Let further writes go through the page cache. False when they did so before."""
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    direct = getattr(os, "O_DIRECT", 0)
    if not flags & direct:
        return False
    fcntl.fcntl(fd, fcntl.F_SETFL, flags & ~direct)
    return True
