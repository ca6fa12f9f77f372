"""How a child process ended, without taking it off the process table: its number, and that of its group, stay its own.

A number that was given back may be another process's by the time a signal is sent to it.
"""

import os
import signal


def exit_status(pid: int) -> int | None:
    """Of a child that is not waited for yet: its exit status, negative for a signal; None while it lives.

    Raises ChildProcessError for one that was waited for, or is no child.
    """
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def signal_name(number: int) -> str:
    """`SIGKILL`; `signal 40` for one without a name of its own, as most real-time signals are."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
