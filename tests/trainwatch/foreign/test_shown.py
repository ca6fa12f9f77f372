"""What other programs wrote, from the command line to the screen: read-only, and one clear message where it fails."""

import json
from pathlib import Path

import pytest

from rundir.layout import RunDir
from tests.trainwatch.foreign.logs import Events
from tests.trainwatch.runs import make_run
from trainwatch.cli import main
from trainwatch.dashboard import View, situation
from trainwatch.lens import Extent
from trainwatch.paint import text_of
from trainwatch.panes.chart import Scales, paint_chart
from trainwatch.panes.charts import chart_of
from trainwatch.panes.footer import paint_keys
from trainwatch.snapshot import as_text, read_run


@pytest.fixture(params=["tensorboard", "csv", "trainer_state"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The same ten steps, and an evaluation at the last, as each of them holds them."""
    if request.param == "tensorboard":
        events = Events(tmp_path / "logs" / "events.out.tfevents.1.host")
        for step in range(1, 11):
            events.scalars(step, {"train/loss": 8 / step, "train/learning_rate": 0.5})
        events.scalars(10, {"eval/loss": 0.5, "eval/f1": 0.25})
        return tmp_path / "logs"
    if request.param == "csv":
        rows = [f"{step},{8 / step},0.5,," for step in range(1, 11)]
        (tmp_path / "log.csv").write_text("\n".join(["step,train_loss,lr,val_loss,val_f1", *rows, "10,,,0.5,0.25", ""]))
        return tmp_path / "log.csv"
    history = [{"step": step, "loss": 8 / step, "learning_rate": 0.5} for step in range(1, 11)]
    text = json.dumps({"log_history": [*history, {"step": 10, "eval_loss": 0.5, "eval_f1": 0.25}]})
    (tmp_path / "trainer_state.json").write_text(text)
    return tmp_path / "trainer_state.json"


@pytest.mark.parametrize(("width", "height"), [(160, 48), (80, 24), (40, 10)])
def test_it_is_on_screen_and_read_only(source: Path, width: int, height: int) -> None:
    text = as_text(RunDir(source), width, height)
    assert "10 steps  read-only" in text
    assert "loss 0.8" in text
    if width >= 80:
        assert ", read-only" in text.splitlines()[0]
        assert source.name in text.splitlines()[0]
    if width >= 160:
        assert "eval @ 10" in text
        assert "0.2500" in text


def test_nothing_empty_is_shown_and_what_is_not_recorded_is_said(source: Path) -> None:
    text = as_text(RunDir(source), 160, 48)
    assert "not recorded: gradient norm, memory, console, orders" in text
    for empty in ("no values yet", "nothing printed yet", "none given", "ETA", "elapsed"):
        assert empty not in text
    assert "grad norm" not in text
    assert "events" in text  # where the rules that run here say what they find


def test_the_axis_ends_where_the_data_do(tmp_path: Path) -> None:
    """Nobody has said how many steps there are to be, as a Trainer does."""
    path = tmp_path / "log.csv"
    path.write_text("step,loss\n" + "".join(f"{step},{9 / step}\n" for step in range(1, 332)))
    chart = chart_of("loss", read_run(RunDir(path)))
    _, scales = paint_chart(chart, 80, 12, Scales())
    assert scales.whole == Extent(0.0, 331.0)
    state = tmp_path / "trainer_state.json"
    state.write_text(json.dumps({"max_steps": 30, "log_history": [{"step": 20, "loss": 1.0}]}))
    _, scales = paint_chart(chart_of("loss", read_run(RunDir(state))), 80, 12, Scales())
    assert scales.whole == Extent(0.0, 30.0)


def test_a_run_of_ours_keeps_its_panes(tmp_path: Path) -> None:
    text = as_text(make_run(tmp_path), 160, 48)
    assert "not recorded" not in text
    assert "orders" in text
    assert "ETA" in text


def test_no_key_gives_an_order(source: Path) -> None:
    store = read_run(RunDir(source))
    keys = text_of(paint_keys(situation(store, View()), 200))
    assert "help" in keys
    assert "pause" not in keys
    assert "stop" not in keys


def test_the_command_line_opens_it(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(source), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["step"], found["loss"], found["lr"]) == (10, pytest.approx(0.8), 0.5)
    assert found["eval"] == {"step": 10, "loss": 0.5, "metrics": {"f1": 0.25}}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", b"hello", "notes.txt: neither a run nor TensorBoard events, a CSV with a step column"),
        ("a.csv", b"name,age\n", "a.csv: no column of steps"),
        ("events.out.tfevents.1", b"x" * 40, "events.out.tfevents.1: no TensorBoard events"),
        ("trainer_state.json", b"{}", "trainer_state.json: no state of a Trainer"),
    ],
)
def test_what_cannot_be_shown_is_one_line_and_code_2(
    tmp_path: Path, name: str, content: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert main([str(tmp_path / name), "--once"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_an_empty_directory_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--once"]) == 2
    assert f"no runs in {tmp_path}/, nor TensorBoard events" in capsys.readouterr().err
