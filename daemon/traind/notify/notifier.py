"""The supervisor's side of messages: events in, messages handed to the courier, failures written down. Never waits,
but at the end, and then for a bounded time.
"""

import time
from collections.abc import Callable, Sequence

from rundir import process
from rundir.alerts import AlertChange
from rundir.layout import RunDir
from rundir.records import EventRecord
from traind.config_notify import Notify
from traind.eventlog import EventLog
from traind.notify.courier import Courier
from traind.notify.gate import Gate, QuietHours
from traind.notify.herald import Herald
from traind.notify.notice import Notice

DRAIN_S = 20.0
"""What messages are given to go out when their run has ended."""
HURRIED_S = 3.0
"""The same where the supervisor was told to leave."""
STALE_S = 600.0
"""A best evaluation found later than this (by a supervisor that reads an old log) is no news."""


class Notifier:
    """Owns herald, gate and courier of one run; does nothing where a configuration names nobody to tell."""

    def __init__(self, run: RunDir, notify: Notify) -> None:
        self._is_on = notify.is_on
        self._herald = Herald(notify, run=run.id, directory=str(run.path.resolve()), host=process.host())
        self._gate = Gate(notify.max_per_hour, None if notify.quiet_hours is None else QuietHours(notify.quiet_hours))
        self._courier = Courier(notify)
        self._has_urls, self._has_command = notify.has_urls, bool(notify.command)
        self._num_lost = 0

    def learn(self, events: Sequence[EventRecord]) -> None:
        """What was told of before this supervisor: events that are no news."""
        for event in events:
            self._herald.hear(event)

    def hear(self, events: Sequence[EventRecord]) -> None:
        """New events."""
        if self._is_on:
            for event in events:
                self._offer(self._herald.hear(event))

    def hear_best(self, change: AlertChange) -> None:
        """A new best evaluation."""
        if self._is_on and time.time() - change.at < STALE_S:
            self._offer(self._herald.of_best(change))

    def look(self, events: EventLog, step: int) -> None:
        """Let out what may go out now; write down what has failed."""
        if not self._is_on:
            return
        for notice in self._gate.take(time.time()):
            self._hand_over(notice, is_command=False)
        if self._num_lost:
            text = f"{self._num_lost} lost: too many were on their way"
            events.lifecycle("notify_failed", text, step=step, detail={"num_lost": self._num_lost})
            self._num_lost = 0
        for word in self._courier.words():
            detail = {"message": word.notice.title, "num_tries": word.num_tries, "is_over": word.is_over}
            what = "notify_sent" if word.was_sent else "notify_failed"
            events.lifecycle(what, f"{word.notice.title}: {word.text}", step=step, detail=detail)

    def finish(self, events: EventLog, step: int, beat: Callable[[], None], is_hurried: Callable[[], bool]) -> None:
        """Let out the last messages, for a bounded time; `beat` meanwhile."""
        self.look(events, step)
        self._courier.last_call()
        began = time.monotonic()
        while self._courier.num_open:
            if time.monotonic() - began > (HURRIED_S if is_hurried() else DRAIN_S):
                break
            beat()
            time.sleep(0.02)
        self.look(events, step)
        if left := self._courier.num_open:
            events.lifecycle("notify_failed", f"{left} not sent within the time there was", step=step)
        self._courier.quit()

    def _offer(self, notice: Notice | None) -> None:
        if notice is None:
            return
        if self._has_command:
            self._hand_over(notice, is_command=True)
        if self._has_urls:
            self._gate.offer(notice)

    def _hand_over(self, notice: Notice, *, is_command: bool) -> None:
        self._num_lost += not self._courier.take(notice, is_command=is_command)
