"""When a message may go out: quiet hours and a limit an hour. Plain values in and out; the caller has the clock."""

import time
from collections import deque

from rundir.records import Severity
from traind.notify.notice import Notice, joined

HOUR_S = 3600.0
MOST_WAITING = 50
"""Messages that wait; of more the oldest that are not critical go first."""


class QuietHours:
    """A span of every day in local time, over midnight where its end is not after its begin."""

    def __init__(self, text: str) -> None:
        """`text` is HH:MM-HH:MM."""
        begin, end = text.split("-")
        self._begin, self._end = _minutes(begin), _minutes(end)

    def has(self, at: float) -> bool:
        """Whether UTC seconds `at` fall into them."""
        local = time.localtime(at)
        now = local.tm_hour * 60 + local.tm_min
        if self._begin < self._end:
            return self._begin <= now < self._end
        return now >= self._begin or now < self._end


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


class Gate:
    """Owns the messages that wait, and when the last ones went out."""

    def __init__(self, max_per_hour: int, quiet: QuietHours | None) -> None:
        self._max_per_hour, self._quiet = max_per_hour, quiet
        self._waiting: list[Notice] = []
        self._has_held = False
        """Whether any of those was held back at an earlier call."""
        self._sent: deque[float] = deque(maxlen=max_per_hour)

    def offer(self, notice: Notice) -> None:
        """A message that wants to go out."""
        self._waiting.append(notice)
        if len(self._waiting) > MOST_WAITING:
            plain = (index for index, each in enumerate(self._waiting) if each.severity is not Severity.CRITICAL)
            del self._waiting[next(plain, 0)]

    def take(self, now_at: float) -> list[Notice]:
        """Those that may go out now, at UTC seconds `now_at`: once held back, what was held comes as one.

        The end of the run opens it: there is no later.
        """
        if not self._waiting:
            return []
        if any(notice.is_last for notice in self._waiting):
            return self._sent_at(now_at, self._release())
        room = self._room(now_at)
        if not room:
            self._has_held = True
            return []
        if self._quiet is None or not self._quiet.has(now_at):
            self._has_held = self._has_held or len(self._waiting) > room
            return self._sent_at(now_at, self._release())
        urgent = [notice for notice in self._waiting if notice.severity is Severity.CRITICAL]
        self._waiting = [notice for notice in self._waiting if notice.severity is not Severity.CRITICAL]
        self._has_held = self._has_held or bool(self._waiting)
        return self._sent_at(now_at, urgent)

    def _release(self) -> list[Notice]:
        waiting, self._waiting = self._waiting, []
        was_held, self._has_held = self._has_held, False
        return [joined(waiting, "that waited")] if was_held else waiting

    def _room(self, now_at: float) -> int:
        return self._max_per_hour - sum(0.0 <= now_at - sent_at < HOUR_S for sent_at in self._sent)

    def _sent_at(self, now_at: float, notices: list[Notice]) -> list[Notice]:
        self._sent.extend([now_at] * len(notices))
        return notices
