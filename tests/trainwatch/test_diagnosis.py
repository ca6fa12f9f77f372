"""The rules over runs without a supervisor: what they are fed, in which slices, and where what they say is placed."""

import math
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rundir.alerts import MARKS
from rundir.layout import RunDir
from rundir.records import AlertEvent, AnyRecord, EvalRecord, ResumeEvent, StepRecord, encode
from rundir.replay import Logs, engine_of, read_merged, replay
from rundir.series import StepBlock
from rundir.status import RunInfo, State, read_status
from tests.trainwatch.alerts import alert
from tests.trainwatch.runs import START_AT, append, evaluation, make_run, set_status, step, steps
from trainwatch import diagnosis
from trainwatch.bystander import Bystander, is_unwatched
from trainwatch.diagnosis import Diagnosis, Found, Pieces
from trainwatch.feed import Batch, Feed
from trainwatch.findings import EventView, Findings


def diverging(count: int = 400, onset: int = 250) -> list[StepRecord]:
    """A loss that falls, is noisy, and rises for good."""
    noise = np.random.default_rng(1).normal(0, 0.05, count)
    return [
        step(i, 0.4 + 2.4 * math.exp(-i / 40) + max(0, i - onset) * 0.05 + float(noise[i - 1]), grad_norm=1.0, lr=1e-3)
        for i in range(1, count + 1)
    ]


def script(run: RunDir, *, by_script: bool = True) -> RunDir:
    info = RunInfo(id=run.id, name=run.id, task="script", created_at=START_AT, by_script=by_script)
    run.run_json.write_bytes(encode(info))
    return run


def looked(diagnosed: Diagnosis) -> list[Found]:
    found = [diagnosed.look()]
    while found[-1].progress < 1.0:
        found.append(diagnosed.look())
    return found


# --- what the rules are fed ------------------------------------------------------------------------------------------


def block(steps_: list[float], attempt: int = 1, **columns: list[float]) -> StepBlock:
    arrays = {name: np.array(values) for name, values in columns.items()}
    marks = {"loss": np.array([1])} if math.isnan(columns["loss"][1]) else {}
    return StepBlock(np.array(steps_), arrays, marks, attempt)


def test_rows_become_records_and_evaluations_stand_between_them() -> None:
    pieces = Pieces()
    nan = math.nan
    pieces.add(
        [
            block([1, 2, 3], loss=[3.0, nan, nan], lr=[nan, 1e-3, 2e-3], accuracy=[0.5, nan, 0.75], at=[5.0, 6.0, 7.0]),
            evaluation(2, 0.5, 0.25),
            EvalRecord(at=0, attempt=1, step=3, loss=None, metrics={"f1": 0.5}),  # type: ignore[arg-type]
        ]
    )
    first, second, third = pieces.records()
    assert first == StepRecord(at=5.0, attempt=1, step=1, loss=3.0, metrics={"accuracy": 0.5})
    assert second == StepRecord(at=6.0, attempt=1, step=2, loss="nan", lr=1e-3)
    assert isinstance(third, EvalRecord)
    assert third.step == 2
    assert pieces.share == 1.0
    # What came with a step of which no loss is known belongs to the next that has one.
    pieces.add([block([4, 5], loss=[2.0, 1.0], lr=[nan, nan])])
    assert [(r.step, r.loss, r.lr, r.at) for r in pieces.records() if isinstance(r, StepRecord)] == [
        (4, 2.0, None, 0.0),
        (5, 1.0, None, 0.0),
    ]


def test_figures_of_a_row_without_loss_go_to_the_next_row() -> None:
    pieces = Pieces()
    pieces.add([block([1, 2], loss=[math.inf, 1.0], lr=[1e-3, math.nan], tokens_per_s=[math.inf, 5.0])])
    (record,) = pieces.records()
    assert record == StepRecord(at=0, attempt=1, step=2, loss=1.0, lr=1e-3, tokens_per_s=5.0)


def test_slices_say_what_one_pass_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path)
    append(run.metrics, diverging())
    whole = [c.as_event(at=c.at, attempt=1) for c in replay(read_merged(run), engine_of(run)) if c.rule not in MARKS]
    ticks = iter(range(10**6))
    monkeypatch.setattr(diagnosis, "SLICE_S", 0.5)
    found = looked(Diagnosis(run, Logs(run), clock=lambda: float(next(ticks))))  # every look at the clock ends a slice
    assert len(found) == 400 // diagnosis.LOOK_EVERY + 1
    assert [event for each in found for event in each.changes] == whole
    assert "divergence" in {event.rule for event in whole}
    assert [each.num_steps for each in found] == sorted(each.num_steps for each in found)
    assert found[-1].num_steps == 400
    assert all(each.progress < 1.0 and not each.silent for each in found[:-1])
    assert found[-1].silent["overfitting"] == "no eval.loss"


def test_it_goes_on_with_what_comes(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.metrics, steps(50))
    diagnosed = Diagnosis(run, Logs(run))
    (first,) = looked(diagnosed)
    assert not first.changes
    append(run.metrics, [step(51, "nan")])
    (second,) = looked(diagnosed)
    assert [(event.rule, event.change, event.step) for event in second.changes] == [("non-finite", "raised", 51)]
    assert second.num_steps == 51


def test_silence_is_noticed_where_the_run_lives(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.metrics, steps(50))
    diagnosed = Diagnosis(run, Logs(run))
    assert not diagnosed.look().changes
    said = [diagnosed.look(START_AT + 50 + 5.0 * i) for i in range(400)]
    assert {event.rule for found in said for event in found.changes} == {"stall"}


# --- where they run --------------------------------------------------------------------------------------------------


def test_they_run_where_no_supervisor_does(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert is_unwatched(run, None)
    set_status(run, State.RUNNING)
    status = read_status(run.status_json)
    assert not is_unwatched(run, status)  # somebody looks after it, who is not known
    assert is_unwatched(script(run), status)
    assert not is_unwatched(script(run, by_script=False), None)
    script(run).alerts_json.write_text("{}")
    assert not is_unwatched(run, status)
    (damaged := make_run(tmp_path, "damaged")).run_json.write_bytes(b"{zzz")
    assert is_unwatched(damaged, None)


def polls(run: RunDir, *, most: int = 20) -> Iterator[Batch]:
    feed = Feed(run, bystander=Bystander(run))
    for _ in range(most):
        yield feed.poll()


def test_the_picture_comes_first_and_the_rules_after_it(tmp_path: Path) -> None:
    run = script(make_run(tmp_path))
    append(run.metrics, diverging())
    first, second, *_ = polls(run, most=3)
    assert first.at_end
    assert first.found == Found(progress=0.0)
    assert second.found is not None
    assert second.found.restarted
    assert "divergence" in {event.rule for event in second.found.changes}


def test_they_give_way_to_a_supervisor(tmp_path: Path) -> None:
    run = script(make_run(tmp_path))
    append(run.metrics, diverging())
    batches = polls(run)
    assert next(batches).found is not None
    assert next(batches).found is not None
    append(run.events, [alert(260)])
    assert next(batches).found == Found(restarted=True, is_on=False)
    assert next(batches).found is None


def test_a_trainer_s_own_alert_is_no_supervisor_s(tmp_path: Path) -> None:
    run = script(make_run(tmp_path))
    own = AlertEvent(at=1, attempt=1, writer="trainer", rule="storage", change="raised", severity="warning", message="")  # type: ignore[arg-type]
    append(run.events, [own])
    assert next(polls(run)).found is not None


def test_a_log_that_begins_anew_is_diagnosed_anew(tmp_path: Path) -> None:
    run = script(make_run(tmp_path))
    append(run.metrics, diverging())
    batches = polls(run)
    assert next(batches).found == Found(progress=0.0)
    assert next(batches).found is not None
    run.metrics.write_bytes(b"".join(map(encode, steps(5))))
    found = [batch.found for batch in batches if batch.found is not None]
    assert any(each.restarted for each in found)
    assert found[-1].num_steps == 5


def test_what_cannot_be_read_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = script(make_run(tmp_path))
    append(run.metrics, steps(5))
    batches = polls(run)
    next(batches)

    def broken(_: object) -> Iterator[AnyRecord]:
        raise PermissionError(13, "no")
        yield

    with monkeypatch.context() as patched:
        patched.setattr(Logs, "records", broken)
        assert next(batches).found == Found(restarted=True, progress=0.0)
    found = next(batches).found
    assert found is not None
    assert found.num_steps == 5


# --- where what they say is placed -----------------------------------------------------------------------------------


def test_what_is_found_has_its_place_among_what_happened() -> None:
    told: deque[EventView] = deque(maxlen=4)
    resume = ResumeEvent(at=START_AT + 300, attempt=2, writer="trainer", step=150)
    for event in (alert(100, rule="storage"), resume):
        told.append(EventView(event))
    findings = Findings()
    early, late = alert(200), alert(160, at=START_AT + 400)
    findings.apply(Found(changes=(early, late)), told)
    assert [view.event for view in told] == [told[0].event, early, resume, late]
    assert [view.superseded for view in told] == [False, True, False, False]
    assert [view.found for view in told] == [False, True, False, True]
    findings.apply(Found(changes=(alert(500),)), told)
    assert len(told) == 4  # the oldest went
    findings.apply(Found(restarted=True, is_on=False), told)
    assert [view.event for view in told] == [resume]
    assert not findings.is_on
    assert not findings.active


def test_without_times_they_stand_in_their_own_order() -> None:
    told: deque[EventView] = deque()
    findings = Findings()
    changes = (alert(10, at=0.0), alert(20, "updated", at=0.0), alert(30, "cleared", at=0.0))
    findings.apply(Found(changes=changes[:2], progress=0.5), told)
    assert findings.is_behind
    assert findings.active == {"divergence": changes[1]}
    findings.apply(Found(changes=changes[2:]), told)
    assert [view.event for view in told] == list(changes)
    assert not findings.active


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "9" * 5000, "\xff", "[alerts]\nlimits = 5"])
def test_a_configuration_that_cannot_be_read_sets_nothing(tmp_path: Path, text: str) -> None:
    run = make_run(tmp_path)
    append(run.metrics, steps(10))
    run.config_toml.write_bytes(text.encode("latin-1"))
    assert looked(Diagnosis(run, Logs(run)))[-1].num_steps == 10
