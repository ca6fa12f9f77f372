"""An ended child is looked at and left where it is."""

import signal
import subprocess
import sys

import pytest

from tests.conftest import eventually
from traind.exit_status import exit_status, signal_name


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", -9)])
def test_the_status_is_known_before_it_is_reaped(code: str, status: int) -> None:
    child = subprocess.Popen([sys.executable, "-c", code])
    assert eventually(lambda: exit_status(child.pid)) == status
    assert exit_status(child.pid) == status
    assert child.wait() == status
    with pytest.raises(ChildProcessError):
        exit_status(child.pid)


def test_a_living_one_has_none() -> None:
    child = subprocess.Popen(["sleep", "60"])
    assert exit_status(child.pid) is None
    child.send_signal(signal.SIGSTOP)
    assert exit_status(child.pid) is None
    child.kill()
    assert eventually(lambda: exit_status(child.pid)) == -signal.SIGKILL
    child.wait()


def test_every_signal_has_a_name_to_be_called_by() -> None:
    assert [signal_name(number) for number in (9, 40)] == ["SIGKILL", "signal 40"]
