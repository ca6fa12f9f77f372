"""Every verb, given to a real run by the command line, and what became of it."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rundir import process
from rundir.control import Order, Verb, new_order_id, send
from rundir.layout import RunDir
from rundir.orders import MAX_BY_LENGTH
from rundir.records import (
    CheckpointEvent,
    EvalRecord,
    LifecycleEvent,
    NoteEvent,
    OutcomeEvent,
    ResumeRecord,
    StepRecord,
)
from rundir.status import Intent, Liveness, State, liveness, read_status
from tests.conftest import eventually
from tests.process.tiny_run import (
    Trace,
    Traind,
    events_of,
    kill_supervisor,
    kill_trainer,
    metrics_of,
    status_of,
    trace_of,
)

FLAT = ("train.schedule=constant", "train.warmup_ratio=0")
LONG = ("train.epochs=400", *FLAT, "eval.every=1000", "checkpoint.every=1000")


def outcomes(run: RunDir) -> list[OutcomeEvent]:
    return [event for event in events_of(run) if isinstance(event, OutcomeEvent)]


def outcome_of(run: RunDir, order_id: str) -> OutcomeEvent | None:
    return next((outcome for outcome in outcomes(run) if outcome.order == order_id), None)


@pytest.mark.slow
def test_each_verb_has_its_effect_and_one_outcome(traind: Traind, config: Path) -> None:
    run = traind.start(config, *LONG)

    traind.ok("pause")
    eventually(lambda: status_of(run).state is State.PAUSED)
    held_at = status_of(run).step
    assert traind("pause").returncode == 3

    traind.ok("checkpoint")
    eventually(lambda: [e for e in events_of(run) if isinstance(e, CheckpointEvent) and e.reason == "order"])
    traind.ok("eval")
    ordered = eventually(lambda: [r for r in metrics_of(run) if isinstance(r, EvalRecord) and r.trigger == "order"])
    assert ordered[0].step == held_at
    traind.ok("set", "latest", "lr=1e-4")
    traind.ok("note", "latest", "a remark", "of two parts")
    assert [event.text for event in events_of(run) if isinstance(event, NoteEvent)] == ["a remark of two parts"]
    assert status_of(run).step == held_at

    traind.ok("resume")
    eventually(lambda: status_of(run).step > held_at)
    after = eventually(lambda: [r for r in metrics_of(run) if isinstance(r, StepRecord) and r.step > held_at])
    assert after[0].lr == 1e-4
    assert {r.lr for r in metrics_of(run) if isinstance(r, StepRecord) and r.step <= held_at} == {2e-3}

    assert traind("set", "latest", "lr=-1").returncode == 2
    assert traind("set", "latest", "speed=9").returncode == 2
    assert traind("resume").returncode == 3

    traind.ok("stop")
    stopped = status_of(run)
    assert (stopped.state, stopped.intent) == (State.STOPPED, Intent.STOPPED)
    assert stopped.checkpoint == f"checkpoints/step-{stopped.step:08d}"
    assert traind("pause").returncode == 3
    assert traind("wait").returncode == 5

    given = outcomes(run)
    assert len({outcome.order for outcome in given}) == len(given) == 10
    assert [o.verb for o in given if o.result == "refused"] == ["pause", "resume", "pause"]


@pytest.mark.slow
def test_park_frees_the_trainer_and_resume_goes_on_exactly(traind: Traind, config: Path, undisturbed: Trace) -> None:
    run = traind.start(config)
    trainer = status_of(run).trainer
    assert trainer is not None
    traind.ok("park")
    assert not process.is_alive(trainer.process)
    eventually(lambda: status_of(run).state is State.PARKED)
    parked_at = status_of(run).step
    assert traind("checkpoint").returncode == 3
    traind.ok("resume")
    traind.finish(run)
    assert any(isinstance(r, ResumeRecord) and r.step == parked_at for r in metrics_of(run))
    assert trace_of(run) == undisturbed


@pytest.mark.slow
def test_a_resume_right_behind_a_park_is_not_lost(traind: Traind, config: Path, undisturbed: Trace) -> None:
    run = traind.start(config)
    park, resume = (Order(verb=verb, id=new_order_id()) for verb in (Verb.PARK, Verb.RESUME))
    send(run, park)
    send(run, resume)
    eventually(lambda: outcome_of(run, resume.id))
    traind.finish(run)
    assert trace_of(run) == undisturbed


@pytest.mark.slow
def test_orders_given_in_one_breath_are_judged_in_order(traind: Traind, config: Path) -> None:
    run = traind.start(config, *LONG)
    verbs = [Verb.PAUSE, Verb.RESUME, Verb.PAUSE, Verb.PAUSE]
    orders = [Order(verb=verb, id=new_order_id(), by="\x01" * MAX_BY_LENGTH) for verb in verbs]
    for order in orders:
        send(run, order)
    eventually(lambda: outcome_of(run, orders[-1].id))
    results = [outcome.result for order in orders if (outcome := outcome_of(run, order.id))]
    assert results == ["applied", "applied", "applied", "refused"]
    eventually(lambda: status_of(run).state is State.PAUSED)
    traind.ok("kill")


@pytest.mark.slow
def test_a_set_answered_without_a_trainer_is_not_lost(traind: Traind, config: Path) -> None:
    """The supervisor dies, its trainer goes on to a later step than status.json has seen."""
    run = traind.start(config, *LONG)
    kill_supervisor(run)
    eventually(lambda: liveness(status_of(run), time.time()) is Liveness.DEAD, 30.0)
    newest = max(run.checkpoints.glob("step-*"))
    max_steps = int(newest.name.removeprefix("step-")) + 5
    traind.ok("set", "latest", f"max_steps={max_steps}")
    traind.ok("resume")
    traind.finish(run)
    assert status_of(run).step == max_steps


@pytest.mark.slow
def test_orders_between_a_crash_and_its_restart_hold_from_where_the_run_goes_on(traind: Traind, config: Path) -> None:
    """There is no checkpoint: the run begins at step 0, and comes again to the step of the order before the crash."""
    run = traind.start(config, *LONG)

    def give(verb: Verb, **args: float) -> str:
        order = Order(verb=verb, id=new_order_id(), args=args)
        send(run, order)
        return order.id

    before = give(Verb.SET, lr=1e-3)
    set_at = eventually(lambda: outcome_of(run, before)).step
    kill_trainer(run)
    eventually(lambda: status_of(run).state is State.RESTARTING)
    given = [give(Verb.PAUSE), give(Verb.SET, lr=1e-4), give(Verb.RESUME)]
    answers = [eventually(lambda order=order: outcome_of(run, order)) for order in given]
    assert [answer.result for answer in answers] == ["applied"] * 3
    eventually(lambda: status_of(run).attempt == 2 and status_of(run).step > set_at + 1, 60.0)
    traind.ok("kill")
    assert {record.lr for record in metrics_of(run) if isinstance(record, StepRecord)} == {1e-4}


@pytest.mark.slow
def test_a_finished_run_is_extended(traind: Traind, config: Path) -> None:
    run = traind.start(config, "train.max_steps=6")
    traind.finish(run)
    assert traind("resume").returncode == 3
    traind.ok("set", "latest", "max_steps=12")
    assert status_of(run).state is State.DONE
    traind.ok("resume")
    traind.finish(run)
    steps = [record for record in metrics_of(run) if isinstance(record, StepRecord)]
    assert [record.step for record in steps] == list(range(1, 13))
    # The linear schedule had come to its end: it is stretched over the new length, else nothing would be learnt.
    assert all(float(record.lr or 0) > 0 for record in steps[6:])


@pytest.mark.slow
def test_kill_leaves_at_once_and_resume_takes_it_up(traind: Traind, config: Path, undisturbed: Trace) -> None:
    run = traind.start(config)
    eventually(lambda: status_of(run).checkpoint, 30.0)
    traind.ok("kill")
    eventually(lambda: status_of(run).state is State.STOPPED)
    assert status_of(run).last_error == "killed by order"
    assert "killed by order" in traind.ok("list")
    assert "killed by order" in traind.ok("status")
    assert "stopped (killed by order), step" in traind("wait").stdout
    ends = [event for event in events_of(run) if isinstance(event, LifecycleEvent) and event.what == "stopped"]
    assert [event.message for event in ends] == ["killed by order"]
    traind.ok("resume")
    traind.finish(run)
    assert trace_of(run) == undisturbed
    assert status_of(run).last_error is None


@pytest.mark.slow
def test_garbage_in_the_control_file_is_refused_and_hides_nothing(traind: Traind, config: Path) -> None:
    run = traind.start(config, *LONG)
    with open(run.control, "ab") as file:
        file.write(b'not json\n{"verb": "dance"}\n["pause"]\n' + b"x" * 100_000 + b'\n{"verb": "pause"}\n')
    eventually(lambda: status_of(run).state is State.PAUSED)
    eventually(lambda: len(outcomes(run)) == 5)
    assert [outcome.result for outcome in outcomes(run)].count("refused") == 4
    traind.ok("kill")


def test_pause_holds_within_one_micro_batch_and_a_tenth_of_a_second(traind: Traind, config: Path) -> None:
    run = traind.start(config, *LONG)
    latencies_s = []
    for _ in range(5):
        micro_batch_s = max(r.step_s or 0 for r in metrics_of(run)[-20:] if isinstance(r, StepRecord)) / 3
        order = Order(verb=Verb.PAUSE, id=new_order_id())
        given_at = time.time()
        send(run, order)
        outcome = eventually(lambda order_id=order.id: outcome_of(run, order_id))
        latencies_s.append(outcome.at - given_at - micro_batch_s)
        traind.ok("resume")
        eventually(lambda: status_of(run).state is State.RUNNING)
    traind.ok("kill")
    # The median, since another test may take the core away in any single one.
    assert sorted(latencies_s)[2] <= 0.1, latencies_s


@pytest.mark.slow
def test_a_pause_before_the_first_step_leaves_its_time_alone(traind: Traind, config: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(traind.start, config, *LONG)
        run = RunDir(eventually(lambda: next(traind.directory.glob("runs/*/status.json"), None)).parent.resolve())
        eventually(lambda: (status := read_status(run.status_json)) is not None and status.trainer is not None, 60.0)
        traind.ok("pause", str(run.path))
        eventually(lambda: status_of(run).state is State.PAUSED, 60.0)
        assert status_of(run).step == 0
        traind.ok("resume", str(run.path))
        started.result()
    first = eventually(lambda: next((r for r in metrics_of(run) if isinstance(r, StepRecord)), None))
    traind.ok("kill")
    assert first.step == 1
    assert 1e-5 < (first.step_s or 0.0) < 60.0


def test_status_and_list_tell_scripts(traind: Traind, config: Path) -> None:
    run = traind.start(config, "train.max_steps=3")
    traind.finish(run)
    told = json.loads(traind.ok("status", "--json"))
    assert (told["id"], told["state"], told["liveness"], told["step"]) == (run.id, "done", "ended", 3)
    assert [entry["id"] for entry in json.loads(traind.ok("list", "--json"))] == [run.id]
    assert "done" in traind.ok("list")
    assert "done" in traind.ok("status", str(run.path))
