"""A served directory of runs: the real server in a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rundir.status import State
from tests.pilot.test_runs import make


class Served:
    """The server's process, and what it has printed."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.log = folder / "served.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "trainwatch", "serve", str(folder / "runs"), "--port", "0", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "XDG_CONFIG_HOME": str(folder)},
            )

    @property
    def text(self) -> str:
        return self.log.read_text(encoding="utf-8")

    @property
    def url(self) -> str:
        """Empty until it is printed."""
        found = re.search(r"^http://\S+", self.text, re.MULTILINE)
        return found.group() if found else ""

    @property
    def token(self) -> str:
        return self.url.partition("token=")[2]

    @property
    def dashboards(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def end(self) -> None:
        for each in [*self.dashboards] if self.process.poll() is None else []:
            each.kill()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("1-one", "2-two"):
        make(tmp_path / "runs", name, State.DONE, f1=0.5)
    return tmp_path


@pytest.fixture
def served(folder: Path) -> Iterator[Served]:
    found = Served(folder, "--read-only")
    yield found
    found.end()


def is_gone(process: psutil.Process) -> bool:
    """Ended; whether anybody has asked for its exit status or not."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
