"""The supervisor's handle on several trainer processes that train one model: started and ended together.

The group has ended when its agent has, and nobody holds the writing end of the report pipe any more: no process that
was started for it is left, known by its pid or not.
"""

import logging
import math
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import BinaryIO

from rundir import process
from rundir.layout import RunDir
from rundir.process import ProcessId
from traind import handover, rank_launch
from traind.config import Config
from traind.exit_status import signal_name
from traind.lock import end, end_orphans
from traind.trainer_process import TOLD_TO_LEAVE, Ending, TrainerProcess, trainer_environment
from traind.wire import Farewell, Here, Leave, RankEnd

LINGER_S = 10.0
"""What the agents of several hosts are given to take leave of each other."""
_FAULTS = (Leave.LOST, Leave.CRASHED, Leave.MISTAKE, Leave.ORPHANED)

log = logging.getLogger(__name__)


class RankedTrainer(TrainerProcess):
    """Owns the agent of torch.distributed.run; knows the ranks by their own first word."""

    def __init__(
        self,
        run: RunDir,
        config: Config,
        num_ranks: int,
        *,
        attempt: int,
        reason: str,
        paused: bool,
        lock_fd: int,
        oom_kills: int,
        node_rank: int = 0,
    ) -> None:
        several = config.distributed
        self._node = rank_launch.Node(node_rank, several.nnodes, several.rdzv_endpoint, f"{run.id}-{attempt}")
        self._num_ranks = num_ranks
        self._threads, self._grace_s = config.train.threads, config.policy.grace_s
        self.ranks: dict[int, ProcessId] = {}
        self._farewells: dict[int, Farewell] = {}
        self._first_end: RankEnd | None = None
        self._was_killed = False
        self._all_left_at: float | None = None
        self._gone_by: float | None = None
        """When ranks that outlive their agent are ended; None while it lives."""
        super().__init__(
            run,
            attempt=attempt,
            reason=reason,
            paused=paused,
            lock_fd=lock_fd,
            grace_s=self._grace_s,
            oom_kills=oom_kills,
        )

    def _start(self, argv: list[str], fds: tuple[int, int, int], console: BinaryIO) -> "subprocess.Popen[bytes]":
        report_write = fds[1]
        with handover.queue(fds, self._num_ranks) as waiting:
            return subprocess.Popen(
                rank_launch.command(
                    argv, node=self._node, num_ranks=self._num_ranks, report_fd=report_write, grace_s=self._grace_s
                ),
                stdin=waiting.fileno(),
                stdout=console,
                stderr=console,
                pass_fds=(report_write,),
                start_new_session=True,
                env=rank_launch.environment(
                    trainer_environment(), self._threads, self._num_ranks, stays_here=self._stays_here()
                ),
            )

    def _stays_here(self) -> bool:
        return self._node.num_nodes == 1 or self._node.endpoint.startswith(("127.", "localhost:"))

    @property
    def pids(self) -> list[int]:
        return [self.id.pid, *(rank.pid for rank in self.ranks.values())]

    def _hear(self) -> None:
        num_before = len(self._heard)
        super()._hear()
        for report in self._heard[num_before:]:
            match report:
                case Here():
                    self.ranks[report.rank] = report.process
                    if self._was_killed:
                        end(report.process)
                case Farewell():
                    self._farewells[report.rank] = report
                case RankEnd():
                    self._first_end = report
                case _:
                    pass

    def terminate(self) -> None:
        """Ask the leader to checkpoint, and all to leave; without one yet, there is nothing to checkpoint."""
        leader = self.ranks.get(0)
        if leader is None or not _tell(leader, signal.SIGTERM):
            super().terminate()

    def dump_stacks(self) -> None:
        """Of every rank; the agent has nothing to tell."""
        for rank in self.ranks.values():
            _tell(rank, signal.SIGUSR2)

    def kill(self, why: str = "") -> None:
        """End agent and ranks, each with what it started. A rank that is not known yet is, once it says so."""
        self._was_killed, self._killed_for = True, why or self._killed_for
        if self._process.returncode is None:  # later its number may be another's
            super().kill(why)
        for rank in self.ranks.values():
            end(rank)
            end_orphans(rank)

    def ended(self) -> Ending | None:
        code = self._process.poll()
        if code is None:
            self._hurry_agent()
            return None
        if self._gone_by is None:
            self._gone_by = time.monotonic() + self._grace_s
            os.close(self._order_fd)  # end of file: whoever is left checkpoints and leaves
            self._order_fd = os.open(os.devnull, os.O_WRONLY)
        self._hear()
        if not self._reports.ended:
            if time.monotonic() >= self._gone_by:
                log.warning("ranks are left %.0f s after their agent; ending them", self._grace_s)
                self.kill()
                self._gone_by = math.inf
            return None
        ending = ending_of(self._farewells, self._first_end, code)
        if ending.signal in [each.name for each in TOLD_TO_LEAVE]:  # before it could listen
            ending = replace(ending, told_by=ending.signal)
        elif ending.leave is Leave.SIGNALLED or self._killed_for:
            ending = replace(ending, told_by=self._told_by)
        # Else it was the agent that has told the others to leave, as one had ended.
        is_oom_kill = ending.signal == "SIGKILL" and not self._was_killed and self._oom_kills.has_one_come()
        cause = f"{ending.cause}: out of memory" if is_oom_kill else ending.cause
        cause = self._killed_for if self._killed_for and ending.farewell is None else cause
        return replace(ending, cause=cause, pid=self.id.pid, is_oom_kill=is_oom_kill, console_begin=self._console_begin)

    def _hurry_agent(self) -> None:
        """An agent whose ranks have all left waits for those of other hosts, five minutes long if one is lost."""
        if len(self._farewells) < self._num_ranks:
            return
        now = time.monotonic()
        self._all_left_at = self._all_left_at or now
        if now - self._all_left_at > LINGER_S:
            self._process.kill()


def _tell(rank: ProcessId, signum: signal.Signals) -> bool:
    """Send a signal to a rank; False where it has ended. Its parent is the agent, which may reap it at any moment."""
    if not process.is_alive(rank):
        return False
    try:
        os.kill(rank.pid, signum)
    except ProcessLookupError:
        return False
    return True


def ending_of(farewells: Mapping[int, Farewell], first_end: RankEnd | None, agent_code: int) -> Ending:
    """What the last words of ranks and agent come to. Pure."""
    leader = farewells.get(0)
    # Whose agent has died is signalled by the kernel.
    was_orphaned = agent_code < 0 and leader is not None and leader.reason is Leave.SIGNALLED
    if leader is not None and leader.reason not in _FAULTS and not was_orphaned:
        return Ending(leader, leader.error or str(leader.reason))
    for reason in (Leave.MISTAKE, Leave.CRASHED):
        for rank, farewell in sorted(farewells.items()):
            if farewell.reason is reason:
                cause = farewell.error or str(reason)
                return Ending(farewell, cause if rank == 0 else f"rank {rank}: {cause}")
    if agent_code < 0:
        return _died("the agent of the ranks", agent_code)
    if leader is not None and leader.reason is Leave.ORPHANED:
        return Ending(None, "a host that had joined has gone")
    if first_end is not None:
        return _died(f"rank {first_end.rank} (process {first_end.pid})", first_end.exit_code)
    return _died("the agent of the ranks", agent_code)


def _died(who: str, code: int) -> Ending:
    name = signal_name(-code) if code < 0 else None
    how = f"exit status {code}" if name is None else f"killed by {name}"
    return Ending(None, f"{who}: {how}", exit_status=code if name is None else None, signal=name)


def start_trainer(
    run: RunDir, config: Config, *, attempt: int, reason: str, paused: bool, lock_fd: int, oom_kills: int
) -> TrainerProcess:
    """One process or several, as configured."""
    num_ranks = rank_launch.num_ranks(config)
    if num_ranks > 1 or config.distributed.nnodes > 1:
        return RankedTrainer(
            run,
            config,
            num_ranks,
            attempt=attempt,
            reason=reason,
            paused=paused,
            lock_fd=lock_fd,
            oom_kills=oom_kills,
        )
    return TrainerProcess(
        run,
        attempt=attempt,
        reason=reason,
        paused=paused,
        lock_fd=lock_fd,
        grace_s=config.policy.grace_s,
        oom_kills=oom_kills,
    )
