"""Whether a run outlives the login it was started from: what systemd-logind ends when the user leaves."""

import os
import re
from pathlib import Path

from rundir import process
from traind.check.finding import Finding, fault, ok, warn
from traind.doctor.shell import ask, read

CURE = "loginctl enable-linger"
_NAME = "logout"


def parse_yes(text: str | None) -> bool | None:
    """`Linger=yes`, `b true`, `no` as a truth value; None where it is not told."""
    word = re.search(r"\b(yes|no|true|false)\b", text or "")
    return None if word is None else word[1] in ("yes", "true")


def unit_of(own_groups: str) -> str:
    """The innermost systemd unit of /proc/self/cgroup: `session-3.scope`, `user@1000.service`, …; empty for none."""
    units = re.findall(r"/((?:session-[^/]+\.scope|user@\d+\.service|[^/\n]+\.(?:service|scope)))", own_groups)
    manager = [unit for unit in units if unit.startswith("user@")]
    return str(manager[0] if manager else units[-1] if units else "")


def examine_logout(*, has_logind: bool, kills: bool | None, lingers: bool | None, unit: str) -> Finding:
    """The verdict.

    logind ends a session's processes where KillUserProcesses is on; the user's own manager (user@UID.service), with all
    that runs under it, goes with the last session unless the user lingers.
    """
    if not has_logind:
        return ok(
            _NAME, "no systemd-logind here: nothing ends a run when its user leaves (a container ends with its own)"
        )
    linger = {True: "the user lingers", False: "the user does not linger", None: "lingering is not told"}[lingers]
    if kills:
        text = f"the system ends a user's processes at logout (KillUserProcesses=yes), {linger}"
        scope = "systemd-run --user --scope traind start CONFIG"
        cure = f"{scope}   (takes it out of the session)" if lingers else f"{CURE}, then {scope}"
        if unit.startswith("user@") and lingers:
            return ok(_NAME, f"{text}; this is outside of the session: a run started here stays")
        return fault(_NAME, f"{text}: a run started here would end with it", cure)
    if unit.startswith("user@") and not lingers:
        text = f"this runs under the user's own manager ({unit}), which goes with the last login; {linger}"
        return warn(_NAME, f"{text}: a run started here may end with it", CURE)
    if kills is None:
        return ok(_NAME, f"whether the system ends a user's processes is not told; {linger}")
    return ok(_NAME, f"a run goes on when its user leaves (KillUserProcesses=no; {linger})")


def look_at_logout() -> Finding:
    """The same of this machine and user."""
    if not Path("/run/systemd/system").is_dir():
        return examine_logout(has_logind=False, kills=None, lingers=None, unit="")
    manager = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
    kills = parse_yes(ask("busctl", "get-property", *manager, "KillUserProcesses"))
    lingers = parse_yes(ask("loginctl", "show-user", str(os.getuid()), "--property=Linger"))
    if lingers is None:  # logind shows only users that are logged in
        lingers = Path("/var/lib/systemd/linger", process.user()).exists()
    return examine_logout(has_logind=True, kills=kills, lingers=lingers, unit=unit_of(read("/proc/self/cgroup") or ""))
