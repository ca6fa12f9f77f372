"""`traind join`: a host's part in a run that another host has started. It holds this host's ranks, attempt by attempt.

Hears no orders and writes nothing into the run: that is the supervisor's, on the first host. What is to be done it
reads from status.json, so that the hosts need the run's directory in common, and nothing else.
"""

import os
import select
import sys
import time
from pathlib import Path
from typing import BinaryIO

from rundir import layout
from rundir.layout import RunDir
from rundir.status import Intent, Status, read_status, umask_private
from traind import config, exit_code, launch, rank_launch
from traind.config import Config, ConfigError
from traind.ranked_trainer import RankedTrainer
from traind.signals import Signals

LOOK_S = 0.2


class JoinedRanks(RankedTrainer):
    """This host's ranks; they print to the terminal, as a console over a network has one writer."""

    def _open_console(self, run: RunDir) -> BinaryIO:  # noqa: ARG002
        return open(os.dup(2), "wb")


def join(reference: str, runs_dir: Path, node_rank: int) -> int:
    """Until the run has ended, or a signal says so. Returns the exit code. Raises RunNotFoundError, ConfigError."""
    umask_private()
    launch.require_trainer()
    run = layout.resolve(reference, runs_dir)
    settings = config.parse(run.config_toml.read_bytes(), str(run.config_toml))
    nnodes = settings.distributed.nnodes
    if not 0 < node_rank < nnodes:
        cure = "there is nothing to join" if nnodes == 1 else f"give 1 to {nnodes - 1}"
        raise ConfigError(f"--node-rank {node_rank}: {run.id} has distributed.nnodes = {nnodes}; {cure}")
    signals = Signals()
    signals.listen()
    last_attempt = 0
    while not signals.num_noted:
        status = read_status(run.status_json)
        if status is None or status.state.has_ended:
            print(f"{run.id}: {'gone' if status is None else status.state}", file=sys.stderr)
            return exit_code.OK
        if status.attempt > last_attempt and status.trainer is not None:
            last_attempt = status.attempt
            _take_part(run, settings, status, node_rank, signals)
        time.sleep(LOOK_S)
    return exit_code.INTERRUPTED


def _take_part(run: RunDir, settings: Config, status: Status, node_rank: int, signals: Signals) -> None:
    """One attempt: until its ranks here have ended, which they do with all others."""
    print(f"{run.id}: taking part in attempt {status.attempt}", file=sys.stderr)
    no_lock = os.open(os.devnull, os.O_RDONLY)
    ranks = JoinedRanks(
        run,
        settings,
        rank_launch.num_ranks(settings),
        attempt=status.attempt,
        reason="join",
        paused=status.intent is Intent.PAUSED,
        lock_fd=no_lock,
        oom_kills=status.oom_kills,
        node_rank=node_rank,
    )
    os.close(no_lock)
    leave_by: float | None = None
    while (ending := ranks.ended()) is None:
        ranks.reports()
        is_first = signals.heed()[1]
        if is_first:
            ranks.terminate()
        if leave_by is None and (signals.num_noted or _is_over(run, status.attempt)):
            leave_by = time.monotonic() + settings.policy.grace_s
        if leave_by is not None and (time.monotonic() > leave_by or signals.num_noted > 1):
            ranks.kill()
        select.select([ranks.report_fd], [], [], LOOK_S)
    ranks.close()
    print(f"{run.id}: attempt {status.attempt} has ended here: {ending.cause}", file=sys.stderr)


def _is_over(run: RunDir, attempt: int) -> bool:
    """Whether the first host has gone on from an attempt, or lost it."""
    status = read_status(run.status_json)
    return status is None or status.attempt != attempt or status.trainer is None
