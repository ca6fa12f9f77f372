"""The same through a real ssh and a real sshd on loopback, where there is one."""

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rundir.control import ControlReader, Order, Verb
from rundir.status import State
from tests.conftest import eventually
from tests.trainwatch.runs import append, make_run, set_status, steps
from trainwatch.remote.address import parse_address
from trainwatch.remote.mirror import Mirror
from trainwatch.remote.run import deliver

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(
    SSHD is None or shutil.which("ssh") is None or shutil.which("ssh-keygen") is None, reason="no sshd here"
)


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of a server of our own, to which the user's configuration knows the way."""
    assert SSHD is not None
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd begins nothing without it, and only root may make it
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    for name in ("server", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / name], check=True)
    (keys / "authorized").write_bytes((keys / "user.pub").read_bytes())
    (keys / "authorized").chmod(0o600)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    (keys / "sshd_config").write_text(
        f"Port {number}\nListenAddress 127.0.0.1\nHostKey {keys}/server\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {keys}/authorized\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\n"
    )
    (keys / "ssh_config").write_text(
        f"Host there\n  HostName 127.0.0.1\n  IdentityFile {keys}/user\n  UserKnownHostsFile {keys}/known\n"
        "  StrictHostKeyChecking accept-new\n  IdentitiesOnly yes\n"
    )
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {keys}/ssh_config "$@"\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", keys / "sshd_config"], stderr=subprocess.PIPE)
    try:
        eventually(lambda: _is_open(number))
        yield number
    finally:
        server.terminate()
        server.communicate()


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_run_is_followed_and_steered_and_comes_back_after_a_cut(port: int, tmp_path: Path) -> None:
    far = make_run(tmp_path / "far runs", "1-run")
    append(far.metrics, steps(2000))
    set_status(far, State.RUNNING, step=2000)
    mirror = Mirror(parse_address(f"ssh://{getpass.getuser()}@there:{port}{far.path.parent}"))
    mirror.start()
    try:
        assert mirror.wait_for_contact(20).is_up, mirror.contact.why
        here = mirror.open("1-run")
        eventually(lambda: here.metrics.exists() and here.metrics.read_bytes() == far.metrics.read_bytes())
        deliver(here, Order(verb=Verb.PAUSE, id="o-1", at=1.0, by="test"), "there")
        (order,) = ControlReader(far).poll()
        assert isinstance(order, Order)
        assert order.id == "o-1"
        assert mirror._line is not None
        process = mirror._line._process
        process.kill()
        append(far.metrics, steps(10, first=2001))
        eventually(lambda: here.metrics.read_bytes() == far.metrics.read_bytes(), 20)
    finally:
        mirror.close()
    assert mirror._line is None
    assert process.returncode is not None


def test_a_key_that_is_not_taken_is_said(port: int, tmp_path: Path) -> None:
    (tmp_path / "keys" / "authorized").write_text("")
    mirror = Mirror(parse_address(f"ssh://there:{port}/"))
    mirror.start()
    try:
        assert "Permission denied" in mirror.wait_for_contact(20).why
    finally:
        mirror.close()
