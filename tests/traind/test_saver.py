"""The saving thread: a checkpoint that could not be written is said, whatever the library calls the fault."""

from pathlib import Path

import pytest
from safetensors import SafetensorError
from torch import Tensor

from rundir.layout import RunDir
from rundir.records import EVENT_DECODER, AlertEvent, CheckpointEvent, LifecycleEvent, Severity, decode_lines
from tests.traind.host_tensors import copy_of
from tests.traind.test_checkpoint import make_state
from traind import lineage
from traind.checkpoint import Snapshot
from traind.eventlog import EventLog
from traind.model_writer import ModelWriter
from traind.saver import Saver
from traind.storage_alert import StorageAlert
from traind.training_state import TrainingState


def write_nothing(weights: dict[str, Tensor], directory: Path) -> None:
    (directory / "model.safetensors").write_bytes(b"")


@pytest.fixture
def saver(run_dir: RunDir) -> Saver:
    events = EventLog(run_dir.events, "trainer", 1, run_dir.reserve)
    return Saver(run_dir, events, StorageAlert(events), keep_last=2, sync_records=lambda: None)


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), SafetensorError("I/O error: No space left")])
def test_a_failed_save_is_an_event_and_the_step_is_saved_next_time(
    run_dir: RunDir, saver: Saver, fault: Exception
) -> None:
    def fail(weights: dict[str, Tensor], directory: Path) -> None:
        raise fault

    state = make_state(4)
    saver.submit(Snapshot(state, copy_of({}), copy_of({})), ModelWriter(fail), began=0.0)
    saver.join()
    assert not saver.has(state)
    saver.submit(Snapshot(state, copy_of({}), copy_of({})), ModelWriter(write_nothing), began=0.0)
    saver.join()
    assert saver.has(state)
    failed, raised, cleared, saved = decode_lines(run_dir.events.read_bytes(), EVENT_DECODER).records
    assert isinstance(failed, LifecycleEvent)
    assert (failed.what, failed.step) == ("checkpoint_failed", 4)
    assert isinstance(saved, CheckpointEvent)
    for alert, change in ((raised, "raised"), (cleared, "cleared")):
        assert isinstance(alert, AlertEvent)
        assert (alert.rule, alert.change, alert.severity) == ("storage", change, Severity.CRITICAL)


def save(saver: Saver, state: TrainingState) -> None:
    saver.submit(Snapshot(state, copy_of({}), copy_of({})), ModelWriter(write_nothing), began=0.0)
    saver.join()


def events_of(run: RunDir) -> list[LifecycleEvent]:
    records = decode_lines(run.events.read_bytes(), EVENT_DECODER).records
    return [record for record in records if isinstance(record, LifecycleEvent)]


def test_a_pruning_that_was_cut_short_is_made_up_for(
    run_dir: RunDir, saver: Saver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a policy goes back to is one of those that are there: a kill must not leave another choice."""
    with monkeypatch.context() as killed:
        killed.setattr(lineage, "remove", lambda path: None)  # noqa: ARG005
        for step in (2, 4, 6, 8):
            save(saver, make_state(step))
    assert lineage.steps(run_dir) == [8, 6, 4, 2]
    saver.make_up(make_state(8))
    assert lineage.steps(run_dir) == [8, 6]


def test_a_save_that_would_find_no_room_is_skipped_and_said(run_dir: RunDir, saver: Saver) -> None:
    assert saver.make_way(make_state(2), 1000)
    save(saver, make_state(2))
    assert not saver.make_way(make_state(4), 2**60)
    (skipped,) = events_of(run_dir)
    assert (skipped.what, skipped.step) == ("checkpoint_skipped", 4)
    assert (skipped.detail or {})["need_bytes"] > 2**60 > (skipped.detail or {})["free_bytes"] > 0
    assert "step 2" in skipped.message
    assert lineage.steps(run_dir) == [2]
    assert saver.unsaved(4) == (
        "the last checkpoint could not be written: steps 3 to 4 are not saved; the newest on disk is that of step 2"
    )
    assert saver.unsaved(2) is None


def test_what_a_person_asked_for_stays_so_when_it_is_saved_again(run_dir: RunDir, saver: Saver) -> None:
    save(saver, make_state(1, reason="order"))
    save(saver, make_state(1, reason="schedule", evaluated_step=1))
    for step in (2, 3, 4):
        save(saver, make_state(step))
    assert lineage.steps(run_dir) == [4, 3, 1]


def test_the_best_one_on_disk_stays_while_a_better_one_has_no_checkpoint(run_dir: RunDir, saver: Saver) -> None:
    """The save of step 3, the best now, was skipped or has failed."""
    for step, best_step in ((1, 1), (2, 1), (4, 3), (5, 3), (6, 3)):
        save(saver, make_state(step, best_step=best_step))
    assert lineage.steps(run_dir) == [6, 5, 1]
    assert (run_dir.checkpoints / "best").readlink().name == "step-00000001"


def test_the_best_one_of_a_checkpoint_that_may_be_gone_back_to_stays(run_dir: RunDir, saver: Saver) -> None:
    for step, best_step in ((1, 1), (2, 1), (3, 1), (4, 4)):
        save(saver, make_state(step, best_step=best_step))
    assert lineage.steps(run_dir) == [4, 3, 1]
    lineage.supersede_beyond(run_dir, 3, 2)
    assert not (run_dir.checkpoints / "best").is_symlink()
    save(saver, make_state(4, best_step=1, attempt=2))
    assert (run_dir.checkpoints / "best").readlink().name == "step-00000001"


def test_what_was_superseded_goes_before_a_save_is_skipped(run_dir: RunDir, saver: Saver) -> None:
    """But not what a person asked for."""
    for step, reason in ((1, "order"), (2, "schedule"), (3, "schedule")):
        save(saver, make_state(step, reason=reason))
    lineage.supersede_beyond(run_dir, 0, 1)
    assert lineage.superseded_bytes(run_dir) > 0
    assert not saver.make_way(make_state(4), 2**60)
    assert [str(path.relative_to(run_dir.superseded)) for path in run_dir.superseded.glob("*/*")] == ["1/step-00000001"]
    assert lineage.superseded_bytes(run_dir) == 0
    removed, skipped = (event for event in events_of(run_dir) if event.what != "checkpoint_failed")
    assert (removed.what, skipped.what) == ("superseded_removed", "checkpoint_skipped")
    assert "superseded/1/step-00000002, superseded/1/step-00000003" in removed.message


def test_a_damaged_newer_one_does_not_cost_the_older_ones(run_dir: RunDir) -> None:
    """Left behind by an earlier attempt, cut short or with one bit flipped: neither counts among the last two."""
    events = EventLog(run_dir.events, "trainer", 1, run_dir.reserve)
    first = Saver(run_dir, events, StorageAlert(events), 9, lambda: None)
    for step in (1, 2, 3, 4, 5):
        save(first, make_state(step))
    (run_dir.checkpoint(5) / "state.json").write_bytes(b"")
    flipped = run_dir.checkpoint(4) / "state.json"
    data = bytearray(flipped.read_bytes())
    data[-9] ^= 1
    flipped.write_bytes(data)
    second = Saver(run_dir, events, StorageAlert(events), 2, lambda: None)
    save(second, make_state(6))
    assert lineage.steps(run_dir) == [6, 5, 4, 3]
    (run_dir.checkpoint(6) / "model.safetensors").unlink()
    save(second, make_state(7))
    assert lineage.steps(run_dir) == [7, 6, 5, 4, 3]
    save(second, make_state(8))
    assert lineage.steps(run_dir) == [8, 7]
