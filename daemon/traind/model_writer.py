"""How the copy of a model gets into checkpoint directories: laid out by its library, or straight from memory."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import numpy as np
from torch import Tensor

from traind.custom import WEIGHTS
from traind.direct_file import write_direct
from traind.host_copy import HostCopy

LayOut: TypeAlias = Callable[[dict[str, Tensor], Path], None]
"""Lays weights out in a directory as `save_pretrained` does, with config.json and tokenizer files; of no weights, the
rest alone."""

_CHUNK = 16 << 20


class ModelWriter:
    """Owns what is known of how a run's weights are laid out.

    The first time its library does it, whatever names and files it wants. Where that gave the very bytes that the copy
    holds in memory, later ones are written from there, past the page cache, and are not read back for their checksum.
    """

    def __init__(self, lay_out: LayOut) -> None:
        self._lay_out = lay_out
        self._is_the_copy = False

    def write(self, copy: HostCopy, directory: Path, beside: ThreadPoolExecutor) -> dict[str, "Future[str]"]:
        """Lay it out. Returns what is written meanwhile: names of files, with their CRC-32 once they are on disk.

        All other files of `directory` are still to be put on disk. Raises OSError, also through the futures.
        """
        if self._is_the_copy:
            weights = beside.submit(write_direct, directory / WEIGHTS, copy.content)
            self._lay_out({}, directory)
            return {WEIGHTS: weights}
        self._lay_out(copy.tensors, directory)
        self._is_the_copy = _holds(directory / WEIGHTS, copy.content)
        return {}


def _holds(path: Path, content: memoryview) -> bool:
    """Whether a file has exactly these bytes."""
    if not path.is_file() or path.stat().st_size != len(content):
        return False
    ours = np.frombuffer(content, np.uint8)
    with path.open("rb", buffering=0) as file:
        return all(
            np.array_equal(np.frombuffer(file.read(_CHUNK), np.uint8), ours[begin : begin + _CHUNK])
            for begin in range(0, len(ours), _CHUNK)
        )
