"""CSV files in the viewer: of any writer with a step column, and of our own sink."""

from pathlib import Path

import pytest

from rundir.layout import RunDir
from tests.trainwatch.foreign.logs import Viewed
from tests.trainwatch.runs import evaluation, steps
from traind.sinks.csv_sink import CsvSink
from trainwatch.foreign.find import open_source
from trainwatch.foreign.source import ForeignError


def test_it_is_followed_as_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,train_loss,lr\n1,4.0,0.1\n2,2.0,0.1\n3,1.")
    viewed = Viewed(path)
    assert viewed.column("loss") == {1: 4.0, 2: 2.0}
    with open(path, "a", encoding="ascii") as file:
        file.write("5,0.1\n4,inf,0.1\n")
    viewed.look()
    assert viewed.column("loss") == {1: 4.0, 2: 2.0, 3: 1.5, 4: float("inf")}
    path.write_text("step,train_loss\n1,9.0\n")  # begun anew
    viewed.look()
    viewed.look()
    assert viewed.column("loss") == {1: 9.0}


def test_what_lightning_writes(tmp_path: Path) -> None:
    """Its CSVLogger: an evaluation has a row of its own, cells that do not apply are empty."""
    path = tmp_path / "metrics.csv"
    path.write_text(
        "epoch,lr-AdamW,step,train_loss,val_acc,val_loss\n,0.1,0,,,\n0,,0,3.0,,\n0,,9,,0.5,2.0\n0,,9,1.5,,\n"
    )
    viewed = Viewed(path)
    assert viewed.column("loss") == {0: 3.0, 9: 1.5}
    assert viewed.column("lr") == {0: 0.1}
    assert viewed.evals == [(9, 2.0, {"acc": 0.5})]


def test_what_keras_writes(tmp_path: Path) -> None:
    path = tmp_path / "training.csv"
    path.write_text("epoch;accuracy;loss;val_accuracy;val_loss\n0;0.5;1.0;0.4;1.1\n1;0.6;nan;0.5;1.0\n")
    viewed = Viewed(path)
    assert viewed.column("accuracy") == {0: 0.5, 1: 0.6}
    assert viewed.column("loss") == {0: 1.0}
    assert viewed.evals == [(0, 1.1, {"accuracy": 0.4}), (1, 1.0, {"accuracy": 0.5})]


def test_what_tensorboard_lets_one_download(tmp_path: Path) -> None:
    path = tmp_path / "run-.-tag-train_loss.csv"
    path.write_text("Wall time,Step,Value\n1700000000.5,1,2.5\n1700000001.5,2,1.5\n")
    viewed = Viewed(path)
    assert viewed.column("loss") == {1: 2.5, 2: 1.5}
    assert viewed.column("at") == {1: 1700000000.5, 2: 1700000001.5}


def test_our_own_sink_reads_as_the_run_does(run_dir: RunDir) -> None:
    sink = CsvSink(run_dir, None)
    for record in [*steps(50), evaluation(50, 0.5, 0.25)]:
        sink.write(record)
    sink.close()
    for viewed in (Viewed(run_dir.csv), Viewed(run_dir.csv / "steps.csv")):
        assert viewed.column("loss") == {step: 10 / step for step in range(1, 51)}
        assert viewed.column("epoch")[50] == 0.5
    assert Viewed(run_dir.csv).evals == [(50, 0.5, {"f1": 0.25, "precision": 0.5, "recall": 0.25})]


def test_a_stray_carriage_return_costs_its_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"step,loss\r\n1,4.0\r\n2,\r2.0\r\n3,1.0\r\n")
    assert Viewed(path).column("loss").keys() >= {1, 3}
    path.write_bytes(b'st\rp,loss,va"l\n')
    with pytest.raises(ForeignError, match="no column of steps"):
        open_source(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty; a CSV begins with the names of its columns"),
        ("\x1b[2Jname\n", "found: ␛.2Jname"),
        ("name,age\nx,3\n", "no column of steps, which is called one of step, .*; found: name, age"),
    ],
)
def test_what_cannot_be_shown_is_said(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "some.csv"
    path.write_text(text)
    with pytest.raises(ForeignError, match=reason):
        open_source(path)
