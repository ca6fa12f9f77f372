"""`--once` and `--json`: what scripts get, and how the command line fails."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from rundir import layout
from rundir.layout import RunDir, RunNotFoundError
from rundir.records import CheckpointEvent
from rundir.remarks import Remarks, write_remarks
from rundir.status import State
from tests.trainwatch.alerts import alert
from tests.trainwatch.checkpoints import put_checkpoint
from tests.trainwatch.runs import append, evaluation, make_run, outcome, set_status, step, steps
from trainwatch.cli import find, find_target, main
from trainwatch.export.picture import CELL_HEIGHT, CELL_WIDTH, MARGIN
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
    elsewhere = Path("nowhere")
    assert find_target(runs_dir=runs_dir) == runs_dir
    assert find_target("latest", runs_dir=runs_dir) == wanted
    for for_scripts in (False, True):
        assert find_target(str(runs_dir), runs_dir=elsewhere, for_scripts=for_scripts) == runs_dir
        assert find_target(str(run.path), runs_dir=elsewhere, for_scripts=for_scripts) == wanted
    assert find_target(runs_dir=runs_dir, for_scripts=True) == wanted  # who names nothing wants the latest
    assert find_target(str(runs_dir), runs_dir=elsewhere, wants_run=True) == wanted
    monkeypatch.chdir(runs_dir.parent)
    (runs_dir / "empty").mkdir()
    for reference in (str(runs_dir / "empty"), None, "nonsense"):
        with pytest.raises(RunNotFoundError):
            find_target(reference, runs_dir=runs_dir / "empty")


def test_a_directory_is_a_table_and_a_list(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    other = make_run(run.path.parent, "20261120-080000-older")
    append(other.metrics, steps(30))
    set_status(other, State.FAILED, step=30, total=300)
    write_remarks(other.remarks_json, Remarks(tags=["bad"], archived=True))
    assert main([str(run.path.parent), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(r["run"], r["state"], r["step"], r["archived"]) for r in listed] == [
        (run.id, "done", 10, False), (other.id, "failed", 30, True),
    ]  # fmt: skip
    assert (listed[0]["best_metric"], listed[0]["best"], listed[0]["loss"]) == ("f1", 0.75, "nan")
    assert listed[1]["tags"] == ["bad"]
    assert "eta_s" not in listed[0]
    assert main([str(run.path.parent), "--once", "--size", "120x3"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert "1 archived" in table[0]
    assert table[1].split()[:2] == ["state", "run"]
    assert [line.split()[:2] for line in table[2:]] == [["done", run.id]]
    assert max(map(len, table)) <= 120


@pytest.mark.parametrize(("size", "width", "height"), [([], 160, 48), (["--size", "80x24"], 80, 24)])
def test_a_picture_is_written_without_a_terminal(run: RunDir, size: list[str], width: int, height: int) -> None:
    for target in (run.path, run.path.parent):
        picture = run.path.parent / "picture.svg"
        assert main([str(target), "--svg", str(picture), *size]) == 0
        root = ET.fromstring(picture.read_text(encoding="utf-8"))  # noqa: S314 - our own
        assert root.attrib["viewBox"].split()[2:] == [
            str(width * CELL_WIDTH + 2 * MARGIN), str(height * CELL_HEIGHT + 2 * MARGIN),
        ]  # fmt: skip
        words = " ".join(text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text"))
        assert run.id in words.replace("- ", "-")  # of two colours in the table
        assert "done" in words


def test_a_picture_that_cannot_be_written_is_one_line(run: RunDir, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run.path), "--svg", str(run.path / "no" / "where.svg")]) == 2
    assert capsys.readouterr().err.startswith("trainwatch: cannot write")


@pytest.mark.parametrize("size", ["160", "0x5", "axb", "5000x5", "-1x5", ""])
def test_a_size_is_columns_and_rows(run: RunDir, size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(run.path), "--once", f"--size={size}"])
    assert "160x48" in capsys.readouterr().err


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


@pytest.mark.parametrize("flag", ["--json", "--once", "--svg=-"])
def test_scripts_load_neither_textual_nor_the_trainer(run: RunDir, flag: str) -> None:
    code = (
        "import sys; from trainwatch.cli import main; [main([each, sys.argv[1]]) for each in sys.argv[2:]]; "
        "heavy = {'textual', 'torch', 'transformers', 'traind', 'watchdog', 'plotext'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    words = [sys.executable, "-c", code, flag, str(run.path), str(run.path.parent)]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(run.id) >= 2


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


def test_json_has_no_order_to_a_checkpoint_that_is_gone(run: RunDir) -> None:
    back = {"verb": "rollback", "args": {"step": 5, "lr_factor": 0.33}}
    append(run.events, [alert(8, order=back), alert(9, rule="spike", order={"verb": "stop"})])
    orders = [each["order"] for each in json.loads(as_json(run))["alerts"] if "order" in each]
    assert orders == [{"verb": "stop"}]
    append(run.events, [put_checkpoint(run, 5)])
    orders = [each["order"] for each in json.loads(as_json(run))["alerts"]]
    assert back in orders
    damaged = alert(9, rule="other", order={"verb": "rollback", "args": [1]})
    unhashable = alert(9, rule="third", order={"verb": "rollback", "args": {"step": [1]}})
    append(run.events, [damaged, unhashable])
    assert len(json.loads(as_json(run))["alerts"]) == 4
