"""Real runs of the daemon whose processes are forked from one that has torch loaded: a trainer starts in half a second.

All is the product's own but for `subprocess.Popen`, of which `forked.py` and this module give the equivalent. The
command line is left out: its verbs are called in this process, which knows no torch.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any
from unittest import mock

from rundir import layout, process
from rundir.control import Verb
from rundir.layout import RunDir
from rundir.records import OutcomeEvent
from rundir.status import read_status
from tests.conftest import eventually
from traind import config, launch
from traind.trainer_process import trainer_environment

REPOSITORY = Path(__file__).parents[2]


class Farm:
    """Owns the preloaded process."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._preloaded = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.preloaded", str(theirs.fileno())],
            cwd=REPOSITORY,
            pass_fds=(theirs.fileno(),),
            env=trainer_environment(),  # some of it is read as the libraries are imported
        )
        theirs.close()
        assert self._requests.recv(16) == b"ready"

    def close(self) -> None:
        self._requests.close()
        self._preloaded.wait(10.0)

    def start(self, configuration: Path, *settings: str) -> RunDir:
        """As `traind start`, in the configuration's directory; returns when its supervisor holds the lock."""
        run = make_run(configuration, *settings)
        self.begin(run)
        return run

    def begin(self, run: RunDir) -> None:
        """Start a run that was made."""
        with self._forking():
            launch.spawn_supervisor(run, reason="start", order_id=None, argv=[])

    def order(self, run: RunDir, verb: Verb, **args: Any) -> OutcomeEvent | None:
        """As the command line's verbs: written, a supervisor called for it if none lives, its outcome awaited."""
        with self._forking():
            return launch.give_order(run, verb, args, [])

    def supervise(self, run: RunDir, order_id: str) -> None:
        """One more supervisor for an order, whether or not there is one. Raises LaunchError when it may not."""
        with self._forking():
            launch.spawn_supervisor(run, reason="order", order_id=order_id, argv=[])

    def _forking(self) -> contextlib.AbstractContextManager[object]:
        popen = SimpleNamespace(Popen=self._popen, DEVNULL=subprocess.DEVNULL)
        return mock.patch.object(launch, "subprocess", popen)

    def _popen(
        self,
        args: Sequence[str],
        *,
        stdin: int,
        stdout: IO[bytes],
        stderr: IO[bytes],
        pass_fds: Sequence[int],
        start_new_session: bool,
        env: Mapping[str, str],
    ) -> "Farmed":
        assert stdin == subprocess.DEVNULL
        assert start_new_session
        numbers = [1, 2, *pass_fds]
        request = json.dumps({"args": list(args), "fds": numbers, "env": dict(env)}).encode()
        socket.send_fds(self._requests, [request], [stdout.fileno(), stderr.fileno(), *pass_fds])
        return Farmed(int(self._requests.recv(16)))


class Farmed:
    """What `launch` asks of the process that it has started. It is the preloaded one's child, not ours."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self) -> None:
        eventually(lambda: process.identify(self.pid) is None)


def make_run(configuration: Path, *settings: str) -> RunDir:
    """In the configuration's directory, not yet started."""
    return launch.create_run(config.load(configuration, settings), configuration.parent / "runs")


@contextlib.contextmanager
def farm() -> Iterator[Farm]:
    made = Farm()
    try:
        yield made
    finally:
        made.close()


def end_all(directory: Path) -> None:
    """SIGKILL whatever runs still have in `directory`."""
    for run in layout.find_runs(directory / "runs"):
        status = read_status(run.status_json)
        for heart in (status.supervisor, status.trainer) if status is not None else ():
            if heart is not None and process.is_alive(heart.process):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(heart.process.pid, signal.SIGKILL)
