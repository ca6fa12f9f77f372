"""`traind resume --all`: after a reboot or a lost session, every run goes on that was going on. Never imports torch."""

import sys
import time
from pathlib import Path

from rundir import layout, process
from rundir.layout import RunDir
from rundir.status import Intent, Liveness, State, Status, liveness, umask_private
from traind import exit_code, launch
from traind.run_state import status_of


def resume_all(runs_dir: Path, argv: list[str]) -> int:
    """One line a run, the oldest first. The exit code is 0 unless a run that should go on could not be taken up."""
    umask_private()
    launch.require_trainer()
    codes = [_resume(RunDir(run.path.resolve()), argv) for run in reversed(layout.find_runs(runs_dir))]
    if not codes:
        print(f"no runs in {runs_dir}/", file=sys.stderr)
    return max(codes, default=exit_code.OK)


def _resume(run: RunDir, argv: list[str]) -> int:
    try:
        status = status_of(run)
    except OSError as error:
        return _say(run, f"not taken up: its status.json cannot be read: {error}", code=exit_code.MISTAKE)
    if status is None and run.status_json.exists():
        return _say(run, "not taken up: its status.json cannot be read, nor its events", code=exit_code.MISTAKE)
    if status is None:
        return _say(run, "left: it has no status.json")
    why_left = reason_to_leave(status, liveness(status, time.time()), process.boot_id(), process.host())
    if why_left is None and launch.is_by_script(run):
        why_left = launch.BY_SCRIPT
    if why_left is not None:
        return _say(run, f"left: {why_left}")
    try:
        launch.spawn_supervisor(run, reason="take-up", order_id=None, argv=argv)
    except (launch.LaunchError, OSError) as error:
        return _say(run, f"not taken up: {error}", code=exit_code.MISTAKE)
    held = ", paused as it was" if status.intent is Intent.PAUSED else ""
    return _say(run, f"taken up from {status.checkpoint or 'its beginning'}{held}")


def reason_to_leave(status: Status, verdict: Liveness, boot_id: str, host: str) -> str | None:
    """Why a run is not taken up; None for one that was going on when its processes were lost. Pure.

    A SIGTERM is what an orderly shutdown sends: after another boot, a run that it ended was going on as well.
    """
    if status.host not in ("", host):
        return f"it ran on {status.host}; `traind resume` takes it up here"
    was_shut_down = status.signal == "SIGTERM" and status.boot_id != boot_id and status.state is State.STOPPED
    if status.state.has_ended and not was_shut_down:
        return f"{status.state}" + (f" by {status.signal}" if status.signal else "")
    if status.intent in (Intent.PARKED, Intent.STOPPED):
        return f"{status.intent} by order"
    if verdict in (Liveness.LIVE, Liveness.SILENT):
        return f"its supervisor runs ({verdict})"
    return None


def _say(run: RunDir, text: str, *, code: int = exit_code.OK) -> int:
    print(f"{run.id}: {text}", flush=True)
    return code
