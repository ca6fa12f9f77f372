"""A run as it stood at a time: the same as a copy of its files taken then."""

import math
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rundir.layout import RunDir
from rundir.records import LifecycleEvent, ResumeRecord, encode
from rundir.series import Block
from rundir.status import Liveness, RunInfo, State, Status, write_status
from tests.trainwatch.runs import START_AT, append, evaluation, make_run, memory, outcome, set_status, step, steps
from tests.trainwatch.travel.recorded import MOVES, copy_as_of, facts, record
from trainwatch.dashboard import View, paint_text
from trainwatch.feed import Feed, read_opened
from trainwatch.store import Store
from trainwatch.travel.past import FIELDS, Past, Playhead, read_tape
from trainwatch.travel.reel import Reel
from trainwatch.travel.tape import Tape

GOLDEN = RunDir(Path(__file__).parents[2] / "protocol" / "golden" / "format-1")


def past_of(run: RunDir) -> Past:
    return Past(run, read_opened(run), read_tape(run))


def opened_anew(run: RunDir) -> Store:
    """As the viewer reads a directory that it is given."""
    store, feed = Store(run, read_opened(run)), Feed(run, FIELDS)
    while not store.caught_up:
        store.apply(feed.poll())
    return store


@settings(max_examples=60)
@given(MOVES, st.lists(st.integers(0, 59), min_size=1, max_size=5))
def test_a_time_shows_what_a_copy_taken_then_shows(moves: list[tuple[str, int, int]], at: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = RunDir(Path(folder) / "run")
        times = record(run, moves)
        past = past_of(run)
        for number, index in enumerate(at):  # to and fro, on one and the same
            then = times[index % len(times)]
            copied = copy_as_of(run, then, Path(folder) / f"copy-{number}")
            assert facts(past.seek(then)) == facts(opened_anew(copied))


def test_a_recorded_run_of_the_protocol_looks_as_it_did(tmp_path: Path) -> None:
    past = past_of(GOLDEN)
    times = np.unique(np.concatenate([past.tape.moments, past.tape.moments + 0.1]))
    for number, at in enumerate(times[::-2].tolist()):
        copied = copy_as_of(GOLDEN, at, tmp_path / f"{number}" / GOLDEN.id)
        then = past_of(copied).seek(at)
        assert facts(past.seek(at)) == facts(then)
        then.status, then.verdict = past.store.status, past.store.verdict  # no copy has status.json as it was
        pictures = {paint_text(store, View(now=at, read_only=True), 160, 48) for store in (past.store, then)}
        assert len(pictures) == 1


def test_before_a_rollback_the_series_of_then_is_shown(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.metrics, [*steps(10), evaluation(10, 0.1, 0.9)])
    append(run.metrics, [ResumeRecord(at=START_AT + 20, attempt=2, step=4, reason="rollback")])
    late = [step(i, -1.0, 2).__class__(at=START_AT + 20 + i, attempt=2, step=i, loss=-1.0) for i in (5, 6)]
    append(run.metrics, late)
    past = past_of(run)
    assert past.seek(START_AT + 26).steps.x.tolist() == [1, 2, 3, 4, 5, 6]
    before = past.seek(START_AT + 19)
    assert before.steps.x.tolist() == list(range(1, 11))
    assert [record.step for record in before.scores.records] == [10]
    assert before.seams == []
    assert past.seek(START_AT + 20).steps.x.tolist() == [1, 2, 3, 4]
    assert past.tape.time_of_step(5) == START_AT + 25  # of the lineage that holds
    assert past.tape.time_of_step(3) == START_AT + 3
    assert past.tape.time_of_step(7) is None


def test_a_clock_that_went_back_hides_nothing_from_later_times(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    odd = step(4, 1.0).__class__(at=START_AT - 500, attempt=1, step=4, loss=1.0)
    append(run.metrics, [*steps(3), odd, step(5, 1.0)])
    past = past_of(run)
    assert past.seek(START_AT + 3).steps.x.tolist() == [1, 2, 3, 4]
    assert past.seek(START_AT + 2).steps.x.tolist() == [1, 2]


def lifecycle(at_s: float, what: str, message: str = "", attempt: int = 1) -> LifecycleEvent:
    return LifecycleEvent(at=START_AT + at_s, attempt=attempt, writer="supervisor", what=what, message=message)


@pytest.fixture
def eventful(tmp_path: Path) -> RunDir:
    """It starts, is paused, crashes, is begun again, made longer and done."""
    run = make_run(tmp_path)
    run.run_json.write_bytes(encode(RunInfo(id=run.id, name="ner", task="ner", created_at=START_AT, planned_steps=50)))
    append(run.metrics, steps(20))
    append(run.events, [
        lifecycle(0, "supervised"), lifecycle(0.5, "spawned"), lifecycle(0.9, "training"),
        outcome("p", "pause", at=START_AT + 10.2), lifecycle(10.4, "paused"),
        outcome("r", "resume", at=START_AT + 12.2), lifecycle(12.4, "resumed"),
        lifecycle(15.2, "crashed", "killed by SIGKILL"), lifecycle(15.4, "restarting", "in 1 s"),
        lifecycle(16.2, "spawned", attempt=2), lifecycle(16.6, "training", attempt=2),
        outcome("s", "set", at=START_AT + 18.5, args={"epochs": 4.0}),
        outcome("t", "stop", at=START_AT + 20.2), lifecycle(20.5, "stopped"),
    ])  # fmt: skip
    write_status(
        run.status_json,
        Status(run=run.id, state=State.STOPPED, attempt=2, step=20, total_steps=100, epoch=0.2, total_epochs=4.0,
               device="cpu", started_at=START_AT + 0.5, ended_at=START_AT + 20.5, updated_at=START_AT + 20.5),
    )  # fmt: skip
    return run


@pytest.mark.parametrize(
    ("at_s", "state", "attempt", "total", "error"),
    [
        (0.2, State.STARTING, 1, 50, None),
        (0.6, State.STARTING, 1, 50, None),
        (5, State.RUNNING, 1, 50, None),
        (11, State.PAUSED, 1, 50, None),
        (13, State.RUNNING, 1, 50, None),
        (15.3, State.RUNNING, 1, 50, "killed by SIGKILL"),
        (15.5, State.RESTARTING, 1, 50, "killed by SIGKILL"),
        (16.3, State.STARTING, 2, 50, None),
        (17, State.RUNNING, 2, 50, None),
        (19, State.RUNNING, 2, 100, None),
        (20.3, State.STOPPING, 2, 100, None),
        (21, State.STOPPED, 2, 100, None),
    ],
)
def test_the_status_is_that_of_then(
    eventful: RunDir, at_s: float, state: State, attempt: int, total: int, error: str | None
) -> None:
    store = past_of(eventful).seek(START_AT + at_s)
    status = store.status
    assert status is not None
    assert (status.state, status.attempt, status.total_steps, status.last_error) == (state, attempt, total, error)
    assert status.step == int(min(at_s, 20)) == store.step
    assert store.has_ended == (at_s > 20.5)
    assert status.ended_at == (START_AT + 20.5 if at_s > 20.5 else None)


def test_the_time_left_is_that_of_then(eventful: RunDir) -> None:
    past = past_of(eventful)
    assert past.seek(START_AT + 8).eta_s == pytest.approx(42.0)
    assert past.store.elapsed_s(past.at) == pytest.approx(7.5)
    assert past.seek(START_AT + 19).eta_s == pytest.approx(81.0)
    assert past.store.elapsed_s(past.at) == pytest.approx(15.2 - 0.5 + 19 - 16.2)  # not between the attempts
    assert past.seek(START_AT + 30).elapsed_s(past.at) == pytest.approx(15.2 - 0.5 + 20.5 - 16.2)


def test_a_run_whose_supervisor_was_gone_is_dead_meanwhile(eventful: RunDir) -> None:
    append(eventful.system, memory(4))  # a sample every two seconds, until the sixth
    past = past_of(eventful)
    assert past.seek(START_AT + 14).verdict is Liveness.LIVE  # it was heard of at 13
    append(eventful.metrics, [step(21, 1.0).__class__(at=START_AT + 100, attempt=2, step=21, loss=1.0)])
    append(eventful.events, [lifecycle(99, "spawned", attempt=3)])
    past = past_of(eventful)
    course = [(30, Liveness.ENDED), (99.5, Liveness.LIVE)]
    assert [past.seek(START_AT + at).verdict for at, _ in course] == [verdict for _, verdict in course]


def test_silence_while_it_should_run_is_death(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.metrics, [*steps(6), step(60, 1.0)])
    append(run.system, memory(4))
    set_status(run, State.RUNNING, step=60)
    past = past_of(run)
    assert [past.seek(START_AT + at).verdict for at in (6, 20, 40, 60)] == [
        Liveness.LIVE, Liveness.LIVE, Liveness.DEAD, Liveness.LIVE,
    ]  # fmt: skip


def test_keys_move_by_moments_and_at_least_one(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.metrics, steps(200))
    head = Playhead(past_of(run))
    head.past.seek(START_AT + 100)
    assert head.moved(0.01) == START_AT + 102
    assert head.moved(-0.1) == START_AT + 80
    assert head.moved(1e-9) == START_AT + 101
    assert head.moved(-5.0) == START_AT + 1
    assert head.moved(5.0) is None
    head.past.seek(START_AT + 100.5)
    assert head.moved(-1e-9) == START_AT + 100
    head.speed = 10
    assert head.played(0.5) == START_AT + 105.5
    assert head.played(1000) is None


def test_records_without_times_are_travelled_by_their_steps(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step,loss\n" + "".join(f"{i},{1 / i}\n" for i in range(1, 50)), encoding="utf-8")
    past = past_of(RunDir(path))
    assert not past.tape.is_timed
    assert past.seek(20.0).steps.x.tolist() == list(range(1, 21))


def test_a_time_that_is_damage_hides_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    odd = step(4, 1.0).__class__(at=1e18, attempt=1, step=4, loss=1.0)
    append(run.metrics, [*steps(3), odd, *steps(3, first=5)])
    append(
        run.events, [LifecycleEvent(at=1e18, attempt=1, writer="supervisor", what="training"), lifecycle(6, "paused")]
    )
    past = past_of(run)
    assert past.seek(START_AT + 3).steps.x.tolist() == [1, 2, 3, 4]
    assert [view.event.at for view in past.seek(START_AT + 6).events] == [1e18, START_AT + 6]
    assert past.tape.end == START_AT + 7


def test_a_store_of_then_writes_over_no_other(tmp_path: Path) -> None:
    """It shares the first steps with the tape until it grows: here it is cut, and grows, and is begun anew."""
    run = make_run(tmp_path)
    append(run.metrics, [*steps(200), ResumeRecord(at=START_AT + 201, attempt=2, step=50)])
    again = [step(i, -1.0).__class__(at=START_AT + 200 + i, attempt=2, step=i, loss=-1.0) for i in range(51, 120)]
    append(run.metrics, again)
    past = past_of(run)
    late, early = START_AT + 310, START_AT + 190
    first = facts(past.seek(late)), facts(past.seek(early))
    for at, wanted in ((late, first[0]), (early, first[1]), (late, first[0])):
        past.seek(START_AT + 100)
        assert facts(past.seek(at)) == wanted
        copied = opened_anew(copy_as_of(run, at, tmp_path / f"{at}" / f"{time.monotonic()}"))
        assert facts(copied) == wanted
    assert past.tape.between(-math.inf, early).metrics[0].columns["loss"].tolist() == [10 / i for i in range(1, 191)]  # type: ignore[union-attr]


def test_what_has_no_time_is_known_from_the_record_before(tmp_path: Path) -> None:
    reel: Reel[Block] = Reel()
    for x, at in ((1, math.nan), (2, 10.0), (3, math.nan), (4, 12.0)):
        reel.add(Block(np.array([float(x)]), {}), at)
    known = [[float(block.x[0]) for block in reel.between(-math.inf, until)] for until in (9.0, 10.0, 11.0, 12.0)]
    assert known == [[1], [1, 2, 3], [1, 2, 3], [1, 2, 3, 4]]
    assert reel.times.tolist() == [10, 10, 12]


def test_a_file_that_was_written_anew_is_another_edition(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.metrics, steps(5))
    tape, feed = Tape(), Feed(run, FIELDS)
    tape.add(feed.poll())
    past = Past(run, read_opened(run), tape)
    assert past.seek(START_AT + 5).last_step == 5
    run.metrics.unlink()
    append(run.metrics, steps(3))
    tape.add(feed.poll())
    assert past.seek(START_AT + 5).last_step == 3


def test_going_back_in_a_long_run_costs_little_more_than_its_copying(tmp_path: Path) -> None:
    """Ten times the records must not cost more than some twenty times the time: nothing is walked record by record."""
    took_s = []
    for count in (10_000, 100_000):
        run = make_run(tmp_path, f"run-{count}")
        with run.metrics.open("wb") as file:
            file.writelines(
                b'{"kind":"step","at":%d,"attempt":1,"step":%d,"loss":1.5,"lr":0.1}\n' % (i, i)
                for i in range(1, count + 1)
            )
        past = past_of(run)
        past.seek(float(count))
        best = []
        for _ in range(5):
            began = time.perf_counter()
            past.seek(count - 10.0)
            past.seek(count - 1.0)
            best.append(time.perf_counter() - began)
            past.seek(float(count))
        took_s.append(min(best))
        assert past.seek(count / 2).last_step == count // 2
    assert took_s[1] < 25 * took_s[0] + 0.05
