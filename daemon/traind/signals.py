"""Signals that tell the supervisor to leave: noted where they interrupt it, heeded on its next tick."""

import signal

LEAVE_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
"""SIGUSR1 is Slurm's warning that a job's time is nearly over."""


class Signals:
    """Owns the count of those that came, and how many of them were heeded."""

    def __init__(self) -> None:
        self.num_noted = 0
        self._num_heeded = 0
        self.name = ""
        """Of the last one, e.g. SIGTERM."""

    def listen(self) -> None:
        """From here on. SIGHUP, a lost terminal, means nothing."""
        for signum in LEAVE_SIGNALS:
            signal.signal(signum, self._note)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        # Asks a trainer for its stacks. Inherited as ignored, it ends none that does not listen yet.
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)

    def _note(self, signum: int, frame: object) -> None:  # noqa: ARG002
        self.num_noted += 1
        self.name = signal.Signals(signum).name

    def heed(self) -> tuple[bool, bool]:
        """Whether any came since the last call, and whether it is the first and only one so far."""
        if self.num_noted == self._num_heeded:
            return False, False
        is_first, self._num_heeded = self._num_heeded == 0 and self.num_noted == 1, self.num_noted
        return True, is_first
