"""What the dashboard costs: opening runs of 100,000 and 1,000,000 steps, watching a finished and a live one.

python -m bench.viewer [--runs N] [--watch S]

Each figure comes from a real `trainwatch` in a pseudo-terminal of 160x48. "open" is the time from exec to the status
line's "N steps", which is written only once the last record is painted; the interpreter's start is in it. Prints
wall times beside their bars and never fails on one: the machine may be busy.
"""

import argparse
import contextlib
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

COLUMNS, ROWS = 160, 48
ROOT = Path(__file__).resolve().parent.parent
PAINTED = re.compile(rb"[\d,]+ steps")
_ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class Terminal:
    """A dashboard in a pseudo-terminal, and how many bytes it has written."""

    process: psutil.Process
    fd: int
    num_bytes: int = 0
    tail: bytes = b""

    def pump(self, seconds: float, *, until: re.Pattern[bytes] | None = None) -> bool:
        """Read for a while, or until something is on screen. Whether it was."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
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

    def cpu_s(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system


@contextlib.contextmanager
def dashboard(run: Path) -> Iterator[Terminal]:
    """A dashboard on a run; killed at the end, as closing the terminal would."""
    command = [sys.executable, "-m", "trainwatch.cli", str(run), "--read-only"]
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.execv(command[0], command)  # noqa: S606 - our own interpreter, in the terminal just made
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    try:
        yield Terminal(psutil.Process(pid), fd)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(fd)


def opening(run: Path, repeats: int, until: re.Pattern[bytes] = PAINTED) -> tuple[float, int]:
    """Median seconds from exec to painted, and the largest resident memory."""
    times: list[float] = []
    rss_bytes = 0
    for _ in range(repeats):
        start = time.perf_counter()
        with dashboard(run) as terminal:
            if not terminal.pump(120, until=until):
                raise SystemExit(f"{run}: not painted within 120 s")
            times.append(time.perf_counter() - start)
            rss_bytes = max(rss_bytes, terminal.process.memory_info().rss)
    return statistics.median(times), rss_bytes


def watching(run: Path, seconds: float, until: re.Pattern[bytes] = PAINTED, settle_s: float = 2) -> tuple[float, float]:
    """CPU percent of one core, and bytes a second to the terminal, once the picture stands."""
    with dashboard(run) as terminal:
        terminal.pump(120, until=until)
        terminal.pump(settle_s)
        cpu_s, num_bytes, start = terminal.cpu_s(), terminal.num_bytes, time.perf_counter()
        terminal.pump(seconds)
        took_s = time.perf_counter() - start
        return 100 * (terminal.cpu_s() - cpu_s) / took_s, (terminal.num_bytes - num_bytes) / took_s


def synthetic(parent: Path, *options: str) -> subprocess.Popen[str]:
    """A generator of runs; the first line it prints is the run's path."""
    return subprocess.Popen(
        [sys.executable, "-m", "bench.synthetic_run", str(parent), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def path_of(generator: subprocess.Popen[str]) -> Path:
    if generator.stdout is None:
        raise ValueError("a generator is started with a pipe")
    return Path(generator.stdout.readline().strip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="repeats of each opening")
    parser.add_argument("--watch", type=float, default=20.0, help="seconds of watching")
    arguments = parser.parse_args()
    parent = Path(tempfile.mkdtemp(prefix="trainwatch-bench-"))
    print(f"{'what':<44}{'measured':>18}{'bar':>14}")
    try:
        finished = None
        for steps, bar in ((100_000, "1.0 s"), (1_000_000, "2.0 s")):
            finished = path_of(synthetic(parent, "--steps", str(steps)))
            seconds, rss = opening(finished, arguments.runs)
            print(f"{f'open {steps:,} steps, median of {arguments.runs}':<44}{seconds:>16.2f} s{bar:>14}", flush=True)
            print(f"{'  resident memory':<44}{rss / 2**20:>14.0f} MiB", flush=True)
        if finished is not None:
            print_watching(
                "watch a finished run of 1,000,000 steps", watching(finished, arguments.watch), "1 %", "~0 B/s"
            )
        live = synthetic(parent, "--steps", "2000", "--live", "20", "--total", "100000")
        try:
            cost = watching(path_of(live), arguments.watch)
        finally:
            live.kill()
            live.wait()
        print_watching("watch 20 steps/s live", cost, "15 %", "8,000 B/s")
    finally:
        shutil.rmtree(parent)


def print_watching(what: str, cost: tuple[float, float], cpu_bar: str, bytes_bar: str) -> None:
    print(f"{what + ', CPU of a core':<44}{cost[0]:>16.1f} %{cpu_bar:>14}")
    print(f"{'  to the terminal':<44}{cost[1]:>14,.0f} B/s{bytes_bar:>14}", flush=True)


if __name__ == "__main__":
    main()
