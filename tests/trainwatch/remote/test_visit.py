"""From what is typed to what is shown, and how it is said where that is not possible."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rundir.status import State
from tests.trainwatch.remote.conftest import Host
from tests.trainwatch.runs import append, make_run, set_status, steps
from trainwatch.cli import main


def test_json_of_the_runs_elsewhere_and_of_one(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("1-old", "2-new"):
        run = make_run(host.runs, name)
        append(run.metrics, steps(3000))
        set_status(run, State.RUNNING, step=3000)
    assert main(["--json", host.url]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(r["run"], r["step"], r["liveness"]) for r in listed] == [("2-new", 3000, "live"), ("1-old", 3000, "live")]
    assert listed[0]["path"] == f"{host.url}/2-new"
    assert main(["--json", host.url, str(host.runs)]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 4
    assert main(["--json", f"{host.url}/2-new"]) == 0
    state = json.loads(capsys.readouterr().out)
    assert (state["run"], state["step"], state["liveness"]) == ("2-new", 3000, "live")
    assert state["path"] == f"{host.url}/2-new"
    assert main(["--once", f"{host.url}/1-old"]) == 0
    assert "1-old" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--json", "ssh://farhost/nowhere"], "ssh://farhost/nowhere: /nowhere: no such directory"),
        (["--json", "ssh://-oX/runs"], "names no host"),
        (["--replay=2", "ssh://a/b", "ssh://c/d"], "name one place"),
        (["nowhere", "ssh://farhost/"], "no directory nowhere"),
    ],
)
def test_what_is_not_there_is_said_in_a_line(
    host: Host, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_host_that_asks_is_explained(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    ssh = host.bin / "ssh"
    ssh.write_text("#!/bin/sh\necho 'ann@farhost: Permission denied (publickey).' >&2\nexit 255\n")
    assert main(["--json", host.url]) == 2
    assert "Permission denied (publickey).; `ssh farhost true` must work" in capsys.readouterr().err


def test_what_ssh_says_cannot_steer_the_terminal(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    (host.bin / "ssh").write_text("#!/bin/sh\nprintf '\\033]0;x\\007no\\n' >&2\nexit 255\n")
    assert main(["--json", host.url]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_no_ssh_at_all_is_said(host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(host.runs))
    assert main(["--json", host.url]) == 2
    assert "ssh cannot be started" in capsys.readouterr().err


def test_what_is_here_alone_is_looked_at_without_ssh_and_threads(tmp_path: Path) -> None:
    run = make_run(tmp_path, "1-run")
    append(run.metrics, steps(3))
    code = (
        "import sys; from trainwatch.cli import main; main(['--json', sys.argv[1]]); "
        "assert not [m for m in sys.modules if m in ('trainwatch.remote.mirror', 'trainwatch.remote.line')]"
    )
    subprocess.run([sys.executable, "-c", code, str(run.path)], check=True, capture_output=True, env=os.environ)
