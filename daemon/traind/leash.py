"""What ties a trainer to whoever started it: no orphan holds the GPU for ever, whatever it hangs in. Torch-free."""

import ctypes
import os
import select
import signal
import threading
import time

from rundir.control import Order

_PR_SET_PDEATHSIG = 1


class Leash:
    """The reading end of the order pipe in a process that hears no orders: only whether the supervisor lives.

    Looks like `wire.Pipe` to whoever waits for orders.
    """

    def __init__(self, fd: int) -> None:
        self._poll = select.poll()
        self._poll.register(fd, 0)  # no event but hang-up, which is always reported

    @property
    def ended(self) -> bool:
        """Whether nobody holds the writing end: the supervisor is gone."""
        return bool(self._poll.poll(0))

    def orders(self) -> list[Order]:
        return []

    def wait(self, timeout_s: float) -> None:
        """Returns at once: who hears the orders sets the pace."""


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


def signal_at_death_of_parent(signum: signal.Signals) -> None:
    """Have the kernel send a signal when the process that started this one is gone. Linux only; elsewhere nothing."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_PDEATHSIG, signum)
