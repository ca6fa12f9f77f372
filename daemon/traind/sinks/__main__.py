"""Entry of a sink's process: `python -m traind.sinks RUN NAME`, started by the supervisor, never by hand.

Standard input is its leash: at its end, which comes with the run's or with the supervisor's, it takes in what is there
and leaves. On standard output it beats, one empty line each time it has caught up; any other line says why it ends.
"""

import argparse
import errno
import fcntl
import os
import select
import signal
import sys
import time
from pathlib import Path

import msgspec

from rundir.layout import RunDir
from rundir.secret import redact
from rundir.status import umask_private
from traind import config
from traind.complaint import print_traceback
from traind.sinks.catalog import NO_ROOM, SinkName
from traind.sinks.pump import Pump
from traind.sinks.sink import Sink, State

POLL_S = 1.0
BUSY_S = 20.0
"""How long another process of the same sink, whose supervisor died, is given to take in its last records."""


class SinkBusyError(Exception):
    """Another process writes this sink's files."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="traind.sinks", description="started by traind, never by hand")
    parser.add_argument("run", type=Path)
    parser.add_argument("name", type=SinkName)
    args = parser.parse_args()
    leash, report = _take_pipes()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)  # sent to all of the run at once; our end comes by the leash
    umask_private()
    os.nice(10)  # what trains goes first
    try:
        _serve(RunDir(args.run), args.name, leash, report)
    except Exception as error:  # noqa: BLE001 — whatever a foreign library raises, its reason is what is wanted
        print_traceback()
        reason = " ".join(redact(f"{type(error).__name__}: {error}", os.environ).split())
        os.write(report, reason[:500].encode("utf-8", "replace") + b"\n")
        sys.stderr.flush()
        is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        os._exit(NO_ROOM if is_full else 1)  # not through the exit handlers of a library that has failed
    return 0


def _take_pipes() -> tuple[int, int]:
    """Leash and report, moved away from where a library might read or print."""
    leash, report = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    os.set_blocking(report, False)
    return leash, report


def _serve(run: RunDir, name: SinkName, leash: int, report: int) -> None:
    def beat() -> None:
        try:
            os.write(report, b"\n")
        except (BlockingIOError, BrokenPipeError):
            return  # a supervisor that is gone or busy has no need of it

    lock = _acquire(run.sinks / f"{name}.lock")
    pump = Pump(run.metrics, run.sinks / f"{name}.json", lambda state: _open(run, name, state))
    is_over = False
    while not is_over:
        pump.run_to_end(beat)
        is_over = bool(select.select([leash], [], [], POLL_S)[0])
    pump.run_to_end(beat)
    pump.close()
    os.close(lock)


def _acquire(path: Path) -> int:
    """The right to write the sink's files. Raises SinkBusyError."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    give_up_at = time.monotonic() + BUSY_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            if time.monotonic() > give_up_at:
                raise SinkBusyError(f"{path.name} is held by another process") from None
            select.select([], [], [], 0.05)


def _open(run: RunDir, name: SinkName, state: State | None) -> Sink:
    """The sink itself; only here is its library imported."""
    match name:
        case SinkName.CSV:
            from traind.sinks.csv_sink import CsvSink

            return CsvSink(run, state)
        case SinkName.TENSORBOARD:
            from traind.sinks.tensorboard_sink import TensorBoardSink

            return TensorBoardSink(run, state)
        case SinkName.WANDB:
            from traind.sinks.wandb_sink import WandbSink

            settings = config.parse(run.config_toml.read_bytes(), str(run.config_toml))
            return WandbSink(
                run,
                state,
                mode="online" if settings.log.wandb == "online" else "offline",
                project=settings.log.wandb_project,
                config=msgspec.to_builtins(settings),
            )


if __name__ == "__main__":
    sys.exit(main())
