"""What a crash of the trainer comes to: its cause is written where people look, and the policy says what follows."""

import re
import time
from typing import Any

from rundir.layout import RunDir
from rundir.status import Status
from traind import policy
from traind.config import Policy
from traind.crash_report import CrashReport, read_console, report_of
from traind.eventlog import EventLog
from traind.status_file import write_or_log
from traind.trainer_process import Ending

_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


class Crashes:
    """Owns the crashes that this supervisor has seen."""

    def __init__(self, run: RunDir, settings: Policy) -> None:
        self._run = run
        self._settings = settings
        self._seen: list[policy.Crash] = []

    def tell(self, ending: Ending, status: Status, events: EventLog) -> str:
        """Write the event of a crash, and a line into the console; returns the cause with the place of it."""
        report = report_of(read_console(self._run.console, ending.console_begin))
        cause = _with_place(ending.cause, report.place)
        events.lifecycle("crashed", cause, step=status.step, detail=_detail(ending, report))
        if ending.is_oom_kill:
            status.oom_kills += 1
        line = f"traind: attempt {status.attempt} ended at step {status.step}: {cause.splitlines()[0]}\n"
        write_or_log("console.log", lambda: self._say(line))
        return cause

    def _say(self, line: str) -> None:
        with open(self._run.console, "ab", buffering=0) as console:
            console.write(line.encode())

    def judge(self, ending: Ending, cause: str, step: int | None) -> policy.Verdict:
        """Whether and when to start again. `step`: None when it had not begun."""
        is_exception = ending.farewell is not None and not ending.is_oom_kill
        # The same object lies elsewhere the next time.
        name = _ADDRESS.sub("0x…", cause)
        self._seen.append(policy.Crash(time.monotonic(), step, name, is_exception=is_exception))
        return policy.after_crash(self._seen, self._settings.max_restarts, self._settings.restart_window_s)


def _with_place(cause: str, place: str) -> str:
    """The place goes into the first line, which is all that a list shows."""
    first, newline, rest = cause.partition("\n")
    return f"{first} (at {place}){newline}{rest}" if place else cause


def _detail(ending: Ending, report: CrashReport) -> dict[str, Any]:
    return {
        key: value
        for key, value in {
            "exit_status": ending.exit_status,
            "signal": ending.signal,
            "oom_kill": ending.is_oom_kill or None,
            "place": report.place,
            "traceback": report.traceback,
            "console": report.console,
        }.items()
        if value not in (None, "")
    }
