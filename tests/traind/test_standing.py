"""What `traind list` and `traind status` say of a run beside its status: alerts, the best score, and true words."""

import json
import os

import pytest

from rundir.glance import Best
from rundir.layout import RunDir
from rundir.process import ProcessId
from rundir.records import AlertEvent, EvalRecord, Severity, encode
from rundir.status import Heart, Liveness, Phase, State, Status, write_status
from traind.command_show import list_runs, show_status
from traind.standing import best_of, state_words


def troubled(run: RunDir) -> None:
    """A run with three alerts and two evaluations, of which nothing lives."""
    write_status(run.status_json, Status(run=run.id, state=State.RUNNING, step=30, total_steps=40))
    run.config_toml.write_text('[eval]\nmetric = "f1"\n', encoding="utf-8")
    evals = [
        EvalRecord(at=1, attempt=1, step=step, loss=1.0, metrics={"recall": 0.25, "f1": f1}, best=best)
        for step, f1, best in ((10, 0.75, True), (20, 0.5, False))
    ]
    run.metrics.write_bytes(b"".join(map(encode, evals)))
    rules = ("class-collapse", Severity.WARNING), ("gpu\x1bhot", Severity.INFO), ("stall", Severity.CRITICAL)
    alerts = [
        AlertEvent(
            at=1, attempt=1, writer="supervisor", rule=rule, change="raised", severity=severity, message="m", step=7
        )
        for rule, severity in rules
    ]
    run.events.write_bytes(b"".join(map(encode, alerts)))


def test_the_list_tells_alerts_and_the_best_score(run_dir: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    troubled(run_dir)
    list_runs(run_dir.path.parent, as_json=False)
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["RUN", "STATE", "STEP", "EPOCH", "BEST", "ALERTS", "ERROR"]
    assert "  dead (was running)  30 / 40 " in row
    assert row.endswith("  f1 0.75  3: stall (critical), class-collapse (warning), …")
    list_runs(run_dir.path.parent, as_json=True)
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry["best"] == {"metric": "f1", "value": 0.75, "step": 10}
    assert entry["alerts"][0] == {"rule": "stall", "severity": "critical", "message": "m", "step": 7}
    assert (entry["state"], entry["liveness"]) == ("running", "dead")


def test_the_status_tells_them_in_full(run_dir: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    troubled(run_dir)
    show_status(str(run_dir.path), run_dir.path.parent, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert "state       dead (was running)" in lines
    assert "best        f1 0.75 at step 10" in lines
    assert "alerts      3: stall (critical), class-collapse (warning), gpu␛hot (info)" in lines
    show_status(str(run_dir.path), run_dir.path.parent, as_json=True)
    assert len(json.loads(capsys.readouterr().out)["alerts"]) == 3


def test_of_a_run_that_is_gone_no_process_is_named(run_dir: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    gone = Heart(process=ProcessId(pid=2**22 + 1, start_ticks=1), beat_at=1.0)
    status = Status(run=run_dir.id, state=State.RUNNING, phase=Phase.TRAIN, supervisor=gone, trainer=gone)
    write_status(run_dir.status_json, status)
    show_status(str(run_dir.path), run_dir.path.parent, as_json=False)
    told = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert {"state", "next"} <= told
    assert not {"phase", "supervisor", "trainer"} & told


def test_a_quiet_run_has_neither(run_dir: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    write_status(run_dir.status_json, Status(run=run_dir.id, state=State.DONE, step=40, total_steps=40))
    show_status(str(run_dir.path), run_dir.path.parent, as_json=False)
    told = capsys.readouterr().out
    assert "state       done\n" in told
    assert "alerts" not in told
    assert "best" not in told
    list_runs(run_dir.path.parent, as_json=True)
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["alerts"], entry["best"]) == ([], None)


def test_no_pipe_in_place_of_the_configuration_is_waited_for(run_dir: RunDir) -> None:
    troubled(run_dir)
    run_dir.config_toml.unlink()
    os.mkfifo(run_dir.config_toml)
    assert best_of(run_dir) == Best("recall", 0.25, 10)  # the first that is no loss, where nothing names one


@pytest.mark.parametrize("verdict", Liveness)
def test_of_a_run_that_is_gone_the_state_is_history(verdict: Liveness) -> None:
    is_gone = verdict in (Liveness.DEAD, Liveness.REBOOTED, Liveness.ORPHANED)
    assert ("(was running)" in state_words(State.RUNNING, verdict)) == is_gone
