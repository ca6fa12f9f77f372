"""Watch over a trainer that lives: whether it moves on, and whether it leaves when it is told to.

A stall is told with the stack of every thread, and its end when it moves on.
"""

import logging
import math
import time
from collections.abc import Sequence
from typing import Any

from rundir.layout import RunDir
from rundir.records import AlertEvent, EventRecord, Severity
from rundir.size import size_of
from rundir.status import Status
from traind.config import Policy
from traind.crash_report import MAX_TRACEBACK, read_console
from traind.eventlog import EventLog
from traind.stall import Recovered, Stalled, StallWatch
from traind.trainer_process import TrainerProcess

STACKS_S = 1.0
"""What the trainer is given to write its stacks; one that is stopped writes them when it goes on."""
RULE = "stall"
_OLD_RULE = "stalled"
"""What it was called in logs of earlier versions."""

log = logging.getLogger(__name__)


class Vigil:
    """Owns the stall watch of one trainer, whether its alert is open, and the time by which it must have left."""

    def __init__(self, run: RunDir, settings: Policy, trainer: TrainerProcess) -> None:
        self._run = run
        self._restarts = settings.on_stall == "restart"
        self._grace_s = settings.grace_s
        self._leave_by: float | None = None
        self._trainer = trainer
        self._watch = StallWatch(settings.stall_s)
        self._untold: tuple[Stalled, int, float] | None = None
        """A stall, where the console ended at it, and when to tell of it."""
        self._is_open = False

    def await_leaving(self) -> None:
        """It was told to leave: it is ended unless it does within `grace_s` of the first time."""
        if self._leave_by is None:
            self._leave_by = time.monotonic() + self._grace_s

    def look(self, status: Status, events: EventLog) -> None:
        """Call it at every tick. Ends the trainer where its grace is over, or the policy on stalls says so."""
        now = time.monotonic()
        if self._leave_by is not None and now >= self._leave_by:
            log.warning("the trainer did not leave within %.0f s; ending it", self._grace_s)
            self._trainer.kill(f"did not leave within {self._grace_s:.0f} s")
            self._leave_by = math.inf
        safe_points = 0 if status.trainer is None else status.trainer.safe_points
        match self._watch.look(status.phase, safe_points, status.step, now):
            case Stalled() as stalled:
                self._untold = (stalled, size_of(self._run.console), now + STACKS_S)
                self._trainer.dump_stacks()
            case Recovered() as recovered:
                self._tell_untold(status, events)
                self._tell_recovered(recovered, status, events)
            case None:
                pass
        if self._untold is not None and now >= self._untold[2]:
            stalled = self._untold[0]
            self._tell_untold(status, events)
            if self._restarts:
                self._trainer.kill(
                    f"no progress in {stalled.phase} for {stalled.silent_s:.0f} s: ended, to start again"
                )

    def close(self, status: Status, events: EventLog) -> None:
        """The trainer has ended."""
        self._tell_untold(status, events)
        if self._is_open:
            events.write(_alert("cleared", "the trainer has ended", status.step, Severity.CRITICAL))
            self._is_open = False

    def _tell_untold(self, status: Status, events: EventLog) -> None:
        if self._untold is None:
            return
        stalled, console_end, _ = self._untold
        self._untold = None
        text = (
            f"no progress in {stalled.phase} for {stalled.silent_s:.0f} s, where {stalled.allowed_s:.0f} s are allowed"
        )
        detail: dict[str, Any] = {
            "phase": str(stalled.phase),
            "silent_s": stalled.silent_s,
            "allowed_s": stalled.allowed_s,
        }
        if stacks := read_console(self._run.console, console_end).strip():
            detail["stacks"] = stacks[:MAX_TRACEBACK]
        events.lifecycle("stalled", text, step=status.step, detail=detail)
        advice = "look at the stacks in the event, or in console.log; `traind kill` and `traind resume` start again"
        events.write(_alert("raised", text, status.step, Severity.CRITICAL, detail, advice))
        self._is_open = True

    def _tell_recovered(self, recovered: Recovered, status: Status, events: EventLog) -> None:
        text = f"progress again after {recovered.silent_s:.0f} s"
        events.lifecycle("stall_over", text, step=status.step, detail={"silent_s": recovered.silent_s})
        events.write(_alert("cleared", text, status.step, Severity.CRITICAL))
        self._is_open = False


def clear_left_open(history: Sequence[EventRecord], events: EventLog, step: int) -> None:
    """Close the alert of an earlier supervisor's trainer, which is gone."""
    told = [event for event in history if isinstance(event, AlertEvent) and event.rule in (RULE, _OLD_RULE)]
    if told and told[-1].change != "cleared":
        over = _alert("cleared", "the trainer has ended", step, told[-1].severity)
        over.rule = told[-1].rule
        events.write(over)


def _alert(
    change: Any, text: str, step: int, severity: Severity, detail: dict[str, Any] | None = None, advice: str = ""
) -> AlertEvent:
    evidence = {key: value for key, value in (detail or {}).items() if key != "stacks"}
    return AlertEvent(
        at=0,
        attempt=0,
        writer="supervisor",
        step=step,
        rule=RULE,
        change=change,
        severity=severity,
        message=text,
        onset_step=step,
        evidence=evidence or None,
        advice=advice,
    )
