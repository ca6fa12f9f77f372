"""Several processes that decode a long log between them; what they find is handed out in the order of the file.

The decoder holds the interpreter while it works: elsewhere than in the dashboard it delays no key, and two are faster.
"""

import contextlib
import fcntl
import os
import selectors
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import IO, TypeAlias

import numpy as np
import numpy.typing as npt

from trainwatch.longlog.helper import LENGTHS, REQUEST, unpacked
from trainwatch.longlog.pieces import MetricsPiece

Bytes: TypeAlias = npt.NDArray[np.uint8]
STRETCH_BYTES = 6 * 1024 * 1024
"""Of the log, to be decoded at once: some 50 ms of work."""
LEAST_WINDOW_BYTES = 64 * 1024
"""A stretch ends with a line: its end is looked for within so much first."""
PIPE_BYTES = 1024 * 1024
"""Of an answer that a helper can be rid of before it is read; what Linux allows everybody."""
KEEPS_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}
"""To glibc: what a slice took is for the next one. Given back and cleared again each time it costs a seventh."""
MOST_HELPERS = 4
AHEAD = 2
"""Stretches that a helper has before it, so that it never waits for the next."""


class HelperError(Exception):
    """A helper has died, or said what cannot be understood. What is missing has to be read without them."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What some of the log came to."""

    stop: int
    """Offset of what follows."""
    pieces: list[MetricsPiece]
    skipped: int


@dataclass
class _Helper:
    process: "subprocess.Popen[bytes]"
    input: IO[bytes]
    output: IO[bytes]
    stops: deque[int] = field(default_factory=deque)
    """Of the stretches it works on."""
    lengths: bytearray = field(default_factory=lambda: bytearray(LENGTHS.size))
    """The beginning of the answer that comes."""
    answer: Bytes | None = None
    """The rest of it, once the beginning is there."""
    num_received: int = 0
    """Bytes of the part that comes."""
    answers: deque[tuple[Bytes, int]] = field(default_factory=deque)
    """Whole ones, and of each how much of it are numbers."""


def num_helpers() -> int:
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, MOST_HELPERS)


class Crew:
    """Owns the processes. Used by one thread at a time; to be closed."""

    def __init__(self, log_fd: int, start: int, stop: int, number: int) -> None:
        """Decode [start, stop) of an open log, both of which are ends of lines. Raises OSError, HelperError."""
        self._log_fd = os.dup(log_fd)
        self._next, self._stop = start, stop
        self._selector = selectors.DefaultSelector()
        self._helpers: list[_Helper] = []
        self._order: deque[_Helper] = deque()
        """Of each stretch that is not handed out yet, whose it is."""
        try:
            for _ in range(number):
                self._helpers.append(self._started())
            for _ in range(AHEAD):
                for helper in self._helpers:
                    self._ask(helper)
        except (OSError, HelperError):
            self.close()
            raise

    def _started(self) -> _Helper:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "trainwatch.longlog.helper", str(self._log_fd)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            bufsize=0, pass_fds=(self._log_fd,), start_new_session=True, env={**os.environ, **KEEPS_MEMORY},
        )  # fmt: skip
        if process.stdin is None or process.stdout is None:
            raise OSError("no pipes")
        os.set_blocking(process.stdout.fileno(), False)
        with contextlib.suppress(OSError, AttributeError):  # elsewhere than on Linux
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        helper = _Helper(process, process.stdin, process.stdout)
        self._selector.register(process.stdout, selectors.EVENT_READ, helper)
        return helper

    def _ask(self, helper: _Helper) -> None:
        """Give a helper the next stretch, if there is one."""
        if self._next >= self._stop:
            return
        stop = self._end_of_line(min(self._next + STRETCH_BYTES, self._stop))
        helper.input.write(REQUEST.pack(self._next, stop))
        helper.stops.append(stop)
        self._order.append(helper)
        self._next = stop

    def _end_of_line(self, around: int) -> int:
        if around == self._stop:
            return around
        for window_bytes in (LEAST_WINDOW_BYTES, STRETCH_BYTES):
            start = max(self._next, around - window_bytes)
            if end := os.pread(self._log_fd, around - start, start).rfind(b"\n") + 1:
                return start + end
        raise HelperError("a line longer than a stretch")

    @property
    def is_done(self) -> bool:
        return not self._order

    def poll(self, wait_s: float) -> Stretch | None:
        """The next stretch, or None where none is there within a time. Raises HelperError."""
        ends_at = time.monotonic() + wait_s
        first = self._order[0]
        while True:
            if (found := self._taken(first)) is not None:
                return found
            left_s = ends_at - time.monotonic()
            if left_s <= 0:
                return None
            for key, _ in self._selector.select(left_s):
                self._receive(key.data)

    def _receive(self, helper: _Helper) -> None:
        """Straight to where it is to lie: what is copied once less, of so much, is a tenth of all work here."""
        part = memoryview(helper.lengths) if helper.answer is None else helper.answer.data
        count = os.readv(helper.output.fileno(), [part[helper.num_received :]])
        if not count:
            raise HelperError("a helper has ended")
        helper.num_received += count
        if helper.num_received < len(part):
            return
        body, head = LENGTHS.unpack(helper.lengths)
        if helper.answer is None:
            if min(body, head) < 0:
                raise HelperError("an answer of no length")
            helper.answer = np.empty(body + head, np.uint8)
        else:
            helper.answers.append((helper.answer, body))
            helper.answer = None
        helper.num_received = 0

    def _taken(self, helper: _Helper) -> Stretch | None:
        """The first whole answer of a helper."""
        if not helper.answers:
            return None
        answer, body = helper.answers.popleft()
        try:
            pieces, skipped = unpacked(answer[body:].tobytes(), answer[:body])
        except ValueError as error:
            raise HelperError(str(error)) from None
        self._order.popleft()
        stop = helper.stops.popleft()
        try:
            self._ask(helper)
        except OSError as error:
            raise HelperError(str(error)) from None
        return Stretch(stop, pieces, skipped)

    def close(self) -> None:
        self._selector.close()
        for helper in self._helpers:
            helper.process.kill()
            helper.input.close()
            helper.output.close()
            helper.process.wait()
        if self._log_fd >= 0:
            os.close(self._log_fd)
            self._log_fd = -1
