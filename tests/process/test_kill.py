"""SIGKILL at any moment, of trainer or supervisor: the run comes back, and no number differs.

`make fault` runs the twenty random moments; two of them belong to `make test`.
"""

import random
import time
from pathlib import Path

import pytest

from rundir.layout import RunDir
from rundir.records import EvalRecord
from rundir.status import Liveness, Phase, State, liveness
from tests.conftest import eventually
from tests.process.tiny_run import (
    Trace,
    Traind,
    kill_supervisor,
    kill_trainer,
    metrics_of,
    status_of,
    trace_of,
)

MOMENTS = ("step", "save", "eval")


def wait_for_moment(run: RunDir, moment: str, rng: random.Random) -> bool:
    """Return inside the moment; False when the run ended before it came."""
    time_left_s = 30.0
    wait_s = rng.uniform(0.0, 0.5)
    end = time.monotonic() + time_left_s
    begin = time.monotonic() + wait_s
    while time.monotonic() < end:
        status = status_of(run)
        if status.state.has_ended:
            return False
        if time.monotonic() >= begin and status.state is State.RUNNING and is_at(run, moment, status.phase):
            return True
        time.sleep(0.001)
    pytest.fail(f"no {moment} within {time_left_s} s")


def is_at(run: RunDir, moment: str, phase: Phase | None) -> bool:
    match moment:
        case "save":
            return any(run.checkpoints.glob(".writing-*"))
        case "eval":
            return phase is Phase.EVAL
        case _:
            return phase is Phase.TRAIN


def is_inside_eval(run: RunDir) -> bool:
    """After the kill: the last word was eval, and its record is not there."""
    status = status_of(run)
    evaluated = {record.step for record in metrics_of(run) if isinstance(record, EvalRecord)}
    return status.phase is Phase.EVAL and status.step not in evaluated


def is_inside_save(run: RunDir) -> bool:
    return any(run.checkpoints.glob(".writing-*"))


def disturb(traind: Traind, run: RunDir, victim: str, moment: str, rng: random.Random) -> dict[str, bool] | None:
    """Kill once, and see that the run comes back. What was hit; None when the run had ended before."""
    if not wait_for_moment(run, moment, rng):
        return None
    after_checkpoint = any(run.checkpoints.glob("step-*"))
    attempt = status_of(run).attempt
    if victim == "supervisor":
        kill_supervisor(run)
        hit = {"save": is_inside_save(run), "eval": is_inside_eval(run)}
        eventually(lambda: liveness(status_of(run), time.time()) is Liveness.DEAD, 30.0)
        traind.ok("resume", str(run.path))
    else:
        if not kill_trainer(run):
            return None
        hit = {"save": is_inside_save(run), "eval": is_inside_eval(run)}
    eventually(lambda: status_of(run).attempt > attempt or status_of(run).state.has_ended, 30.0)
    return {**hit, "after_checkpoint": after_checkpoint}


@pytest.mark.parametrize("victim", ["trainer", pytest.param("supervisor", marks=pytest.mark.slow)])
def test_a_killed_run_comes_back_with_the_same_numbers(
    traind: Traind, config: Path, undisturbed: Trace, victim: str
) -> None:
    run = traind.start(config)
    disturb(traind, run, victim, "step", random.Random(1))
    traind.finish(run)
    assert trace_of(run) == undisturbed


@pytest.mark.fault
def test_twenty_kills_at_random_moments(tmp_path: Path, config: Path, undisturbed: Trace) -> None:
    """Twenty kills over several runs, trainer and supervisor in turn, some inside a save, some inside an evaluation."""
    rng = random.Random(20)
    plan = [
        (victim, moment) for victim in ("trainer", "supervisor") for moment in ("save", "eval", "eval", "step", "step")
    ]
    plan = plan * 2
    rng.shuffle(plan)
    hits: list[tuple[str, str, dict[str, bool]]] = []
    equal = num_runs = 0
    while len(hits) < 20:
        num_runs += 1
        directory = tmp_path / f"run-{num_runs}"
        directory.mkdir()
        traind = Traind(directory)
        run = traind.start(config)
        here = 0
        while len(hits) < 20 and here < 4:
            victim, moment = plan[len(hits)]
            hit = disturb(traind, run, victim, moment, rng)
            if hit is None:
                break
            hits.append((victim, moment, hit))
            here += 1
        traind.finish(run)
        assert trace_of(run) == undisturbed, f"run {num_runs} differs after {hits[-here:]}"
        equal += here
    counts = {name: sum(hit[name] for *_, hit in hits) for name in ("save", "eval", "after_checkpoint")}
    print(f"\n{equal} / {len(hits)} kills in {num_runs} runs left every number the same; {counts}")
    assert equal == 20
    assert counts["after_checkpoint"] >= 15
    assert counts["save"] >= 3
    assert counts["eval"] >= 3
