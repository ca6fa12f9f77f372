"""What the supervisor does every so often, whatever the trainer does: read the records, have people told, look after
the sinks, sample the machine, keep the memory of the alert rules.
"""

import os
import time
from collections.abc import Callable

from rundir.alerts import MARKS, Engine
from rundir.alerts.mark import NewBestRule
from rundir.append import Appender
from rundir.layout import RunDir
from rundir.records import EventRecord, encode
from rundir.size import size_of
from rundir.status import Status
from traind.config import Config
from traind.eventlog import EventLog
from traind.machine import Machine
from traind.notify.notifier import Notifier
from traind.sink_process import Failure, Sinks
from traind.sinks.catalog import wanted
from traind.status_file import write_or_log
from traind.watch import RecordWatch, newest_checkpoint

WATCH_S = 0.25
KEEP_S = 5.0


class Rounds:
    """Owns the tails on the records with their alert rules, the messages, the sinks, system.jsonl; and when each is
    due.
    """

    def __init__(self, run: RunDir, config: Config, status: Status) -> None:
        self._status = status
        self._system_every_s = config.log.system_every_s
        self._system = Appender(run.system, sole_writer=True)
        self._machine = Machine(run.path)
        self._console = run.console
        # Stalls are the vigil's: it knows the trainer's phase, which records do not tell.
        switches = {**config.alerts.switches(), "stall": False}
        self._watch = RecordWatch(run, Engine(switches, thresholds=config.alerts.limits))
        self._sinks = Sinks(run, wanted(config.log))
        self._notifier = Notifier(run, config.notify)
        self._has_read = False
        self._due = {"watch": 0.0, "keep": 0.0, "system": 0.0}

    def read_events(self) -> list[EventRecord]:
        """What was written to events.jsonl since the last call; at the first call, everything."""
        events = self._watch.events()
        self._status.checkpoint = newest_checkpoint(events) or self._status.checkpoint
        (self._notifier.hear if self._has_read else self._notifier.learn)(events)
        self._has_read = True
        return events

    def read_metrics(self, events: EventLog) -> None:
        """Let the alert rules see what is new and what the time is, and write what they say. Call `read_events` first.

        Marks are not written: what they tell of stands in the logs.
        """
        changes = self._watch.alert_changes(time.time())
        for change in changes:
            if change.rule not in MARKS:
                events.write(change.as_event(at=0, attempt=0))
            elif change.rule == NewBestRule.name:
                self._notifier.hear_best(change)
        if changes:
            self.keep_alerts()

    def tell(self, events: EventLog) -> None:
        """Let messages go out; never waits for one."""
        self._notifier.look(events, self._status.step)

    def tell_the_last(self, events: EventLog, beat: Callable[[], None], is_hurried: Callable[[], bool]) -> None:
        """What has been said since, its messages included; waits for them for a bounded time, with `beat` meanwhile."""
        self.read_events()
        self._notifier.finish(events, self._status.step, beat, is_hurried)

    def start_sinks(self) -> None:
        self._sinks.start()

    def look_at_sinks(self, events: EventLog) -> None:
        self._note(self._sinks.look(), events)

    def finish_sinks(self, events: EventLog, beat: Callable[[], None], is_hurried: Callable[[], bool]) -> None:
        """Let them take in the last records, for a bounded time; `beat` meanwhile."""
        self._note(self._sinks.finish(beat, is_hurried), events)

    def _note(self, failures: list[Failure], events: EventLog) -> None:
        for failure in failures:
            detail = {"sink": str(failure.name), "reason": failure.reason}
            events.lifecycle("sink_failed", f"{failure.name}: {failure.reason}", step=self._status.step, detail=detail)

    def is_watch_due(self, now: float) -> bool:
        return self._is_due("watch", WATCH_S, now)

    def write_what_is_due(self, now: float, trainer_pids: list[int]) -> None:
        """A sample of the machine, the memory of the alert rules."""
        if self._is_due("system", self._system_every_s, now):
            self._sample([os.getpid(), *trainer_pids])
        if self._is_due("keep", KEEP_S, now):
            self.keep_alerts()

    def keep_alerts(self) -> None:
        write_or_log("alerts.json", self._watch.keep)

    def _sample(self, pids: list[int]) -> None:
        record = self._machine.sample(pids)
        record.console_bytes = size_of(self._console)
        record.at, record.attempt = time.time(), self._status.attempt
        self._system.append(encode(record))

    def _is_due(self, what: str, every_s: float, now: float) -> bool:
        if now < self._due[what]:
            return False
        self._due[what] = now + every_s
        return True
