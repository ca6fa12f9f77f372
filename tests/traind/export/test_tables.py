"""CSV, Parquet and event files, read back by pandas, pyarrow and TensorBoard's own loader: equal, odd values too."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from rundir import records as r
from rundir.layout import RunDir
from tests.protocol import records as strategies
from tests.traind.export import stories
from traind.export.csv_files import export_csv
from traind.export.parquet_files import export_parquet
from traind.export.recording import Recording, read_recording
from traind.export.table import tables
from traind.export.tensorboard_files import export_tensorboard


def read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path)


def scalar_values(directory: Path, tag: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    loader = EventAccumulator(str(directory), size_guidance={"scalars": 0})
    loader.Reload()
    return [(event.step, event.value) for event in loader.Scalars(tag)]


def same(found: Any, expected: Any) -> bool:
    return np.array_equal(np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64), equal_nan=True)


def test_csv_holds_what_a_resume_left(tmp_path: Path) -> None:
    export_csv(read_recording(stories.golden(tmp_path)), tmp_path / "out")
    steps = read_csv(tmp_path / "out" / "steps.csv")
    assert steps["step"].tolist() == list(range(1, 9))
    assert steps["attempt"].tolist() == [1] * 4 + [2] * 4
    assert steps["loss"].tolist() == [2.0, 1.5, 1.25, 1.125, 1.0625, 1.03125, -0.0, 5e-324]
    assert same(steps["loss_scale"], [math.nan] * 4 + [65536.0] * 4)
    assert same(steps["gpu_mem_allocated_bytes"], [math.nan] * 4 + [2**40] * 4)
    evals = read_csv(tmp_path / "out" / "evals.csv")
    assert evals["loss"].tolist() == [1.0, 1.25, math.inf]
    assert evals["best"].tolist() == [True, False, False]
    assert same(evals["f1"], [1 / 3, 0.25, math.nan])
    assert read_csv(tmp_path / "out" / "epochs.csv")["token_accuracy"].tolist() == [0.75]
    labels = read_csv(tmp_path / "out" / "labels.csv")
    assert labels["step"].tolist() == [4, 6, 6]
    first = {"step": 4, "label": "Slogans", "precision": 0.5, "recall": 0.25, "f1": 1 / 3, "support": 4.0}
    assert labels.to_dict("records")[0] == first
    assert read_csv(tmp_path / "out" / "system.csv")["gpu0_power_w"].tolist()[0] == 412.5


def test_parquet_tells_nan_from_nothing(tmp_path: Path) -> None:
    run = stories.scored(tmp_path)
    stories.write(run, [stories.step(1, "nan", metrics={"loss": 3.0}), stories.step(2, "-inf", grad_norm="inf")], [])
    export_parquet(read_recording(run), tmp_path / "out")
    steps = parquet.read_table(tmp_path / "out" / "steps.parquet").to_pydict()
    assert math.isnan(steps["loss"][0])
    assert steps["loss"][1] == -math.inf
    assert steps["grad_norm"] == [None, math.inf]
    assert steps["metric_loss"] == [3.0, None]
    assert str(parquet.read_schema(tmp_path / "out" / "evals.parquet").field("step").type) == "int64"


def test_confusion_and_samples_are_tables(tmp_path: Path) -> None:
    recording = read_recording(stories.scored(tmp_path))
    export_parquet(recording, tmp_path / "out")
    confusion = parquet.read_table(tmp_path / "out" / "confusion.parquet").to_pylist()
    assert confusion[2] == {"step": 2, "true": "<b>pos|", "predicted": "neg", "count": 2}
    assert len(confusion) == 8
    samples = parquet.read_table(tmp_path / "out" / "samples.parquet").to_pylist()
    assert samples[1] == {"step": 4, "prompt": "Where <i>", "text": " is my | card?\n</script>"}


def test_tensorboard_reads_the_same_numbers(tmp_path: Path) -> None:
    recording = read_recording(stories.golden(tmp_path))
    export_tensorboard(recording, tmp_path / "out")
    losses = scalar_values(tmp_path / "out", "train/loss")
    assert losses == [(record.step, float(np.float32(r.number(record.loss)))) for record in recording.steps]
    assert scalar_values(tmp_path / "out", "eval/loss") == [(4, 1.0), (6, 1.25), (8, math.inf)]
    assert scalar_values(tmp_path / "out", "label/Slogans/support") == [(4, 4.0), (6, 3.0)]
    assert scalar_values(tmp_path / "out", "epoch/f1") == [(4, 0.5)]
    assert scalar_values(tmp_path / "out", "system/gpu0_power_w") == [(0, 412.5)]


def test_what_32_bits_cannot_hold_is_infinite(tmp_path: Path) -> None:
    run = stories.write(RunDir(tmp_path / "run"), [stories.step(1, 1e300), stories.step(2, "nan")], [])
    export_tensorboard(read_recording(run), tmp_path / "out")
    (first, second) = scalar_values(tmp_path / "out", "train/loss")
    assert first == (1, math.inf)
    assert math.isnan(second[1])


def test_a_second_event_file_replaces_the_first_and_nothing_else(tmp_path: Path) -> None:
    other = tmp_path / "out" / "events.out.tfevents.1.somebody"
    other.parent.mkdir()
    other.touch()
    recording = read_recording(stories.golden(tmp_path))
    export_tensorboard(recording, tmp_path / "out")
    written = export_tensorboard(recording, tmp_path / "out")
    assert sorted(other.parent.iterdir()) == sorted([other, *written])
    assert len(written) == 1


def test_tensorboard_shows_configuration_and_samples_as_text(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = stories.scored(tmp_path)
    run.config_toml.write_text('name = "x"\n')
    export_tensorboard(read_recording(run), tmp_path / "out")
    loader = EventAccumulator(str(tmp_path / "out"))
    loader.Reload()
    assert loader.Tensors("config")[0].tensor_proto.string_val == [b'    name = "x"\n']
    assert [event.step for event in loader.Tensors("sample/0")] == [2, 4]


def test_an_empty_run_gives_headers(tmp_path: Path) -> None:
    recording = read_recording(stories.empty(tmp_path))
    assert [path.name for path in export_csv(recording, tmp_path / "csv")] == ["steps.csv", "evals.csv", "epochs.csv"]
    assert read_csv(tmp_path / "csv" / "steps.csv").empty
    export_parquet(recording, tmp_path / "parquet")
    assert parquet.read_table(tmp_path / "parquet" / "steps.parquet").num_rows == 0
    assert len(export_tensorboard(recording, tmp_path / "tensorboard")) == 1


def test_a_lost_resume_marker_leaves_one_curve(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    stories.write(run, [stories.step(n, n / 2) for n in (1, 2, 3)] + [stories.step(2, 9.0, attempt=2)], [])
    assert [(s.step, s.loss) for s in read_recording(run).steps] == [(1, 0.5), (2, 9.0), (3, 1.5)]


@given(st.lists(strategies.metrics_records, max_size=6), st.lists(strategies.system_records, max_size=2))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_no_record_breaks_a_table(tmp_path: Path, metrics: list[r.MetricsRecord], system: list[r.SystemRecord]) -> None:
    run = stories.write(RunDir(tmp_path / "run"), metrics, [])
    run.system.write_bytes(b"".join(map(r.encode, system)))
    recording = read_recording(run)
    for table in tables(recording):
        assert {len(values) for values in table.columns.values()} <= {table.num_rows}
    export_csv(recording, tmp_path / "csv")
    export_parquet(recording, tmp_path / "parquet")
    steps = parquet.read_table(tmp_path / "parquet" / "steps.parquet")
    assert steps["step"].to_pylist() == [record.step for record in recording.steps]


@pytest.mark.parametrize("kind", ["golden", "empty", "scored"])
def test_reading_leaves_the_run_alone(tmp_path: Path, kind: str) -> None:
    run = getattr(stories, kind)(tmp_path)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    assert isinstance(read_recording(run), Recording)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before
