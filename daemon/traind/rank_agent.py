"""Entry of the agent that starts the ranks: torch.distributed.run, with the signals a run wants and a word at the end.

Owns the ranks' processes and nothing else: no orders, no records, no restarts.
"""

import os
import signal
import sys

from traind.leash import signal_at_death_of_parent
from traind.process_end import leave_now
from traind.wire import RankEnd, tell


def main() -> int:
    """Entry of `python -m traind.rank_agent SUPERVISOR REPORT_FD GRACE_S …`; the rest is torch.distributed.run's."""
    supervisor, report_fd, grace_s, rest = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]
    signal_at_death_of_parent(signal.SIGTERM)  # before torch is loaded: that takes seconds
    if os.getppid() != supervisor:
        return 1
    for signum in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):  # meant for the ranks, which set their own handlers
        signal.signal(signum, signal.SIG_IGN)
    os.environ["TRAIND_AGENT"] = str(os.getpid())
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    args = torchrun.parse_args(rest)  # type: ignore[no-untyped-call]
    args.signals_to_handle = "SIGTERM,SIGINT"
    args.shutdown_timeout = max(1, int(grace_s))
    try:
        torchrun.run(args)  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        # A rank that was killed takes others along, which then end by themselves and may be seen first.
        killed = [(r, f) for r, f in error.failures.items() if f.exitcode < 0 and f.exitcode != -signal.SIGTERM]
        rank, failure = killed[0] if killed else error.get_first_failure()
        tell(report_fd, RankEnd(rank=rank, pid=failure.pid, exit_code=failure.exitcode), patience_s=5.0)
        return 1
    return 0


if __name__ == "__main__":
    leave_now(main())
