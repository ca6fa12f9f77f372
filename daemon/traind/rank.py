"""Entry of one of several trainer processes: makes itself known and leashed, and then is a trainer.

Light on purpose: the supervisor knows the process before torch is loaded, which takes seconds.
"""

import os
import signal
import sys

from rundir.process import this_process
from traind import handover
from traind.leash import Leash, signal_at_death_of_parent
from traind.process_end import leave_now
from traind.wire import Here, tell


def main() -> int:
    """Entry of `python -m traind.rank RUN …`; its place is in the environment, the rest is the trainer's."""
    order_fd, report_fd, lock_fd = handover.receive(3)
    signal_at_death_of_parent(signal.SIGTERM)
    rank = int(os.environ["RANK"])
    tell(report_fd, Here(rank=rank, process=this_process()), patience_s=5.0)
    # Gone before the kernel was asked to tell.
    if os.getppid() != int(os.environ["TRAIND_AGENT"]) or Leash(order_fd).ended:
        return 1
    place = ["--rank", str(rank), "--num-ranks", os.environ["WORLD_SIZE"], "--local-rank", os.environ["LOCAL_RANK"]]
    fds = ["--order-fd", str(order_fd), "--report-fd", str(report_fd), "--lock-fd", str(lock_fd)]
    sys.argv = [*sys.argv, *place, *fds]
    from traind import trainer

    return trainer.main()


if __name__ == "__main__":
    leave_now(main())
