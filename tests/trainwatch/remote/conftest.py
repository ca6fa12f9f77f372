"""A host that is reached: a false `ssh` that runs the command here, so that all of the way but the network is gone."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import eventually
from trainwatch.remote.address import Address
from trainwatch.remote.mirror import Mirror

FALSE_SSH = """#!/bin/sh
# Logs in by a shell that talks first, as some do. Where `down` is there, nobody answers.
here=${0%/*}
while [ "$1" != -- ]; do shift; done
echo "$2" >>"$here/hosts"
if [ -e "$here/down" ]; then echo "ssh: connect to host $2: Connection refused" >&2; exit 255; fi
echo "Welcome to $2"
exec sh -c "$3"
"""


class Host:
    """What the other side is: a directory of runs, and a switch."""

    def __init__(self, folder: Path) -> None:
        self.runs = folder / "far" / "runs"
        self.runs.mkdir(parents=True)
        self.bin = folder / "bin"
        self.bin.mkdir()
        ssh = self.bin / "ssh"
        ssh.write_text(FALSE_SSH, encoding="ascii")
        ssh.chmod(0o755)

    @property
    def address(self) -> Address:
        return Address("farhost", os.fsencode(self.runs))

    @property
    def url(self) -> str:
        return self.address.url

    def set_down(self, *, down: bool) -> None:
        (self.bin / "down").touch() if down else (self.bin / "down").unlink()


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path)
    monkeypatch.setenv("PATH", f"{made.bin}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("trainwatch.remote.mirror.POLL_S", 0.05)
    monkeypatch.setattr("trainwatch.remote.table.LIVE_S", 0.1)
    monkeypatch.setattr("trainwatch.remote.table.STILL_S", 0.15)
    monkeypatch.setattr("trainwatch.remote.mirror.LIST_S", 0.15)
    monkeypatch.setattr("trainwatch.remote.mirror.FIRST_RETRY_S", 0.05)
    monkeypatch.setattr("trainwatch.remote.mirror.MAX_RETRY_S", 0.1)
    return made


@pytest.fixture
def visit(host: Host) -> Iterator[Callable[[], Mirror]]:
    """A mirror of the host, connected; closed with the test."""
    mirrors: list[Mirror] = []

    def begin(path: Path | None = None) -> Mirror:
        mirror = Mirror(Address("farhost", os.fsencode(path or host.runs)))
        mirrors.append(mirror)
        mirror.start()
        eventually(lambda: mirror.contact.is_up)
        return mirror

    yield begin
    for mirror in mirrors:
        mirror.close()
