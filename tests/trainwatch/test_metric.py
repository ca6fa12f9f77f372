"""Every series by name, over every axis; the axes grow with the run and are cut with it."""

from pathlib import Path

import numpy as np
import pytest

from rundir.layout import RunDir
from rundir.records import EpochRecord, ResumeRecord
from rundir.series import STEP_FIELDS
from tests.trainwatch.runs import START_AT, append, evaluation, make_run, memory, step, steps
from trainwatch.feed import Feed, read_opened
from trainwatch.lens import XAxis
from trainwatch.metric import Lines, group_of, written
from trainwatch.store import Store


class Read:
    """A run, its store and its lines, read as far as it goes."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self.store = Store(run, read_opened(run))
        self.lines = Lines(self.store)
        self._feed = Feed(run, STEP_FIELDS)

    def on(self) -> "Read":
        self.store.apply(self._feed.poll())
        while not self.store.caught_up:
            self.store.apply(self._feed.poll())
        return self

    def x(self, name: str, axis: XAxis) -> list[float]:
        line = self.lines.line(name, axis)
        assert line is not None
        assert len(line.x) == len(line.column)
        return [round(float(value), 6) for value in line.x]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    run = make_run(tmp_path)
    records = [step(i, 1.0 / i, epoch=i / 4, step_s=0.5, tokens_per_s=100.0, metrics={"a/b": 1.0}) for i in range(1, 9)]
    append(run.metrics, [*records, evaluation(4, 0.5, 0.25, epoch=1.0), evaluation(8, 0.4, 0.5)])
    append(run.metrics, [EpochRecord(at=START_AT + 4, attempt=1, step=4, epoch=1, loss=0.6)])
    append(run.system, memory(4))
    return Read(run).on()


def test_all_that_was_recorded_has_a_name(read: Read) -> None:
    names = read.lines.names
    assert names[:2] == ["loss", "eval/loss"]
    assert {"tokens_per_s", "step_s", "a/b", "eval/f1", "epoch/loss", "system/rss"} <= set(names)
    assert not {"at", "epoch"} & set(names)
    assert len(names) == len(set(names))
    assert read.lines.line("nothing", XAxis.STEP) is None
    assert [group_of(name) for name in ("loss", "eval/f1", "a/b")] == ["train", "eval", "a"]
    assert written("system/rss", 2.0**31) == "2 GiB"


def test_against_every_axis(read: Read) -> None:
    assert read.x("loss", XAxis.STEP) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert read.x("loss", XAxis.EPOCH) == [0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]
    assert read.x("loss", XAxis.TOKENS) == [50.0 * i for i in range(1, 9)]
    assert read.x("loss", XAxis.TIME) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert read.x("eval/f1", XAxis.STEP) == [4, 8]
    assert read.x("eval/f1", XAxis.EPOCH) == [1, 2]
    assert read.x("eval/f1", XAxis.TOKENS) == [200, 400]
    assert read.x("eval/f1", XAxis.TIME) == [3, 7]
    assert read.x("epoch/loss", XAxis.TOKENS) == [200]
    assert read.x("system/rss", XAxis.TIME) == [-1, 1, 3, 5]
    assert read.x("system/rss", XAxis.STEP) == [1, 2, 4, 6]


def test_axes_grow_and_are_cut(read: Read) -> None:
    before = read.lines.axis(XAxis.TOKENS)
    assert before[-1] == 400
    append(read.run.metrics, [step(10, 0.1, step_s=0.5, tokens_per_s=100.0)])
    read.on()
    assert read.x("loss", XAxis.TOKENS)[-1] == 500  # the step between had no record
    assert read.x("loss", XAxis.EPOCH)[-1] == 2  # nothing is said: it stands still
    append(read.run.metrics, [ResumeRecord(at=START_AT + 99, attempt=2, step=4, reason="rollback")])
    append(read.run.metrics, [step(5, 0.3, attempt=2, step_s=2.0, tokens_per_s=100.0, epoch=1.25)])
    read.on()
    assert read.x("loss", XAxis.TOKENS) == [50, 100, 150, 200, 400]
    assert read.x("loss", XAxis.EPOCH) == [0.25, 0.5, 0.75, 1, 1.25]
    assert read.x("eval/f1", XAxis.STEP) == [4]


@pytest.mark.parametrize("axis", list(XAxis))
def test_records_without_what_an_axis_needs_break_nothing(tmp_path: Path, axis: XAxis) -> None:
    run = make_run(tmp_path)
    append(run.system, memory(2))
    read = Read(run).on()
    assert read.lines.line("system/rss", axis) is not None
    append(run.metrics, [step(1, "nan"), step(2, "inf"), evaluation(2, "nan", "nan"), *steps(2, first=3)])
    read.on()
    for name in read.lines.names:
        xs = read.x(name, axis)
        assert xs == sorted(xs)
        assert np.isfinite(xs).all()
    assert len(read.lines.at_steps([1.0, 99.0], axis)) == 2


@pytest.mark.parametrize("axis", list(XAxis))
def test_samples_of_the_machine_lie_where_they_would_if_all_were_read_at_once(read: Read, axis: XAxis) -> None:
    samples, records = memory(40), steps(60, first=9)
    for record in records:
        record.step_s, record.tokens_per_s = 0.5, 50.0
    for i in range(6):  # now the samples are ahead, now the steps
        append(read.run.system, samples[4 + 6 * i : 10 + 6 * i])
        read.on().x("system/rss", axis)
        append(read.run.metrics, records[10 * i : 10 * i + 10])
        if i == 3:
            append(read.run.metrics, [ResumeRecord(at=START_AT + 99, attempt=2, step=20), step(21, 0.5, attempt=2)])
        line = Lines(read.on().store).line("system/rss", axis)
        assert line is not None
        assert read.x("system/rss", axis) == [round(float(x), 6) for x in line.x]


def test_samples_are_placed_anew_when_their_log_begins_anew(read: Read) -> None:
    assert read.x("system/rss", XAxis.STEP) == [1, 2, 4, 6]
    read.run.system.unlink()
    append(read.run.system, memory(4)[2:])
    assert read.on().x("system/rss", XAxis.STEP) == [4, 6]


@pytest.mark.filterwarnings("error")
def test_no_claim_of_tokens_turns_the_axis_back_or_overflows(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    rates = [100.0, 1e300, 1e200, -1e300, 100.0]
    append(run.metrics, [step(i, 1.0, step_s=1e10, tokens_per_s=rate) for i, rate in enumerate(rates, 1)])
    x = np.array(Read(run).on().x("loss", XAxis.TOKENS))
    assert np.diff(x, prepend=0.0).tolist() == [1e12, 0.0, 1e15, 0.0, 1e12]


def test_an_epoch_beyond_all_numbers_is_none(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.metrics, [*steps(3), EpochRecord(at=START_AT, attempt=1, step=2, epoch=10**400, loss=0.5)])
    assert Read(run).on().x("epoch/loss", XAxis.EPOCH) == [0.02]


@pytest.mark.filterwarnings("error")
def test_what_is_no_instant_holds_up_no_axis(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    records, samples = steps(4), memory(4)
    records[0].at, records[2].at, samples[0].at, samples[2].at = 1.7e308, -1e300, 1e300, 1e20
    append(run.metrics, [*records, evaluation(3, 0.5, 0.5)])
    append(run.system, samples)
    read = Read(run).on()
    assert read.x("loss", XAxis.TIME) == [0, 0, 0, 2]
    assert read.x("system/rss", XAxis.TIME) == [0, 4]
    assert read.x("eval/f1", XAxis.TIME) == [1]


def test_the_axes_of_a_log_that_was_written_anew_are_its_own(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.metrics, [step(i, 1.0, epoch=i / 4) for i in range(1, 5)])
    read = Read(run).on()
    assert read.x("loss", XAxis.EPOCH) == [0.25, 0.5, 0.75, 1.0]
    run.metrics.unlink()
    append(run.metrics, [step(i, 1.0, epoch=i / 2) for i in range(1, 7)])
    read.on()
    assert read.x("loss", XAxis.EPOCH) == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
