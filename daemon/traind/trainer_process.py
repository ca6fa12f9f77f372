"""The supervisor's handle on one trainer process: starting it, its two pipes, its end and the cause of that."""

import os
import signal
import subprocess
import sys
from collections import deque
from dataclasses import dataclass

import msgspec

from rundir.control import Order
from rundir.layout import RunDir
from rundir.process import ProcessId, identify
from traind.wire import Farewell, Pipe, Report, tell


@dataclass(frozen=True, slots=True)
class Ending:
    """How a trainer ended."""

    farewell: Farewell | None
    """Its last word; None when it had none."""
    cause: str
    """For a person: exit status, signal or exception."""


class TrainerProcess:
    """Owns the process, its group, and the supervisor's ends of its pipes."""

    def __init__(self, run: RunDir, *, attempt: int, reason: str, paused: bool, lock_fd: int) -> None:
        order_read, self._order_fd = os.pipe()
        report_read, report_write = os.pipe()
        # The lock's open file description is inherited: a second trainer cannot start while this one lives.
        inherited = (order_read, report_write, lock_fd)
        command = [sys.executable, "-m", "traind.trainer", str(run.path), "--attempt", str(attempt), "--reason", reason]
        for name, fd in zip(("order", "report", "lock"), inherited, strict=True):
            command += [f"--{name}-fd", str(fd)]
        with open(run.console, "ab") as console:
            self._process = subprocess.Popen(
                command + (["--paused"] if paused else []),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                pass_fds=inherited,
                start_new_session=True,
                env=_environment(),
            )
        os.close(order_read)
        os.close(report_write)
        os.set_blocking(self._order_fd, False)
        self._reports = Pipe(report_read)
        self._farewell: Farewell | None = None
        self._unsent: deque[Order] = deque()
        self.id = identify(self._process.pid) or ProcessId(self._process.pid)

    @property
    def report_fd(self) -> int:
        return self._reports.fd

    def reports(self) -> list[Report]:
        """What it said since the last call. Also sends on what it had no room to hear before."""
        self._send()
        reports = self._reports.reports()
        for report in reports:
            if isinstance(report, Farewell):
                self._farewell = report
        return reports

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

    def kill(self) -> None:
        """End it and all it started, now."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def ended(self) -> Ending | None:
        """How it ended; None while it lives. Call `reports` once more before trusting the farewell."""
        code = self._process.poll()
        if code is None:
            return None
        self.kill()  # loader workers that outlived it
        self.reports()
        cause = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        if self._farewell is not None and self._farewell.error:
            cause = self._farewell.error
        return Ending(self._farewell, cause)

    def close(self) -> None:
        os.close(self._order_fd)
        self._reports.close()


def _environment() -> dict[str, str]:
    """No progress bars in console.log, tracebacks of segfaults in it, no forked tokenizer threads."""
    return os.environ | {
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TQDM_DISABLE": "1",
        "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    }
