"""TensorBoard's event files in the viewer: those of its own writer, live ones, and broken ones."""

import contextlib
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from torch.utils.tensorboard import SummaryWriter

from rundir.layout import RunDir
from tests.trainwatch.foreign.logs import Events, Viewed
from traind.sinks.tensorboard_sink import TensorBoardSink
from trainwatch.foreign.find import open_source
from trainwatch.foreign.source import ForeignError
from trainwatch.foreign.tfevents import BrokenError, EventParser, masked_crc, records


@given(st.binary(max_size=64))
def test_the_checksum_is_theirs(data: bytes) -> None:
    assert masked_crc(data) == masked_crc32c(data)


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_say_that_they_are_none(data: bytes) -> None:
    for read in (lambda: list(records(data)), lambda: EventParser().parse(data)):
        with contextlib.suppress(BrokenError):
            read()


@given(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(min_size=1), st.floats(width=32))
def test_an_event_is_read_as_it_was_written(step: int, at: float, tag: str, value: float) -> None:
    summary = Summary(
        value=[Summary.Value(tag=tag, simple_value=value), Summary.Value(tag="image", image=Summary.Image())]
    )
    parser, data = EventParser(), Event(wall_time=at, step=step, summary=summary).SerializeToString()
    event = parser.parse(data)
    assert (event.step, event.at, event.tags) == (step, at, (tag,))
    assert event.values == (value,) or (math.isnan(event.values[0]) and math.isnan(value))


@given(
    st.lists(
        st.dictionaries(st.text(min_size=1, max_size=3), st.floats(width=32, allow_nan=False), max_size=3), max_size=12
    )
)
def test_what_was_learnt_of_earlier_events_changes_nothing(rows: list[dict[str, float]]) -> None:
    """Few letters, so that summaries of one length and other tags follow one another."""
    parser = EventParser()
    for row in [*rows, *rows]:
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in row.items()])
        event = parser.parse(Event(summary=summary).SerializeToString())
        assert dict(zip(event.tags, event.values, strict=True)) == row


@pytest.mark.parametrize(
    "tensor",
    [
        TensorProto(dtype=1, tensor_content=struct.pack("<f", 0.5)),  # DT_FLOAT, as TensorFlow 2 writes
        TensorProto(dtype=2, tensor_content=struct.pack("<d", 0.5)),
        TensorProto(dtype=1, float_val=[0.5]),
        TensorProto(dtype=2, double_val=[0.5]),
    ],
)
def test_a_tensor_of_one_element_is_a_scalar(tensor: TensorProto) -> None:
    summary = Summary(value=[Summary.Value(tag="loss", tensor=tensor)])
    event = EventParser().parse(Event(step=3, summary=summary).SerializeToString())
    assert (event.tags, event.values) == (("loss",), (0.5,))


def test_what_torch_writes(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        for step in range(1, 6):
            writer.add_scalar("Loss/train", 1 / step, step)
            writer.add_scalar("lr", 0.1 * step, step)
        writer.add_scalar("Loss/train", math.nan, 6)
        writer.add_scalar("Loss/test", 0.5, 5)
        writer.add_scalar("Accuracy/test", 0.75, 5)
        writer.add_histogram("weights", np.zeros(3), 5)
    viewed = Viewed(tmp_path)
    assert viewed.column("loss") == pytest.approx({step: 1 / step for step in range(1, 6)})
    assert viewed.column("lr") == pytest.approx({step: 0.1 * step for step in range(1, 6)})
    assert viewed.evals == [(5, 0.5, {"Accuracy": 0.75})]
    loss = viewed.store.steps.column("loss")
    assert loss is not None
    assert loss.marks.tolist() == [5]  # the NaN is there, and no gap
    assert viewed.store.opened.source == "TensorBoard events"


def test_a_live_file_is_followed(tmp_path: Path) -> None:
    events = Events(tmp_path / "events.out.tfevents.1.host")
    events.scalars(1, {"train/loss": 4.0})
    viewed = Viewed(tmp_path)
    assert viewed.column("loss") == {1: 4.0}
    events.scalars(2, {"train/loss": 2.0})
    events.scalars(2, {"train/lr": 0.5})
    viewed.look()
    assert (viewed.column("loss"), viewed.column("lr")) == ({1: 4.0, 2: 2.0}, {2: 0.5})
    events.scalars(2, {"train/grad_norm": 8.0})  # late, to a step that is shown
    events.scalars(3, {"eval/loss": 1.0, "eval/f1": 0.5})
    viewed.look()
    assert (viewed.column("grad_norm"), viewed.column("loss")) == ({2: 8.0}, {1: 4.0, 2: 2.0})
    assert viewed.evals == [(3, 1.0, {"f1": 0.5})]
    Events(tmp_path / "events.out.tfevents.2.host").scalars(3, {"train/loss": 1.0})  # a second file goes on
    viewed.look()
    assert viewed.column("loss") == {1: 4.0, 2: 2.0, 3: 1.0}


def test_a_torn_record_waits_for_its_rest(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1.host"
    events = Events(path)
    events.scalars(1, {"loss": 4.0})
    events.scalars(2, {"loss": 2.0})
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        viewed = Viewed(tmp_path)
        assert set(viewed.column("loss")) <= {1, 2}
        with open(path, "ab") as file:
            file.write(whole[cut:])
        viewed.look()
        assert viewed.column("loss") == {1: 4.0, 2: 2.0}
        assert not viewed.store.status_fault


def test_a_restart_takes_back_what_it_overtakes(tmp_path: Path) -> None:
    events = Events(tmp_path / "events.out.tfevents.1.host")
    for step in (1, 2, 3):
        events.scalars(step, {"loss": float(step), "eval/loss": float(step)})
    viewed = Viewed(tmp_path)
    events.start_at(2)
    events.scalars(2, {"loss": 20.0})
    viewed.look()
    assert viewed.column("loss") == {1: 1.0, 2: 20.0}
    assert [step for step, _, _ in viewed.evals] == [1]


def test_our_own_sink_reads_as_the_run_does(run_dir: RunDir) -> None:
    from tests.trainwatch.runs import evaluation, steps

    sink = TensorBoardSink(run_dir, None)
    for record in [*steps(50), evaluation(50, 0.5, 0.25)]:
        sink.write(record)
    sink.commit()
    sink.close()
    viewed = Viewed(run_dir.tensorboard)
    assert viewed.column("loss") == pytest.approx({step: 10 / step for step in range(1, 51)})
    assert viewed.column("grad_norm")[50] == 1.5
    assert viewed.evals == [(50, 0.5, {"f1": 0.25, "precision": 0.5, "recall": 0.25})]


def test_parts_of_one_log_are_one_run(tmp_path: Path) -> None:
    Events(tmp_path / "train" / "events.out.tfevents.1.v2").scalars(1, {"epoch_loss": 2.0})
    Events(tmp_path / "validation" / "events.out.tfevents.1.v2").scalars(1, {"epoch_loss": 3.0})
    viewed = Viewed(tmp_path)
    assert viewed.column("loss") == {1: 2.0}
    assert viewed.evals == [(1, 3.0, {})]


def test_several_logs_are_named_to_choose_from(tmp_path: Path) -> None:
    for name in ("one", "two"):
        Events(tmp_path / name / "events.out.tfevents.1").scalars(1, {"loss": 2.0})
    with pytest.raises(ForeignError, match="several TensorBoard logs; choose one of its directories: one, two"):
        open_source(tmp_path)
    assert Viewed(tmp_path / "one").column("loss") == {1: 2.0}


def test_what_is_no_event_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.1").write_bytes(b"not at all what it is called\n" * 3)
    with pytest.raises(ForeignError, match=r"tfevents\.1: no TensorBoard events: the length of a record"):
        open_source(tmp_path)


def test_a_file_that_breaks_off_keeps_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    Events(path).scalars(1, {"loss": 2.0})
    with open(path, "ab") as file:
        file.write(bytes(range(64)))
    viewed = Viewed(tmp_path)
    assert viewed.column("loss") == {1: 2.0}
    assert "read up to byte" in viewed.store.status_fault


def test_a_file_begun_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    for step in (1, 2, 3):
        Events(path).scalars(step, {"loss": float(step)})
    viewed = Viewed(tmp_path)
    path.unlink()
    Events(path).scalars(1, {"loss": 7.0})
    viewed.look()
    viewed.look()
    assert viewed.column("loss") == {1: 7.0}
