"""The trainer's end when its supervisor is gone and it cannot leave by itself: no orphan holds the GPU for ever."""

import os
import select
import signal
import threading
import time


def hold(order_fd: int, grace_s: float) -> None:
    """From here on: `grace_s` after the supervisor's end of the order pipe is closed, this process and its group die.

    The loop notices at its next safe point, checkpoints and leaves; this is for one that waits for something that
    never comes, such as a batch. A thread: it needs no safe point, only the interpreter's lock.
    """
    threading.Thread(target=_await_end, args=(order_fd, grace_s), name="leash", daemon=True).start()


def _await_end(order_fd: int, grace_s: float) -> None:
    poll = select.poll()
    poll.register(order_fd, 0)  # no event but hang-up, which is always reported
    while not poll.poll():
        pass
    time.sleep(grace_s)
    # A process that was not made the leader of a group (a test's) must not take others with it.
    if os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
