"""Entries of the table of runs, made up."""

from pathlib import Path
from typing import Any

from rundir.layout import RunDir
from rundir.records import AlertEvent, Severity
from rundir.remarks import Remarks
from rundir.status import Liveness, RunInfo, State, Status
from trainwatch.listing.entry import Entry
from trainwatch.listing.glance import Figures

NOW = 1_760_100_000.0


def entry(name: str, state: State | None = State.DONE, verdict: Liveness | None = None, **fields: Any) -> Entry:
    """A run of 100 of 200 steps, made an hour ago; `remarks`, `figures`, `config` and the like as given."""
    info = RunInfo(id=name, name=name.partition("-")[2] or name, task="token-classification", created_at=NOW - 3600)
    status = Status(run=name, state=state, attempt=1, step=100, total_steps=200, host="gpu1") if state else None
    if verdict is None:
        verdict = Liveness.UNKNOWN if state is None else Liveness.ENDED if state.has_ended else Liveness.LIVE
    fields = {"info": info, "status": status, "verdict": verdict, "figures": Figures(step=100, loss=0.5), **fields}
    return Entry(RunDir(Path("runs") / name), **fields)


def tagged(*tags: str, note: str = "", archived: bool = False) -> Remarks:
    return Remarks(tags=list(tags), note=note, archived=archived)


def alert(rule: str, severity: Severity = Severity.WARNING) -> AlertEvent:
    return AlertEvent(
        at=NOW,
        attempt=1,
        writer="supervisor",
        rule=rule,
        change="raised",
        severity=severity,
        message="of a test",
        step=5,
    )
