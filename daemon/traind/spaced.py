"""Trying again, at growing intervals."""

import time
from collections.abc import Callable

LONGEST_S = 60.0


def spaced(
    attempt: Callable[[], bool], first_s: float, clock: Callable[[], float] = time.monotonic
) -> Callable[[], bool]:
    """A form of `attempt` that may be called at any rate: False at once while the next try is not due.

    The first call tries; the second try comes `first_s` later, each further one after twice the time, a minute at most.
    """
    due_at, wait_s = clock(), first_s

    def ask() -> bool:
        nonlocal due_at, wait_s
        if clock() < due_at:
            return False
        if attempt():
            return True
        due_at, wait_s = clock() + wait_s, min(2 * wait_s, LONGEST_S)
        return False

    return ask
