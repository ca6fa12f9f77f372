"""`traind list`, `status`, `logs` and `wait`: what a person or a script wants to know without the dashboard."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from rundir import layout
from rundir.layout import RunDir
from rundir.status import Liveness, State, Status, known_status, liveness, read_status
from rundir.tail import Tail
from rundir.text import plain
from traind import exit_code
from traind.last_word import last_crash, last_word
from traind.launch import BY_SCRIPT, is_by_script, is_over, poll_until
from traind.standing import alert_cell, alert_words, alerts_of, best_of, best_words, standing_of, state_words


def _look(run: RunDir) -> tuple[Status | None, str]:
    """A run's status and the verdict on it; a status that is not ours is no status."""
    status = known_status(run.status_json)
    return status, "unknown" if status is None else str(liveness(status, time.time()))


def _plain(run: RunDir) -> dict[str, Any]:
    """One run as `--json` shows it: status.json and the verdict, the active alerts and the best score."""
    status, verdict = _look(run)
    fields = {} if status is None else msgspec.to_builtins(status)
    return {"id": run.id, "path": str(run.path), "liveness": verdict, **fields, **standing_of(run)}


def list_runs(runs_dir: Path, *, as_json: bool) -> int:
    """All runs under a directory, newest first."""
    runs = layout.find_runs(runs_dir)
    if as_json:
        print(json.dumps([_plain(run) for run in runs], indent=1))
        return 0
    if not runs:
        print(f"no runs in {runs_dir}/; start one with: traind start configs/ner.toml", file=sys.stderr)
        return 0
    rows = [_row(run) for run in runs]
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    for row in (_COLUMNS, *rows):
        cells = [
            cell.rjust(width) if i in _NUMERIC else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
    return 0


_COLUMNS = ("RUN", "STATE", "STEP", "EPOCH", "BEST", "ALERTS", "ERROR")
_NUMERIC = (2, 3)


def _row(run: RunDir) -> tuple[str, ...]:
    status, verdict = _look(run)
    best, alerts = best_words(best_of(run)), alert_cell(alerts_of(run))
    if status is None:
        return (run.id, f"? ({verdict})", "", "", best, alerts, "")
    epoch = "" if status.epoch is None else f"{status.epoch:.2f}"
    error = plain(next(iter((status.last_error or "").splitlines()), ""))
    return (run.id, state_words(status.state, Liveness(verdict)), _steps(status), epoch, best, alerts, error)


def _steps(status: Status) -> str:
    return f"{status.step:,}" + (f" / {status.total_steps:,}" if status.total_steps else "")


def show_status(reference: str, runs_dir: Path, *, as_json: bool) -> int:
    """One run. Raises RunNotFoundError."""
    run = layout.resolve(reference, runs_dir)
    if as_json:
        print(json.dumps(_plain(run), indent=1))
        return 0
    status, verdict = _look(run)
    best, alerts = best_of(run), alerts_of(run)
    print(f"{'run':12}{run.path}")
    if status is None:
        print(f"{'state':12}unknown: no readable status.json")
        return 0
    is_gone = verdict in (Liveness.DEAD, Liveness.REBOOTED, Liveness.UNATTENDED, Liveness.ENDED)
    rows = {
        "state": state_words(status.state, Liveness(verdict)),
        "intent": status.intent,
        "step": _steps(status),
        "epoch": None if status.epoch is None else f"{status.epoch:.2f} / {status.total_epochs or 0:.4g}",
        "phase": None if is_gone else status.phase,
        "best": None if best is None else f"{best_words(best)} at step {best.step:,}",
        "alerts": f"{len(alerts)}: {alert_words(alerts)}" if alerts else None,
        "attempt": status.attempt,
        "device": status.device,
        "host": status.host,
        "supervisor": None if is_gone or status.supervisor is None else f"process {status.supervisor.process.pid}",
        "trainer": None if is_gone or status.trainer is None else f"process {status.trainer.process.pid}",
        "checkpoint": status.checkpoint,
        "error": status.last_error,
        "last crash": last_crash(run),
        "report": last_word(run),
    }
    for name, value in rows.items():
        if value is not None:
            print(f"{name:12}{plain(str(value))}")
    if cure := _CURES.get(Liveness(verdict)):
        print(f"{'next':12}{BY_SCRIPT if is_by_script(run) else cure.format(run=run.id)}")
    return 0


_CURES = {
    Liveness.ORPHANED: "its trainer is leaving with a checkpoint; traind resume {run}   then goes on",
    Liveness.DEAD: "traind resume {run}   goes on from the newest checkpoint",
    Liveness.REBOOTED: "traind resume {run}   goes on from the newest checkpoint",
    Liveness.UNATTENDED: "traind resume {run}   goes on from the newest checkpoint",
}


def show_logs(reference: str, runs_dir: Path, *, follow: bool) -> int:
    """console.log as it is; with `follow` until the run ends. Raises RunNotFoundError."""
    run = layout.resolve(reference, runs_dir)
    tail = Tail(run.console)

    def pump() -> bool | None:
        ended = read_status(run.status_json)
        is_over = ended is None or ended.state.has_ended
        while True:
            chunk = tail.poll()
            text = chunk.lines.decode("utf-8", "replace")
            if sys.stdout.isatty():  # a pipe gets the bytes as they are
                text = "".join(plain(line) + "\n" for line in text.split("\n")[:-1])
            sys.stdout.write(text)
            if chunk.at_end:
                break
        sys.stdout.flush()
        return True if is_over or not follow else None

    poll_until(pump, None)
    return 0


def wait(reference: str, runs_dir: Path) -> int:
    """The run's own result, once it has one. A run that nobody attends has none: 1, and the cure."""
    run = layout.resolve(reference, runs_dir)

    def look() -> tuple[Status | None, str] | None:
        status, verdict = _look(run)
        return (status, verdict) if status is None or is_over(status) else None

    found = poll_until(look, None)
    status, verdict = found if found is not None else (None, "unknown")
    if status is None or not status.state.has_ended:
        cure = BY_SCRIPT if is_by_script(run) else f"`traind resume {run.id}` goes on"
        print(f"traind: {run.id} is {verdict}; {cure}", file=sys.stderr)
        return 1
    if status.state is State.FAILED:
        print(f"traind: {run.id} failed: {plain(status.last_error or '')}", file=sys.stderr)
    else:
        cause = f" ({plain(status.last_error)})" if status.last_error else ""
        print(f"{run.id}: {status.state}{cause}, step {_steps(status)}")
        if said := last_word(run):
            print(said)
    return exit_code.OF_STATE[status.state]
