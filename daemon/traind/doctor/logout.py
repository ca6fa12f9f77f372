"""Whether a run outlives the login it was started from: what systemd-logind ends when the user leaves."""

import os
import pwd
import re
from pathlib import Path

from rundir import process
from traind.check.finding import Finding, fault, ok, warn
from traind.doctor.shell import ask, read

CURE = "loginctl enable-linger"
_NAME = "logout"
_PROPERTIES = ("KillUserProcesses", "KillOnlyUsers", "KillExcludeUsers")


def parse_yes(text: str | None) -> bool | None:
    """`Linger=yes`, `b true`, `no` as a truth value; None where it is not told."""
    word = re.search(r"\b(yes|no|true|false)\b", text or "")
    return None if word is None else word[1] in ("yes", "true")


def unit_of(own_groups: str) -> str:
    """The innermost systemd unit of /proc/self/cgroup: `session-3.scope`, `user@1000.service`, …; empty for none."""
    units = re.findall(r"/((?:session-[^/]+\.scope|user@\d+\.service|[^/\n]+\.(?:service|scope)))", own_groups)
    manager = [unit for unit in units if unit.startswith("user@")]
    return str(manager[0] if manager else units[-1] if units else "")


def owner_of(own_groups: str) -> str:
    """Whose session this is, which sudo does not change; ourselves outside of any. The number where it has no name."""
    owner = re.search(r"/user-(\d+)\.slice/", own_groups)
    uid = int(owner[1]) if owner is not None else os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def is_spared(user: str, only: str | None, excluded: str | None) -> bool:
    """Whether KillUserProcesses=yes leaves a user alone, of KillOnlyUsers and KillExcludeUsers as `busctl` tells them.

    As logind decides: who is excluded is, else who is not among the only ones, where there are any. By default, and
    where it is not told, root is excluded.
    """
    if user in (["root"] if excluded is None else _strings(excluded)):
        return True
    chosen = _strings(only or "")
    return bool(chosen) and user not in chosen


def _strings(text: str) -> list[str]:
    """`as 2 "root" "ada"` as a list."""
    return re.findall(r'"([^"]*)"', text)


def examine_logout(
    *, has_logind: bool, kills: bool | None, spared: bool = False, lingers: bool | None, unit: str
) -> Finding:
    """The verdict. `spared`: KillUserProcesses does not count for this user.

    logind ends a session's processes where KillUserProcesses is on; the user's own manager (user@UID.service), with all
    that runs under it, goes with the last session unless the user lingers.
    """
    if not has_logind:
        return ok(
            _NAME, "no systemd-logind here: nothing ends a run when its user leaves (a container ends with its own)"
        )
    linger = {True: "the user lingers", False: "the user does not linger", None: "lingering is not told"}[lingers]
    if kills and not spared:
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
    why = "KillUserProcesses=yes, but not for this user" if kills else "KillUserProcesses=no"
    return ok(_NAME, f"a run goes on when its user leaves ({why}; {linger})")


def look_at_logout() -> Finding:
    """The same of this machine and user."""
    if not Path("/run/systemd/system").is_dir():
        return examine_logout(has_logind=False, kills=None, lingers=None, unit="")
    manager = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
    asked = {name: ask("busctl", "get-property", *manager, name) for name in _PROPERTIES}
    kills = parse_yes(asked["KillUserProcesses"])
    groups = read("/proc/self/cgroup") or ""
    spared = is_spared(owner_of(groups), asked["KillOnlyUsers"], asked["KillExcludeUsers"])
    lingers = parse_yes(ask("loginctl", "show-user", str(os.getuid()), "--property=Linger"))
    if lingers is None:  # logind shows only users that are logged in
        lingers = Path("/var/lib/systemd/linger", process.user()).exists()
    return examine_logout(has_logind=True, kills=kills, spared=spared, lingers=lingers, unit=unit_of(groups))
