"""Starting one of our processes by fork instead of exec: what it imports is in memory already.

To the one who starts it, and to itself, a forked process is what `subprocess.Popen` would have made: its own argv,
environment, session, standard streams and descriptors, default signal handlers, nothing of its parent's left open.
"""

import atexit
import contextlib
import faulthandler
import fcntl
import gc
import importlib
import logging
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import IO, NoReturn

from tests.soak import clock, trap

DEVNULL = subprocess.DEVNULL
_OUT_OF_THE_WAY = 200
"""Descriptors from here on hold what the new process gets, until its own numbers are free."""


class ForkedProcess:
    """The part of `subprocess.Popen` that the supervisor asks of its trainer. Its command: `PYTHON -m MODULE …`."""

    def __init__(
        self,
        args: Sequence[str],
        *,
        stdin: int,
        stdout: IO[bytes],
        stderr: IO[bytes],
        pass_fds: Sequence[int],
        start_new_session: bool,
        env: Mapping[str, str],
    ) -> None:
        assert stdin == DEVNULL
        assert start_new_session
        self.args = args
        self.returncode: int | None = None
        fds = {1: stdout.fileno(), 2: stderr.fileno(), **{fd: fd for fd in pass_fds}}
        self.pid = os.fork()
        if self.pid == 0:
            become(args, fds, env)

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def become(args: Sequence[str], fds: Mapping[int, int], env: Mapping[str, str]) -> NoReturn:
    """Turn this process, just forked, into `args`. `fds`: the number each descriptor is to have → the one it has."""
    code = 1
    try:
        gc.freeze()  # what the parent has let go of must not be finalised here: it may close a descriptor of ours
        os.setsid()
        _forget_signals()
        _take_fds(fds)
        module = args[args.index("-m") + 1]
        sys.argv = [module, *args[args.index("-m") + 2 :]]
        os.environ.clear()
        os.environ.update(env)
        _open_streams()
        logging.root.handlers.clear()
        if env.get("PYTHONFAULTHANDLER"):
            faulthandler.enable()
        _prepare(module)
        code = importlib.import_module(module).main()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:  # noqa: BLE001 - as the interpreter does with what nobody caught
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(code)


def _prepare(module: str) -> None:
    """A supervisor forks its trainers; both are open to the traps and the clock of the test."""
    if module == "traind.supervise":
        from traind import trainer_process

        trainer_process.subprocess = SimpleNamespace(Popen=ForkedProcess, DEVNULL=DEVNULL)  # type: ignore[assignment]
    if module.startswith("traind."):
        run = sys.argv[1]
        clock.install(run)
        trap.install(run, module.removeprefix("traind."))


def _forget_signals() -> None:
    signal.set_wakeup_fd(-1)
    for signum in signal.valid_signals():
        handler = signal.getsignal(signum)
        if callable(handler) and handler is not signal.default_int_handler:
            signal.signal(signum, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _take_fds(fds: Mapping[int, int]) -> None:
    aside = {number: fcntl.fcntl(fd, fcntl.F_DUPFD, _OUT_OF_THE_WAY) for number, fd in fds.items()}
    aside[0] = fcntl.fcntl(os.open(os.devnull, os.O_RDONLY), fcntl.F_DUPFD, _OUT_OF_THE_WAY)
    for fd in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        if fd not in aside.values():
            with contextlib.suppress(OSError):  # the one that the list was read by
                os.close(fd)
    for number, fd in aside.items():
        os.dup2(fd, number)
        os.close(fd)


def _open_streams() -> None:
    text = partial(open, encoding="utf-8", closefd=False)
    sys.stdin = sys.__stdin__ = text(0)
    sys.stdout = sys.__stdout__ = text(1, "w", buffering=1)
    sys.stderr = sys.__stderr__ = text(2, "w", buffering=1, errors="backslashreplace")
