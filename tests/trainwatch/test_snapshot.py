"""`--once` and `--json`: what scripts get, and how the command line fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rundir import layout
from rundir.layout import RunDir, RunNotFoundError
from rundir.records import CheckpointEvent
from rundir.status import State
from tests.trainwatch.runs import append, evaluation, make_run, outcome, set_status, step, steps
from trainwatch.cli import find, find_target, main
from trainwatch.snapshot import as_json


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = make_run(tmp_path)
    append(run.metrics, [*steps(9), evaluation(5, 0.5, 0.75, best=True), step(10, "nan")])
    append(run.events, [outcome("a", "eval", step=3)])
    run.control.write_bytes(b'{"verb":"eval","id":"a"}\n{"verb":"checkpoint","id":"b","at":1.5,"by":"me"}\n')
    set_status(run, State.DONE, step=10, total=10)
    layout.point_latest(run)
    return run


def test_json_states_the_run(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run.path), "--json"]) == 0
    state = json.loads(capsys.readouterr().out)
    assert (state["run"], state["state"], state["liveness"]) == (run.id, "done", "ended")
    assert (state["step"], state["total_steps"]) == (10, 10)
    assert (state["loss"], state["num_nonfinite_losses"], state["first_nonfinite_step"]) == ("nan", 1, 10)
    assert state["best_eval"] == {"step": 5, "loss": 0.5, "metrics": {"f1": 0.75, "precision": 0.5, "recall": 0.25}}
    assert [(o["id"], o["answer"]) for o in state["pending_orders"]] == [("b", "no answer")]
    assert "eta_s" not in state


def test_once_prints_the_picture(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run.path), "--once"]) == 0
    out = capsys.readouterr().out
    assert "10 steps" in out
    assert "× 1 not finite, first at 10" in out
    assert "\x1b" not in out


def test_a_run_is_found_by_path_id_latest_and_directory(run: RunDir) -> None:
    runs_dir = run.path.parent
    wanted = run.path.resolve()
    assert find(str(run.path), Path("nowhere")).path == wanted
    assert find(run.id, runs_dir).path == wanted
    assert find("latest", runs_dir).path == wanted
    assert find(str(runs_dir), Path("nowhere")).path == wanted
    (runs_dir / "latest").unlink()
    assert find(str(runs_dir), Path("nowhere")).path == wanted


def test_what_is_shown_is_a_run_or_a_directory_of_runs(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    runs_dir, wanted = run.path.parent, RunDir(run.path.resolve())
    assert find_target(None, runs_dir, wants_run=False) == runs_dir
    assert find_target(str(runs_dir), Path("nowhere"), wants_run=False) == runs_dir
    assert find_target(str(run.path), Path("nowhere"), wants_run=False) == wanted
    assert find_target("latest", runs_dir, wants_run=False) == wanted
    for reference in (None, str(runs_dir)):
        assert find_target(reference, runs_dir, wants_run=True) == wanted
    monkeypatch.chdir(runs_dir.parent)
    (runs_dir / "empty").mkdir()
    for reference in (str(runs_dir / "empty"), None, "nonsense"):
        with pytest.raises(RunNotFoundError):
            find_target(reference, runs_dir / "empty", wants_run=False)


@pytest.mark.parametrize("reference", ["nonsense", "."])
def test_no_run_is_one_line_and_exit_2(
    tmp_path: Path, reference: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([reference, "--once"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1


def test_without_a_terminal_the_dashboard_says_what_to_use(run: RunDir) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "trainwatch.cli", str(run.path)],
        capture_output=True,
        check=False,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert result.returncode == 2
    assert "--once" in result.stderr


@pytest.mark.parametrize("flag", ["--json", "--once"])
def test_scripts_load_neither_textual_nor_the_trainer(run: RunDir, flag: str) -> None:
    code = (
        "import sys; from trainwatch.cli import main; main(sys.argv[1:]); "
        "heavy = {'textual', 'torch', 'transformers', 'traind', 'watchdog', 'plotext'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(run.path), flag], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_a_reader_that_leaves_early_is_no_error(run: RunDir) -> None:
    command = f"{sys.executable} -m trainwatch.cli {run.path} --once | true"
    result = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert result.stderr == ""


def test_a_terminal_without_braille_still_gets_the_figures(run: RunDir) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "trainwatch", str(run.path), "--once"],
        capture_output=True, check=False, env={**os.environ, "PYTHONIOENCODING": "latin-1:strict"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert b"10 steps" in result.stdout


def test_an_ended_run_states_its_last_step_though_no_record_has_it(
    run: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    set_status(run, State.STOPPED, step=14, total=40)
    assert json.loads(as_json(run))["step"] == 14
    assert main([str(run.path), "--once"]) == 0
    assert "step 14 / 40" in capsys.readouterr().out


@pytest.mark.parametrize(("state", "has_eta"), [(State.RUNNING, True), (State.PAUSED, False), (State.PARKED, False)])
def test_only_a_run_that_trains_has_a_remaining_time(run: RunDir, state: State, has_eta: bool) -> None:
    set_status(run, state, step=10, total=40)
    assert ("eta_s" in json.loads(as_json(run))) == has_eta


def test_json_lists_the_checkpoints_that_are_there(run: RunDir) -> None:
    events = [
        CheckpointEvent(at=1.0, attempt=1, writer="trainer", step=i, path=f"checkpoints/step-{i:08d}", size_bytes=7)
        for i in (1, 2, 3)
    ]
    odd = CheckpointEvent(at=1.0, attempt=1, writer="trainer", step=4, path="\0" + "x" * 5000, size_bytes=7)
    append(run.events, [*events, odd])
    run.checkpoint(2).mkdir(parents=True)
    assert [c["step"] for c in json.loads(as_json(run))["checkpoints"]] == [2]


def test_json_calls_one_checkpoint_the_best(run: RunDir) -> None:
    events = [
        CheckpointEvent(
            at=1.0, attempt=1, writer="trainer", step=i, path=f"checkpoints/step-{i:08d}", size_bytes=7, best=i < 4
        )
        for i in (1, 2, 3, 4)
    ]
    append(run.events, events)
    for i in (1, 2, 4):  # the best of all is gone
        run.checkpoint(i).mkdir(parents=True)
    kept = json.loads(as_json(run))["checkpoints"]
    assert [(c["step"], c["best"]) for c in kept] == [(1, False), (2, True), (4, False)]
