"""Which runs are taken up after a reboot, as a table."""

import pytest

from rundir.status import Intent, Liveness, State, Status
from traind.command_resume_all import reason_to_leave

HERE, OLD_BOOT, BOOT = "here", "boot 1", "boot 2"


@pytest.mark.parametrize(
    ("state", "intent", "verdict", "boot_id", "signal", "host", "taken"),
    [
        (State.RUNNING, Intent.RUN, Liveness.REBOOTED, OLD_BOOT, None, HERE, True),
        (State.STARTING, Intent.RUN, Liveness.REBOOTED, OLD_BOOT, None, HERE, True),
        (State.RESTARTING, Intent.RUN, Liveness.REBOOTED, OLD_BOOT, None, HERE, True),
        (State.PAUSED, Intent.PAUSED, Liveness.UNATTENDED, OLD_BOOT, None, HERE, True),
        (State.RUNNING, Intent.RUN, Liveness.DEAD, BOOT, None, HERE, True),
        (State.RUNNING, Intent.RUN, Liveness.ORPHANED, BOOT, None, HERE, True),
        (State.RUNNING, Intent.RUN, Liveness.LIVE, BOOT, None, HERE, False),
        (State.RUNNING, Intent.RUN, Liveness.SILENT, BOOT, None, HERE, False),
        (State.PARKED, Intent.PARKED, Liveness.UNATTENDED, OLD_BOOT, None, HERE, False),
        (State.RUNNING, Intent.PARKED, Liveness.UNATTENDED, BOOT, None, HERE, False),
        (State.STOPPING, Intent.STOPPED, Liveness.REBOOTED, OLD_BOOT, None, HERE, False),
        (State.DONE, Intent.RUN, Liveness.ENDED, OLD_BOOT, None, HERE, False),
        (State.FAILED, Intent.RUN, Liveness.ENDED, OLD_BOOT, None, HERE, False),
        (State.STOPPED, Intent.STOPPED, Liveness.ENDED, OLD_BOOT, None, HERE, False),
        # An orderly shutdown told it to leave; a person at the keyboard, or before this boot's end, meant it.
        (State.STOPPED, Intent.RUN, Liveness.ENDED, OLD_BOOT, "SIGTERM", HERE, True),
        (State.STOPPED, Intent.PAUSED, Liveness.ENDED, OLD_BOOT, "SIGTERM", HERE, True),
        (State.STOPPED, Intent.STOPPED, Liveness.ENDED, OLD_BOOT, "SIGTERM", HERE, False),
        (State.STOPPED, Intent.RUN, Liveness.ENDED, OLD_BOOT, "SIGINT", HERE, False),
        (State.STOPPED, Intent.RUN, Liveness.ENDED, BOOT, "SIGTERM", HERE, False),
        (State.RUNNING, Intent.RUN, Liveness.DEAD, OLD_BOOT, None, "elsewhere", False),
    ],
)
def test_which_runs_go_on(
    state: State, intent: Intent, verdict: Liveness, boot_id: str, signal: str | None, host: str, taken: bool
) -> None:
    status = Status(run="r", state=state, intent=intent, host=host, boot_id=boot_id, signal=signal)
    why_left = reason_to_leave(status, verdict, BOOT, HERE)
    assert (why_left is None) is taken, why_left
