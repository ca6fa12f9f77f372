"""`traind diagnose`: the rules over a recorded run, as text and as JSON, whatever stands beside the logs."""

import json
from pathlib import Path

import msgspec
import pytest

from rundir.append import Appender
from rundir.layout import RunDir
from rundir.records import AnyRecord, CheckpointEvent, encode
from rundir.status import State, Status, write_status
from tests.rundir.alerts.stories import step
from tests.trainwatch.checkpoints import put_checkpoint
from traind.cli import main


def record(run: RunDir, records: list[AnyRecord]) -> None:
    metrics = Appender(run.metrics)
    for each in records:
        metrics.append(encode(each))
    metrics.close()


@pytest.fixture
def broken(run_dir: RunDir) -> RunDir:
    """A run whose gradient explodes at step 101 and whose loss is lost at step 110."""
    norms = [1.6 + 0.01 * (n % 7) for n in range(100)] + [150.0, 300.0, 310.0] + [400.0] * 6
    steps = [step(n, 2.0 - 0.01 * n, grad_norm=norm, lr=0.3) for n, norm in enumerate(norms, start=1)]
    steps.append(step(110, float("nan"), lr=0.3))
    record(run_dir, [msgspec.structs.replace(each, at=float(each.step)) for each in steps])
    events = Appender(run_dir.events)
    for n in (50, 100, 105):
        path = f"checkpoints/step-{n:08d}"
        events.append(encode(CheckpointEvent(at=n + 0.5, attempt=1, step=n, writer="trainer", path=path, size_bytes=1)))
    events.close()
    return run_dir


def alerts(run: RunDir, capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    assert main(["diagnose", str(run.path), "--json", *words]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_each_alert_is_one_object(broken: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    found = {str(alert["rule"]): alert for alert in alerts(broken, capsys)}
    assert {"grad-explode", "non-finite"} <= found.keys()
    explode, lost = found["grad-explode"], found["non-finite"]
    assert (explode["onset_step"], explode["detected_step"], explode["cleared_step"]) == (101, 103, None)
    assert (lost["severity"], lost["onset_step"], lost["detected_step"]) == ("critical", 110, 110)
    assert explode["incident"] == lost["incident"] == 1
    assert [rule for rule, alert in found.items() if alert["primary"]] == ["non-finite"]
    assert lost["order"] == {"verb": "rollback", "args": {"step": 100, "lr_factor": 0.33}}
    assert lost["causes"]
    assert lost["fixes"]


def test_it_can_stop_at_a_step(broken: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert alerts(broken, capsys, "--at", "102") == []
    [alert] = alerts(broken, capsys, "--at", "103")
    assert (alert["rule"], alert["primary"]) == ("grad-explode", True)


def test_the_text_fits_the_terminal_and_says_what_to_do(broken: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", str(broken.path)]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "incident 1: non-finite · critical · from step 110, open" in text
    assert "  also      grad-explode (critical, found at step 103)" in text
    assert "traind rollback" not in text  # the checkpoint that the records name is gone
    put_checkpoint(broken, 100)
    assert main(["diagnose", str(broken.path)]) == 0
    assert f"traind rollback {broken.id} --step 100 --lr-factor 0.33" in capsys.readouterr().out
    assert "frozen" in text[text.index("rules have nothing to go by") :]


def test_a_run_that_has_ended_is_to_be_begun_anew(broken: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    """A finished run has nothing that could go on: no order would help."""
    broken.config_toml.write_text("train = { lr = 0.3 }\n", encoding="utf-8")
    write_status(broken.status_json, Status(run=broken.id, state=State.DONE), durable=False)
    assert main(["diagnose", str(broken.path)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "rollback" not in text
    assert f"anew traind start {broken.config_toml} --set train.lr=0.03" in text


def test_what_is_to_be_begun_anew_has_a_rate_that_is_in_use(broken: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    """A tenth of a rate a hundred times too high is too high: `start` itself would warn of it."""
    told = '[train]\nlr = 0.5\noptimizer = "adamw"\n[model]\ninit = "scratch"\n[task]\nkind = "text-classification"\n'
    broken.config_toml.write_text(told, encoding="utf-8")
    write_status(broken.status_json, Status(run=broken.id, state=State.DONE), durable=False)
    assert main(["diagnose", str(broken.path)]) == 0
    assert "--set train.lr=0.00045\n" in capsys.readouterr().out


def test_a_config_that_is_no_toml_and_thresholds_of_a_later_version_do_no_harm(
    broken: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    before = alerts(broken, capsys)
    for text in ("[alerts.limits.gone]\nx = 1.0\n", "alerts = 3\n", "= ="):
        broken.config_toml.write_text(text)
        assert alerts(broken, capsys) == before


def test_the_thresholds_of_the_run_are_used(broken: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    broken.config_toml.write_text("[alerts.limits.grad-explode]\ndecades = 5.0\n")
    assert [alert["rule"] for alert in alerts(broken, capsys)] == ["non-finite"]


def test_a_run_that_is_not_there_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "gone", "--runs-dir", str(tmp_path)]) == 2
    assert "no run 'gone'" in capsys.readouterr().err
