"""From tensors to lines: exact floats, the first bad step, and a disk that has no room for a while."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from rundir.append import PENDING_LIMIT, RESERVE_BYTES
from rundir.layout import RunDir
from rundir.records import EVENT_DECODER, METRICS_DECODER, AlertEvent, LifecycleEvent, StepRecord, decode_lines
from traind.eventlog import EventLog
from traind.guard import Guard
from traind.recorder import HOLD_LINES, Recorder
from traind.storage_alert import StorageAlert

GUARD = Guard(torch.device("cpu"), spike_z=None)


@pytest.fixture
def recorder(run_dir: RunDir) -> Iterator[Recorder]:
    events = EventLog(run_dir.events, "trainer", 3, run_dir.reserve)
    recorder = Recorder(run_dir.metrics, 3, torch.device("cpu"), run_dir.reserve, events, StorageAlert(events))
    yield recorder
    recorder.close()
    events.close()


def log(recorder: Recorder, step: int, loss: float, *, is_logged: bool = True) -> None:
    tensor = torch.tensor(loss, dtype=torch.float64)
    GUARD.judge(tensor, torch.tensor(0.25), step)
    if is_logged:
        recorder.log_step(StepRecord(at=1.0, attempt=0, step=step, loss=0.0), tensor, torch.tensor(0.25), GUARD.take())


def records_of(run: RunDir) -> list[StepRecord]:
    return decode_lines(run.metrics.read_bytes(), METRICS_DECODER).records


def test_numbers_arrive_as_they_were(run_dir: RunDir, recorder: Recorder) -> None:
    log(recorder, 1, 1 / 3)
    (record,) = records_of(run_dir)
    assert (record.loss, record.grad_norm, record.attempt, record.seq) == (1 / 3, 0.25, 3, 1)
    assert record.metrics is None


def test_the_first_bad_step_since_the_last_record_is_told(run_dir: RunDir, recorder: Recorder) -> None:
    for step, loss in enumerate([0.5, 0.4, float("inf"), float("nan"), 0.3, 0.2], 1):
        log(recorder, step, loss, is_logged=step % 2 == 0)
    told = {"first_bad_step": 3.0, "skipped_updates": 2.0}
    assert [record.metrics for record in records_of(run_dir)] == [None, told, None]
    ((step, trouble),) = recorder.take_troubles()
    assert (step, trouble.num_skipped, trouble.in_a_row, trouble.first_step) == (4, 2, 2, 3)
    assert recorder.take_troubles() == []


@contextmanager
def files_no_larger_than(num_bytes: int) -> Iterator[None]:
    """A real short write at the limit, then a real error: as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_costs_no_record(run_dir: RunDir, recorder: Recorder) -> None:
    run_dir.reserve.write_bytes(bytes(4096))
    with files_no_larger_than(2000):
        for step in range(1, 41):
            log(recorder, step, 0.5)
        assert len(records_of(run_dir)) < 40
    log(recorder, 41, 0.5)
    assert [record.step for record in records_of(run_dir)] == list(range(1, 42))
    events = decode_lines(run_dir.events.read_bytes(), EVENT_DECODER).records
    assert [event.what for event in events if isinstance(event, LifecycleEvent)] == ["disk_full", "disk_ok"]
    alerts = [event for event in events if isinstance(event, AlertEvent)]
    assert [(alert.rule, alert.change) for alert in alerts] == [("storage", "raised"), ("storage", "cleared")]
    assert run_dir.reserve.stat().st_size == RESERVE_BYTES  # for the next time


def test_the_loop_is_told_to_hold_before_any_record_is_dropped(run_dir: RunDir, recorder: Recorder) -> None:
    with files_no_larger_than(2000):
        step = 0
        while not recorder.must_hold:
            step += 1
            log(recorder, step, 0.5)
        assert step < HOLD_LINES + 100 < PENDING_LIMIT
        assert not recorder.has_room()
    assert recorder.has_room()
    assert not recorder.must_hold
    assert [record.step for record in records_of(run_dir)] == list(range(1, step + 1))


def test_a_second_attempt_appends(run_dir: RunDir, tmp_path: Path) -> None:
    for attempt in (1, 2):
        events = EventLog(tmp_path / "events.jsonl", "trainer", attempt, run_dir.reserve)
        recorder = Recorder(
            run_dir.metrics, attempt, torch.device("cpu"), run_dir.reserve, events, StorageAlert(events)
        )
        log(recorder, attempt, 0.5)
        recorder.close()
        events.close()
    assert [(record.attempt, record.seq) for record in records_of(run_dir)] == [(1, 1), (2, 1)]
