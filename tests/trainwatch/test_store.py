"""The store: what holds after resumes, repeats, rewrites and odd lines."""

import errno
import math
import os
from pathlib import Path

import pytest

from rundir import layout, process
from rundir.layout import RunDir
from rundir.records import AlertEvent, CheckpointEvent, EpochRecord, LifecycleEvent, ResumeEvent, ResumeRecord, Severity
from rundir.status import Heart, Liveness, Phase, State, Status, read_status, write_status
from tests.trainwatch.runs import START_AT, append, evaluation, make_run, memory, outcome, set_status, step, steps
from trainwatch.dashboard import View, paint_text
from trainwatch.feed import Batch, Feed, Opened, read_opened
from trainwatch.panes.charts import chart_of
from trainwatch.snapshot import read_run
from trainwatch.store import CONSOLE_LINE_LENGTH, ORDERS_KEPT, Answer, Store


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return make_run(tmp_path)


def checkpoint(at_step: int) -> CheckpointEvent:
    path = f"checkpoints/step-{at_step:08d}"
    return CheckpointEvent(at=1.0, attempt=1, writer="trainer", step=at_step, path=path, size_bytes=7)


def alert(rule: str, change: str, at_step: int, severity: Severity = Severity.WARNING) -> AlertEvent:
    return AlertEvent(
        at=1.0, attempt=1, writer="supervisor", step=at_step, rule=rule, change=change,  # type: ignore[arg-type]
        severity=severity, message=f"since {at_step}", onset_step=at_step,
    )  # fmt: skip


def losses(store: Store) -> dict[float, float]:
    column = store.steps.column("loss")
    return {} if column is None else dict(zip(store.steps.x.tolist(), column.values.tolist(), strict=True))


def test_an_empty_directory_is_a_run_without_records(run: RunDir) -> None:
    store = read_run(run)
    assert store.caught_up
    assert store.last_step == 0
    assert store.status is None


def test_resume_truncates_steps_evaluations_and_epochs(run: RunDir) -> None:
    append(run.metrics, [*steps(10), evaluation(5, 1.0, 0.1), evaluation(10, 0.1, 0.9)])
    append(run.metrics, [EpochRecord(at=1.0, attempt=1, step=10, epoch=1, loss=1.0)])
    append(run.metrics, [ResumeRecord(at=1.0, attempt=2, step=6), *[step(i, -1.0, 2) for i in (7, 8)]])
    store = read_run(run)
    assert list(losses(store)) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [losses(store)[i] for i in (6, 7, 8)] == [10 / 6, -1.0, -1.0]
    assert [e.step for e in store.scores.records] == [5]
    assert store.scores.best["f1"] == 0.1
    assert store.epochs == []
    assert [seam.step for seam in store.seams] == [6]


def test_resume_from_before_an_earlier_seam_removes_it(run: RunDir) -> None:
    append(run.metrics, [*steps(10), ResumeRecord(at=1.0, attempt=2, step=8), step(9, 1.0, 2)])
    append(run.metrics, [ResumeRecord(at=1.0, attempt=3, step=3), step(4, 2.0, 3)])
    store = read_run(run)
    assert list(losses(store)) == [1, 2, 3, 4]
    assert [seam.step for seam in store.seams] == [3]


def test_a_lost_resume_marker_is_made_up_for(run: RunDir) -> None:
    append(run.metrics, [*steps(10), *[step(i, -1.0, 2) for i in (4, 5)]])
    store = read_run(run)
    assert list(losses(store)) == [1, 2, 3, 4, 5]
    assert losses(store)[4] == -1.0


def test_a_line_of_a_superseded_attempt_is_passed_over(run: RunDir) -> None:
    append(run.metrics, [*steps(3), ResumeRecord(at=1.0, attempt=2, step=3), step(4, 1.0, 2), step(9, 9.0, 1)])
    assert list(losses(read_run(run))) == [1, 2, 3, 4]


def test_a_repeated_line_counts_once(run: RunDir) -> None:
    append(run.metrics, [*steps(3), step(3, 10 / 3), evaluation(3, 1.0, 0.5), evaluation(3, 1.0, 0.5)])
    store = read_run(run)
    assert len(store.steps) == 3
    assert len(store.scores.records) == 1


def test_events_beyond_a_resume_are_superseded_outcomes_stay(run: RunDir) -> None:
    append(run.events, [checkpoint(5), alert("plateau", "raised", 4), alert("overfitting", "raised", 9)])
    append(run.events, [outcome("x", "eval", step=9), checkpoint(10)])
    append(run.events, [ResumeEvent(at=1.0, attempt=2, writer="trainer", step=5)])
    store = read_run(run)
    assert [c.step for c in store.checkpoints] == [5]
    assert [a.rule for a in store.active_alerts] == ["plateau"]
    assert [view.superseded for view in store.events] == [False, False, True, True, True, False]
    assert store.orders["x"].answer(0.0) is Answer.APPLIED


def test_alerts_are_raised_updated_cleared_gravest_first(run: RunDir) -> None:
    append(run.events, [alert("a", "raised", 1), alert("b", "raised", 2), alert("a", "cleared", 3)])
    append(run.events, [alert("c", "raised", 4), alert("c", "updated", 5, Severity.CRITICAL)])
    assert [(a.rule, a.step) for a in read_run(run).active_alerts] == [("c", 5), ("b", 2)]


def test_of_alerts_as_grave_the_primary_kind_of_their_incident_comes_first(run: RunDir) -> None:
    cause, effect = alert("lr-zero", "raised", 1), alert("not-learning", "raised", 300)
    cause.primary, cause.incident, effect.incident = True, 1, 1
    append(run.events, [cause, effect])
    assert [a.rule for a in read_run(run).active_alerts] == ["lr-zero", "not-learning"]


def test_of_alerts_as_grave_how_training_goes_comes_before_its_pace(run: RunDir) -> None:
    """Another program on the machine must not hide that nothing is learnt."""
    append(run.events, [alert("chance-level", "raised", 1), alert("slow-step", "raised", 300)])
    assert [a.rule for a in read_run(run).active_alerts] == ["chance-level", "slow-step"]


def test_orders_of_others_are_pending_and_answered(run: RunDir) -> None:
    run.control.write_bytes(b'{"verb":"pause","id":"a"}\nnonsense\n{"verb":"stop","id":"b","by":"me"}\n')
    append(run.events, [outcome("b", "stop", "refused", reason="no")])
    store = read_run(run)
    answers = {o.verb: o.answer(store.now) for o in store.orders.values()}
    assert answers == {"pause": Answer.PENDING, "": Answer.PENDING, "stop": Answer.REFUSED}
    assert store.orders["a"].answer(store.now + 3.1) is Answer.NO_ANSWER


def test_the_peak_learning_rate_follows_applied_orders(run: RunDir) -> None:
    run.config_toml.write_text("[train]\nlr = 5e-5\n", encoding="utf-8")
    assert read_run(run).peak_lr == 5e-5
    append(run.events, [outcome("a", "set", args={"lr": 1e-5}), outcome("b", "set", "refused", args={"lr": 9.0})])
    append(run.events, [outcome("c", "set", args={"max_steps": 9})])
    assert read_run(run).peak_lr == 1e-5


def test_a_rewritten_log_is_read_anew(run: RunDir) -> None:
    append(run.metrics, steps(50))
    store, feed = Store(run, read_opened(run)), Feed(run)
    store.apply(feed.poll())
    assert len(store.steps) == 50
    run.metrics.unlink()
    append(run.metrics, steps(3))
    store.apply(feed.poll())
    assert len(store.steps) == 3


def test_batches_of_any_size_come_to_the_same(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    append(run.metrics, [*steps(300), ResumeRecord(at=1.0, attempt=2, step=120), *steps(100, 121, 2)])
    whole = read_run(run)
    monkeypatch.setattr("rundir.tail.CHUNK_BYTES", 700)
    monkeypatch.setattr("rundir.tail.MAX_CHUNK_BYTES", 900)
    store, feed = Store(run, read_opened(run)), Feed(run)
    feed._metrics.tail._chunk_bytes = feed._metrics.tail._least_bytes = 700
    polls = 0
    while not store.caught_up:
        store.apply(feed.poll())
        polls += 1
    assert polls > 50
    assert losses(store) == losses(whole)
    assert store.revision == polls


def test_rate_leaves_out_a_pause(run: RunDir) -> None:
    early = steps(50)
    late = steps(50, first=51)
    for record in late:
        record.at += 3600
    append(run.metrics, early + late)
    set_status(run, State.RUNNING, step=100, total=300)
    store = read_run(run)
    assert store.rate == pytest.approx(1.0)
    assert store.eta_s == pytest.approx(200.0)


def test_the_rate_is_that_of_the_last_seconds(run: RunDir) -> None:
    records = steps(300)
    for i, record in enumerate(records):  # ten a second, then one every two seconds
        record.at = 1000 + i / 10 if i < 280 else 1028 + 2 * (i - 280)
    append(run.metrics, records)
    set_status(run, State.RUNNING, step=300, total=400)
    assert read_run(run).rate == pytest.approx(0.5)


def test_a_slow_run_has_a_rate_over_a_few_steps(run: RunDir) -> None:
    records = steps(20)
    for i, record in enumerate(records):
        record.at = 1000 + 60 * i
    append(run.metrics, records)
    set_status(run, State.RUNNING, step=20, total=400)
    assert read_run(run).rate == pytest.approx(1 / 60)


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        (State.STARTING, None),
        (State.RESTARTING, None),
        (State.RUNNING, Phase.LOADING),
        (State.RUNNING, Phase.TOKENIZING),
    ],
)
def test_a_run_that_gets_ready_has_no_rate(run: RunDir, state: State, phase: Phase | None) -> None:
    append(run.metrics, steps(20))
    set_status(run, state, step=20, total=400)
    status = read_status(run.status_json)
    assert status is not None
    status.phase = phase
    write_status(run.status_json, status)
    store = read_run(run)
    assert math.isnan(store.rate)
    assert math.isnan(store.eta_s)


def test_an_order_without_a_time_was_given_before_its_outcome(run: RunDir) -> None:
    run.control.write_bytes(b'{"verb":"eval","id":"a"}\n{"verb":"pause","id":"b","at":2000}\n')
    append(run.events, [outcome("a", "eval", at=1000.0), outcome("b", "pause", at=2001.0)])
    orders = read_run(run).orders
    assert orders["a"].sent_at == 1000.0
    assert orders["b"].sent_at == 2000.0


def test_memory_of_a_gpu_run_is_that_of_its_gpu(run: RunDir) -> None:
    from rundir.records import GpuSample, SystemRecord

    gpus = [GpuSample(index=0, mem_used_bytes=10), GpuSample(index=1, mem_used_bytes=20, run_mem_bytes=15)]
    append(run.system, [SystemRecord(at=1.0, attempt=1, gpus=gpus, run_rss_bytes=5)])
    assert read_run(run).memory() == ("host memory", "rss")
    set_status(run, State.RUNNING, device="cuda:1")
    store = read_run(run)
    assert store.memory() == ("gpu1 memory", "gpu1")
    assert (store.system.last("gpu0"), store.system.last("gpu1"), store.system.last("rss")) == (10.0, 15.0, 5.0)


def test_memory_of_a_gpu_that_nobody_may_look_into_is_what_torch_allocated(run: RunDir) -> None:
    append(run.metrics, [step(1, 1.0, gpu_mem_allocated_bytes=2**30)])
    set_status(run, State.RUNNING, device="cuda:1")
    store = read_run(run)
    assert store.memory() == ("gpu memory allocated", "gpu_mem_allocated_bytes")
    chart = chart_of("memory", store)
    assert chart.value_format(chart.value) == "1 GiB"


def test_baseline_may_nest(run: RunDir) -> None:
    detail = {"f1": 0.25, "eval": {"recall": "nan", "f1": 9}, "name": "lexicon", "huge": 10**400, "flag": True}
    append(run.events, [LifecycleEvent(at=1.0, attempt=1, writer="trainer", what="baseline", detail=detail)])
    baseline = read_run(run).baseline
    assert baseline["f1"] == 0.25
    assert set(baseline) == {"f1", "recall"}


def test_a_newer_run_beside_this_one_is_announced(run: RunDir) -> None:
    layout.point_latest(run)
    assert read_run(run).newer == ""
    newer = make_run(run.path.parent, "20261121-111111-next")
    layout.point_latest(newer)
    assert read_run(run).newer == newer.id
    assert read_run(newer).newer == ""
    assert f"newer run: {newer.id}" in paint_text(read_run(run), View(), 100, 30)


def test_a_progress_bar_is_one_line_and_an_odd_separator_none(run: RunDir) -> None:
    run.console.write_bytes(b"10%\r50%\r100%\r\nnext\x0b\xe2\x80\xa8line\r\n\nlast\n")
    assert list(read_run(run).console) == ["100%", "next\x0b\u2028line", "", "last"]


def test_a_console_line_is_kept_as_far_as_it_can_be_seen(run: RunDir) -> None:
    run.console.write_bytes(b"x" * 50_000 + b"\n" + b"50%\r" * 1000 + b"done\n")
    assert [len(line) for line in read_run(run).console] == [CONSOLE_LINE_LENGTH, 4]


@pytest.mark.parametrize("broken", ["metrics", "events", "system", "console"])
def test_a_file_that_cannot_be_read_for_a_moment_costs_no_record(
    run: RunDir, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(run.metrics, steps(10))
    append(run.events, [checkpoint(5)])
    append(run.system, memory(7))
    run.console.write_bytes(b"a line\n")
    store, feed = Store(run, read_opened(run)), Feed(run)
    opened = os.open

    def fail(path: Path, *args: int) -> int:
        if path == getattr(run, broken):
            raise OSError(errno.EIO, "Input/output error")
        return opened(path, *args)

    monkeypatch.setattr("os.open", fail)
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            feed.poll()
    monkeypatch.undo()
    for _ in range(2):
        store.apply(feed.poll())
    assert (len(store.steps), len(store.checkpoints), len(store.system), list(store.console)) == (10, 1, 7, ["a line"])


def test_a_due_evaluation_made_anew_at_its_step_replaces_the_first(run: RunDir) -> None:
    first = [evaluation(5, 2.0, 0.1), evaluation(10, 0.1, 0.9), evaluation(10, 0.2, 0.8, trigger="order")]
    later = [evaluation(10, 0.5, 0.5, 2), evaluation(10, 0.6, 0.4, 2, trigger="end")]
    for number, record in enumerate([*first, *later], start=1):
        record.seq = number
    append(run.metrics, [*steps(10), *first, ResumeRecord(at=1.0, attempt=2, step=10), *later])
    scores = read_run(run).scores
    assert [(e.step, e.trigger, e.loss) for e in scores.records] == [
        (5, "schedule", 2.0), (10, "order", 0.2), (10, "schedule", 0.5), (10, "end", 0.6),
    ]  # fmt: skip
    assert scores.best["f1"] == 0.8
    assert len(scores.points()[0]) == 4


def test_an_open_order_outlasts_any_number_of_answered_ones(run: RunDir) -> None:
    given = ["open", *(f"o{i}" for i in range(2 * ORDERS_KEPT))]
    run.control.write_text("".join(f'{{"verb":"eval","id":"{name}"}}\n' for name in given), encoding="utf-8")
    append(run.events, [outcome(name, "eval") for name in given[1:]])
    store, feed = Store(run, read_opened(run)), Feed(run)
    store.apply(feed.poll())
    append(run.events, [outcome(f"late{i}", "eval") for i in range(ORDERS_KEPT)])
    store.apply(feed.poll())
    assert len(store.orders) == ORDERS_KEPT
    assert [o.id for o in store.orders.values() if o.outcome is None] == ["open"]
    assert f"late{ORDERS_KEPT - 1}" in store.orders


def test_a_configuration_nested_without_end_is_none(run: RunDir) -> None:
    run.config_toml.write_text("a = " + "[" * 100_000, encoding="utf-8")
    assert read_opened(run).config == {}


@pytest.mark.parametrize(
    ("active_s", "verdict", "has_trainer", "elapsed_s"),
    [
        (90.0, Liveness.LIVE, True, 95.0),
        (90.0, Liveness.LIVE, False, 90.0),  # parked
        (90.0, Liveness.ENDED, False, 90.0),
        (90.0, Liveness.DEAD, True, 90.0),
        (0.0, Liveness.LIVE, True, 3600.0),  # not counted
    ],
)
def test_the_time_that_a_run_stood_still_has_not_elapsed(
    run: RunDir, active_s: float, verdict: Liveness, has_trainer: bool, elapsed_s: float
) -> None:
    store = Store(run, Opened(run.id, None, None))
    heart = Heart(process=process.this_process(), beat_at=START_AT) if has_trainer else None
    status = Status(
        run=run.id, state=State.RUNNING, trainer=heart, started_at=START_AT - 3595, updated_at=START_AT,
        active_s=active_s,
    )  # fmt: skip
    store.apply(Batch(now=START_AT, status=status, verdict=verdict))
    assert store.elapsed_s(START_AT + 5) == pytest.approx(elapsed_s)
