"""Knowing real processes again: by start time, with any name, dead, reaped or not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rundir import process
from rundir.process import ProcessId


def test_this_process_is_alive_and_itself() -> None:
    me = process.this_process()
    assert me.pid == os.getpid()
    assert me.start_ticks > 0
    assert process.is_alive(me)


def test_a_reused_pid_is_another_process() -> None:
    me = process.this_process()
    assert not process.is_alive(ProcessId(me.pid, me.start_ticks - 1))


def test_no_process_has_this_pid() -> None:
    beyond = int(Path("/proc/sys/kernel/pid_max").read_text(encoding="ascii")) + 1
    assert process.identify(beyond) is None


def test_a_child_from_birth_to_reaping() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    known = process.identify(child.pid)
    assert known is not None
    assert process.is_alive(known)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not process.is_alive(known)
    child.communicate()
    assert not process.is_alive(known)


@pytest.mark.parametrize("name", ["a) R 1 1 (b", "sp ace", ")))", "Z) Z 0 0"])
def test_a_name_full_of_parentheses_misleads_nobody(tmp_path: Path, name: str) -> None:
    program = tmp_path / name
    shutil.copy(shutil.which("cat") or "/bin/cat", program)
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"ready\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"ready\n"  # the program runs: /proc shows its own name
        known = process.identify(child.pid)
        mine = process.this_process()
        assert known is not None
        assert known.start_ticks >= mine.start_ticks
        assert process.is_alive(known)


def test_the_boot_has_an_id_and_the_machine_a_name() -> None:
    assert len(process.boot_id()) == 36
    assert process.host()
