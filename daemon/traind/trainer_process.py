"""The supervisor's handle on one trainer process: starting it, its two pipes, its end and the cause of that."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from rundir.control import Order
from rundir.layout import RunDir
from rundir.process import ProcessId, identify
from traind.exit_status import signal_name
from traind.oom_kill import OomKills
from traind.wire import Beat, Farewell, Leave, Pipe, Report, tell

TOLD_TO_LEAVE = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)

FDS = ("order", "report", "lock")
"""What a trainer inherits, in this order."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a trainer ended."""

    farewell: Farewell | None
    """Its last word; None when it had none."""
    cause: str
    """For a person: exit status, signal or exception."""
    exit_status: int | None = None
    signal: str | None = None
    """The name of the one that ended it."""
    told_by: str | None = None
    """The name of the one that had told it to leave."""
    pid: int = 0
    is_oom_kill: bool = False
    """The kernel ended it, or a loader worker of it, for want of memory."""
    console_begin: int = 0
    """Where this attempt's part of console.log begins."""

    @property
    def leave(self) -> Leave | None:
        """Why it left of its own will; None when it did not. A signal that came before it could listen is a reason."""
        if self.farewell is not None:
            return self.farewell.reason
        return Leave.SIGNALLED if self.signal is not None and self.signal == self.told_by else None

    @property
    def lost(self) -> str | None:
        """What a trainer that left by order could not save, in words."""
        return self.farewell.error if self.farewell else None


class TrainerProcess:
    """Owns the process, its group, and the supervisor's ends of its pipes."""

    def __init__(
        self,
        run: RunDir,
        *,
        attempt: int,
        reason: str,
        paused: bool,
        lock_fd: int,
        grace_s: float,
        oom_kills: int,
    ) -> None:
        argv = [str(run.path), "--attempt", str(attempt), "--reason", reason] + (["--paused"] if paused else [])
        argv += ["--grace-s", str(grace_s), "--oom-kills", str(oom_kills)]
        with contextlib.ExitStack() as opened:
            order_read, self._order_fd = _pipe(opened)
            report_read, report_write = _pipe(opened)
            console = opened.enter_context(self._open_console(run))
            self._console_begin = os.fstat(console.fileno()).st_size
            self._process = self._start(argv, (order_read, report_write, lock_fd), console)
            console.close()
            opened.pop_all()
        os.close(order_read)
        os.close(report_write)
        os.set_blocking(self._order_fd, False)
        self._reports = Pipe(report_read)
        self._heard: list[Report] = []
        self._farewell: Farewell | None = None
        self._told_by: str | None = None
        self._unsent: deque[Order] = deque()
        self._killed_for = ""
        self._oom_kills = OomKills(self._process.pid, time.monotonic())
        self.id = identify(self._process.pid) or ProcessId(self._process.pid)

    def _open_console(self, run: RunDir) -> BinaryIO:
        return open(run.console, "ab")

    def _start(self, argv: list[str], fds: tuple[int, int, int], console: BinaryIO) -> "subprocess.Popen[bytes]":
        """Start it with its ends of the order and report pipes and the lock.

        The lock's open file description is inherited: a second trainer cannot start while this one lives.
        """
        named = [word for name, fd in zip(FDS, fds, strict=True) for word in (f"--{name}-fd", str(fd))]
        return subprocess.Popen(
            [sys.executable, "-m", "traind.trainer", *argv, *named],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            pass_fds=fds,
            start_new_session=True,
            env=trainer_environment(),
        )

    @property
    def pids(self) -> list[int]:
        """Of the processes that train."""
        return [self.id.pid]

    @property
    def report_fd(self) -> int:
        return self._reports.fd

    def reports(self) -> list[Report]:
        """What it said since the last call. Also sends on what it had no room to hear before."""
        self._send()
        self._oom_kills.look(time.monotonic())
        self._hear()
        heard, self._heard = self._heard, []
        return heard

    def _hear(self) -> None:
        for report in self._reports.reports():
            self._heard.append(report)
            if isinstance(report, Farewell):
                self._farewell = report
            if isinstance(report, Beat) and report.signal is not None:
                self._told_by = report.signal

    def order(self, order: Order) -> None:
        """Hand over an order, as soon as it reads. `by` is cut: a line must fit the pipe's atomic write."""
        by = None if order.by is None else order.by[:64]
        self._unsent.append(msgspec.structs.replace(order, by=by))
        self._send()

    def _send(self) -> None:
        while self._unsent and tell(self._order_fd, self._unsent[0]):
            self._unsent.popleft()

    def terminate(self) -> None:
        """Ask it to checkpoint and leave."""
        self._process.terminate()

    def dump_stacks(self) -> None:
        """Have it write the stack of every thread into console.log; it needs no safe point for that."""
        self._process.send_signal(signal.SIGUSR2)

    def kill(self, why: str = "") -> None:
        """End it and all it started, now. `why`: the cause of its end, if it is no order."""
        self._killed_for = why or self._killed_for
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def ended(self) -> Ending | None:
        """How it ended; None while it lives. `reports` has its last words once more to give."""
        code = self._process.poll()
        if code is None:
            return None
        self.kill()  # loader workers that outlived it
        self._hear()
        name = signal_name(-code) if code < 0 else None
        error = None if self._farewell is None else self._farewell.error
        if -code in TOLD_TO_LEAVE:  # before it could listen
            self._told_by = name
        # Where a loader worker was the victim, its parent ends by an exception that names it; torch may raise that from
        # a signal's handler, where it stops even the last words.
        was_killed = name == "SIGKILL" or code > 0 if error is None else "DataLoader worker" in error
        is_oom_kill = was_killed and not self._killed_for and self._oom_kills.has_one_come()
        if is_oom_kill:
            cause = "killed by the kernel: out of memory" + (f" ({error})" if error else "")
        else:
            cause = error or self._killed_for or (f"exit status {code}" if name is None else f"killed by {name}")
        return Ending(
            self._farewell,
            cause,
            exit_status=None if name else code,
            signal=name,
            told_by=self._told_by,
            pid=self._process.pid,
            is_oom_kill=is_oom_kill,
            console_begin=self._console_begin,
        )

    def close(self) -> None:
        os.close(self._order_fd)
        self._reports.close()


def _pipe(opened: contextlib.ExitStack) -> tuple[int, int]:
    """Its read end and its write end, closed with the stack."""
    ends = os.pipe()
    for fd in ends:
        opened.callback(os.close, fd)
    return ends


def trainer_environment() -> dict[str, str]:
    """No progress bars in console.log, tracebacks of segfaults in it, no forked tokenizer threads."""
    return os.environ | {
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TQDM_DISABLE": "1",
        "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    }
