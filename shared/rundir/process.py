"""Knowing a process again: pid and start time, on one boot of one machine. A pid alone is reused.

Linux only where it matters (/proc); elsewhere a pid that exists counts as the same process.
"""

import getpass
import os
import socket
from pathlib import Path

import msgspec


class ProcessId(msgspec.Struct, frozen=True):
    """One process on this machine. Two are equal only when they are the same process."""

    pid: int
    start_ticks: int = 0
    """Field 22 of /proc/PID/stat: clock ticks after boot at which it started."""


def boot_id() -> str:
    """Changes with every boot of the machine; empty where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def host() -> str:
    return socket.gethostname()


def user() -> str:
    """Who runs this; the number where the system knows no name for it (containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def identify(pid: int) -> ProcessId | None:
    """The process that has this pid now; None when there is none or it is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _identify_without_proc(pid)
    # The command's name, in parentheses, may itself hold spaces and parentheses: count from the last one.
    fields = stat[stat.rindex(b")") + 2 :].split()
    if fields[0] in (b"Z", b"X"):
        return None
    return ProcessId(pid, int(fields[19]))


def _identify_without_proc(pid: int) -> ProcessId | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return ProcessId(pid)
    return ProcessId(pid)


def is_alive(process: ProcessId) -> bool:
    """Whether this very process still runs."""
    return identify(process.pid) == process


def rss_bytes() -> int | None:
    """Resident memory of this process; None where the kernel does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def this_process() -> ProcessId:
    found = identify(os.getpid())
    return found if found is not None else ProcessId(os.getpid())
