"""The saving thread: a checkpoint that could not be written is said, whatever the library calls the fault."""

from pathlib import Path

import pytest
from safetensors import SafetensorError
from torch import Tensor

from rundir.layout import RunDir
from rundir.records import EVENT_DECODER, CheckpointEvent, LifecycleEvent, decode_lines
from tests.traind.test_checkpoint import make_state
from traind.checkpoint import Snapshot
from traind.eventlog import EventLog
from traind.saver import Saver


def write_nothing(weights: dict[str, Tensor], directory: Path) -> None:
    (directory / "model.safetensors").write_bytes(b"")


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), SafetensorError("I/O error: No space left")])
def test_a_failed_save_is_an_event_and_the_step_is_saved_next_time(run_dir: RunDir, fault: Exception) -> None:
    def fail(weights: dict[str, Tensor], directory: Path) -> None:
        raise fault

    events = EventLog(run_dir.events, "trainer", 1, run_dir.reserve)
    saver = Saver(run_dir, events, keep_last=2, sync_records=lambda: None)
    state = make_state(4)
    saver.submit(Snapshot(state, {}, {}), fail, began=0.0)
    saver.join()
    assert not saver.has(state)
    saver.submit(Snapshot(state, {}, {}), write_nothing, began=0.0)
    saver.join()
    assert saver.has(state)
    failed, saved = decode_lines(run_dir.events.read_bytes(), EVENT_DECODER).records
    assert isinstance(failed, LifecycleEvent)
    assert (failed.what, failed.step) == ("checkpoint_failed", 4)
    assert isinstance(saved, CheckpointEvent)
