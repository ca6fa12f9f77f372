"""A dashboard in a pseudo-terminal of its own, as a person has it: what it writes, how soon, and what it costs."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

COLUMNS, ROWS = 160, 48
ROOT = Path(__file__).resolve().parent.parent
PAINTED = re.compile(rb"[\d,]+ steps")
"""In the status line once the last record is painted."""
_ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
_LOOK_S = 0.05
"""Between two looks at how much memory is taken."""


@dataclass
class Terminal:
    """A dashboard in a pseudo-terminal, what it has written last, and how much."""

    process: psutil.Process
    fd: int
    num_bytes: int = 0
    tail: bytes = b""
    peak_rss_bytes: int = 0
    """Of the dashboard and its helpers together."""
    helpers: dict[int, float] = field(default_factory=dict)
    """Of each process that it started, the processor time in seconds when it was last seen."""
    _looked_at: float = 0.0

    def pump(self, seconds: float, *, until: re.Pattern[bytes] | None = None) -> bool:
        """Read for a while, or until something is on screen. Whether it was."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self._look()
            if not select.select([self.fd], [], [], min(left, _LOOK_S))[0]:
                continue
            try:
                data = os.read(self.fd, 1 << 16)
            except OSError:
                return False
            self.num_bytes += len(data)
            self.tail = (self.tail + data)[-8192:]
            if until is not None and until.search(_ESCAPE.sub(b"", self.tail)):
                return True
        return False

    def press(self, key: str, until: re.Pattern[bytes], timeout_s: float = 10) -> float:
        """Seconds from a key to what it brings to the screen. Raises TimeoutError."""
        self.tail = b""
        start = time.perf_counter()
        os.write(self.fd, key.encode())
        if not self.pump(timeout_s, until=until):
            raise TimeoutError(f"nothing came of {key!r}")
        return time.perf_counter() - start

    def _look(self) -> None:
        now = time.perf_counter()
        if now - self._looked_at < _LOOK_S:
            return
        self._looked_at = now
        rss_bytes = 0
        with contextlib.suppress(psutil.Error):
            rss_bytes += self.process.memory_info().rss
            for child in self.process.children():
                with contextlib.suppress(psutil.Error):
                    rss_bytes += child.memory_info().rss
                    self.helpers[child.pid] = _seconds(child)
        self.peak_rss_bytes = max(self.peak_rss_bytes, rss_bytes)

    def cpu_s(self) -> float:
        """Of the dashboard alone."""
        return _seconds(self.process)

    def all_cpu_s(self) -> float:
        """Its helpers' too, as far as was seen."""
        return self.cpu_s() + sum(self.helpers.values())

    def has_left(self, timeout_s: float) -> bool:
        """Whether the dashboard ends by itself within a time."""
        end = time.perf_counter() + timeout_s
        while time.perf_counter() < end:
            self.pump(0.02)
            if self.process.status() == psutil.STATUS_ZOMBIE:
                return True
        return False


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextlib.contextmanager
def dashboard(target: Path) -> Iterator[Terminal]:
    """A dashboard on a run, or on a directory of them; killed at the end, as closing the terminal would."""
    command = [sys.executable, "-m", "trainwatch.cli", str(target), "--read-only"]
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed was compiled then, not at every start
        os.execv(command[0], command)  # noqa: S606 - our own interpreter, in the terminal just made
    resize(fd, COLUMNS, ROWS)
    try:
        yield Terminal(psutil.Process(pid), fd)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(fd)


def resize(fd: int, columns: int, rows: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def synthetic(parent: Path, *options: str) -> "subprocess.Popen[str]":
    """A generator of runs; the first line it prints is the run's path."""
    return subprocess.Popen(
        [sys.executable, "-m", "bench.synthetic_run", str(parent), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def path_of(generator: "subprocess.Popen[str]") -> Path:
    if generator.stdout is None:
        raise ValueError("a generator is started with a pipe")
    return Path(generator.stdout.readline().strip())


@contextlib.contextmanager
def live(parent: Path, steps: int, steps_per_s: float) -> Iterator[Path]:
    """A run that goes on for as long as it is looked at."""
    options = ("--steps", str(steps), "--live", str(steps_per_s), "--total", str(steps + 100_000_000))
    generator = synthetic(parent, *options)
    try:
        yield path_of(generator)
    finally:
        generator.kill()
        generator.wait()
        if generator.stdout is not None:
            generator.stdout.close()
