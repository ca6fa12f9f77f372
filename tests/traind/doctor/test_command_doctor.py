"""`traind doctor` as it is typed: a table or JSON of every look, 1 with a fault."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from traind import command_doctor
from traind.check.finding import Finding, fault, ok, warn
from traind.cli import main
from traind.doctor import examine


def test_every_look_reports_on_this_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json", "--runs-dir", str(tmp_path / "runs")])
    report = json.loads(capsys.readouterr().out)
    assert code == int(report["faults"] > 0)
    checks = {finding["check"] for finding in report["findings"]}
    looked = {"Python", "libraries", "CPU", "memory", "disk", "open files", "hub login", "hub cache", "logout", "clock"}
    assert looked <= checks
    assert "CUDA" in checks
    assert "could not be looked at" not in json.dumps(report)
    assert not (tmp_path / "runs").exists()


def test_a_fault_ends_with_one_and_shows_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = [ok("disk", "fine"), warn("clock", "odd", "set it"), fault("CUDA", "none", "install it")]
    monkeypatch.setattr(command_doctor, "examine", lambda _: iter(findings))
    assert main(["doctor", "--runs-dir", str(tmp_path)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert [line[0] for line in out[:5]] == ["✓", "!", " ", "✗", " "]
    assert out[4].strip() == "→ install it"
    assert out[5].startswith("✓ 1  ! 1  ✗ 1   in ")


def test_a_look_that_fails_costs_itself_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Iterator[Finding]:
        raise PermissionError("/proc is hidden")

    monkeypatch.setattr(examine, "examine_room", broken)
    monkeypatch.setattr(examine, "version", lambda _: None)
    found = {finding.check: finding for finding in examine.examine(tmp_path)}
    assert found["room"].text == "could not be looked at: /proc is hidden"
    assert {"hub login", "clock"} <= found.keys()
