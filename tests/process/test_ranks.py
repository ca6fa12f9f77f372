"""Several processes that train one model: the numbers of one, every order, and no one left behind after any death."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rundir import process
from rundir.layout import RunDir
from rundir.records import CheckpointEvent, EvalRecord, LifecycleEvent, ResumeRecord, StepRecord
from rundir.status import Liveness, State, liveness
from tests.conftest import eventually
from tests.process.tiny_run import (
    Trace,
    Traind,
    events_of,
    kill_supervisor,
    metrics_of,
    status_of,
    trace_of,
    write_config,
)

pytestmark = pytest.mark.slow

TWO = ("distributed.nproc=2",)
STEADY = ("model.dropout=0", "train.schedule=constant", "train.warmup_ratio=0")
LONG = (*TWO, "train.epochs=400", "eval.every=1000", "checkpoint.every=1000")
START_S = 90.0


@pytest.fixture(autouse=True)
def nobody_left(tmp_path: Path) -> Iterator[None]:
    """Ends what a failed test has left, agents and ranks too."""
    yield
    for path in tmp_path.glob("runs/2*"):
        for one in processes_of(RunDir(path)):
            one.kill()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """What the tiny run gives by two processes when nobody touches it."""
    directory = tmp_path_factory.mktemp("two")
    traind = Traind(directory)
    run = traind.start(write_config(directory), *TWO)
    traind.finish(run)
    return trace_of(run)


def processes_of(run: RunDir) -> list[psutil.Process]:
    """Supervisor, agent, ranks and loader workers: whose command line names the run, by its path here or from there.

    Another test's run may have the same name: it begins with the second at which it was started.
    """
    found = []
    for one in psutil.process_iter():
        try:
            line = " ".join(one.cmdline())
            is_here = str(run.path) in line or Path(one.cwd()) in run.path.parents
            if run.id in line and "traind." in line and is_here:
                found.append(one)
        except psutil.Error:
            continue
    return found


def trainers_of(run: RunDir) -> list[psutil.Process]:
    return [one for one in processes_of(run) if "traind.rank" in " ".join(one.cmdline())]


def kill(run: RunDir, victim: str) -> None:
    status = status_of(run)
    assert status.trainer is not None
    target = status.trainer.process if victim == "agent" else status.ranks[int(victim)]
    os.kill(target.pid, signal.SIGKILL)
    eventually(lambda: not process.is_alive(target))


def wait_until_training(run: RunDir, attempt: int = 1) -> None:
    def trains() -> bool:
        status = status_of(run)
        return status.attempt >= attempt and status.state is State.RUNNING and bool(status.ranks)

    eventually(trains, START_S)


def assert_close(one: RunDir, other: RunDir) -> None:
    """The same series but for the rounding of sums made in another order."""
    a, b = trace_of(one), trace_of(other)
    assert [step for step, *_ in a.steps] == [step for step, *_ in b.steps]
    for (*_, loss, norm, lr), (*_, loss2, norm2, lr2) in zip(a.steps, b.steps, strict=True):
        assert (loss2, norm2) == pytest.approx((loss, norm), rel=1e-5)
        assert lr2 == lr
    assert [step for step, *_ in a.evals] == [step for step, *_ in b.evals]
    assert [e[2] for e in b.evals] == pytest.approx([e[2] for e in a.evals], rel=1e-5)
    assert [e[2] for e in b.epochs] == pytest.approx([e[2] for e in a.epochs], rel=1e-5)
    assert [e[3] for e in b.epochs] == [e[3] for e in a.epochs]


@pytest.mark.parametrize(
    "batches",
    [("eval.patience=2",), pytest.param(("train.batch_size=1", "train.accumulation=1"), marks=pytest.mark.soak)],
)
def test_two_processes_compute_what_one_does(traind: Traind, config: Path, batches: tuple[str, ...]) -> None:
    """Also where a step has one example: then the first of two ranks has none at any step."""
    settings = (*STEADY, *batches, "train.max_steps=40")
    one = traind.start(config, *settings)
    traind.finish(one)
    other = traind.start(config, *settings, *TWO)
    traind.finish(other)
    assert_close(one, other)
    eventually(lambda: not processes_of(other))


@pytest.mark.parametrize("victims", [("1", "agent"), pytest.param(("0", "supervisor"), marks=pytest.mark.soak)])
def test_a_killed_process_takes_the_group_down_and_back_up(
    traind: Traind, config: Path, two: Trace, victims: tuple[str, str]
) -> None:
    """Exactly: no number differs from those of two processes that nobody touched."""
    run = traind.start(config, *TWO)
    for attempt, victim in enumerate(victims, 1):
        wait_until_training(run, attempt)
        before = trainers_of(run)
        if victim == "supervisor":
            kill_supervisor(run)
            eventually(lambda: liveness(status_of(run), time.time()) is Liveness.DEAD, 30.0)
            assert not trainers_of(run)
            traind.ok("resume", str(run.path))
        else:
            kill(run, victim)
        eventually(lambda attempt=attempt: status_of(run).attempt > attempt, 30.0)
        assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in before)
    traind.finish(run)
    assert trace_of(run) == two
    resumes = [record for record in metrics_of(run) if isinstance(record, ResumeRecord)]
    assert all(record.exact for record in resumes)
    causes = [e.message for e in events_of(run) if isinstance(e, LifecycleEvent) and e.what == "crashed"]
    assert "killed by SIGKILL" in causes[0]
    assert ("rank" in causes[0]) or ("agent" in causes[0])


def test_every_order_acts_on_all(traind: Traind, config: Path) -> None:
    run = traind.start(config, *LONG)
    traind.ok("pause")
    eventually(lambda: status_of(run).state is State.PAUSED)
    held_at = status_of(run).step
    traind.ok("checkpoint")
    eventually(lambda: [e for e in events_of(run) if isinstance(e, CheckpointEvent) and e.reason == "order"])
    traind.ok("eval")
    eventually(lambda: [r for r in metrics_of(run) if isinstance(r, EvalRecord) and r.trigger == "order"])
    traind.ok("set", "latest", "lr=1e-4")
    assert status_of(run).step == held_at
    traind.ok("resume")
    eventually(lambda: status_of(run).step > held_at)
    after = eventually(lambda: [r for r in metrics_of(run) if isinstance(r, StepRecord) and r.step > held_at])
    assert after[0].lr < 2e-4

    traind.ok("park")
    assert status_of(run).state is State.PARKED
    assert not trainers_of(run)
    traind.ok("resume")
    wait_until_training(run, 2)
    parked = [r for r in metrics_of(run) if isinstance(r, ResumeRecord)]
    assert [r.exact for r in parked] == [True]

    traind.ok("stop")
    stopped = status_of(run)
    assert stopped.state is State.STOPPED
    assert stopped.checkpoint == f"checkpoints/step-{stopped.step:08d}"
    eventually(lambda: not processes_of(run))

    traind.ok("resume")
    wait_until_training(run, 3)
    traind.ok("kill")
    eventually(lambda: status_of(run).state is State.STOPPED, 30.0)
    eventually(lambda: not processes_of(run))


def test_a_signal_to_the_supervisor_checkpoints_and_ends_all(traind: Traind, config: Path) -> None:
    run = traind.start(config, *LONG)
    heart = status_of(run).supervisor
    assert heart is not None
    os.kill(heart.process.pid, signal.SIGTERM)
    eventually(lambda: status_of(run).state is State.STOPPED, 30.0)
    eventually(lambda: not processes_of(run), 30.0)
    assert status_of(run).checkpoint == f"checkpoints/step-{status_of(run).step:08d}"


FAULTY = """
import os, torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, x):
        if self.training and os.environ.get("RANK") == "1":
            raise ValueError("odd points")
        return self.layer(x)

class Made:
    def __init__(self):
        self.train_data = self.eval_data = [torch.ones(1) * index for index in range(8)]
        self.model = Net()
        self.collate = lambda examples: {"x": torch.stack(examples), "targets": torch.stack(examples)}
        self.loss = lambda outputs, targets: ((outputs - targets) ** 2).squeeze(1)
        self.metrics = lambda outputs, targets: {"mae": (outputs - targets).abs().mean()}

def make(options, seed):
    return Made()
"""


def test_a_fault_of_one_process_is_told_as_its_own(traind: Traind, tmp_path: Path) -> None:
    """And ends the run the second time, as a single process's does."""
    (tmp_path / "odd.py").write_text(FAULTY)
    config = tmp_path / "odd.toml"
    config.write_text('task = { kind = "custom", factory = "odd:make" }\neval = { metric = "mae" }\n')
    settings = [*TWO, "train.batch_size=4", "train.device=cpu", "train.threads=1"]
    done = traind("start", str(config), *(word for setting in settings for word in ("--set", setting)))
    assert done.returncode == 1
    run = RunDir(next(traind.directory.glob("runs/2*")))
    assert "the same exception at step 0 twice: rank 1: ValueError: odd points" in (status_of(run).last_error or "")
    eventually(lambda: not processes_of(run))


def test_a_mistake_is_one_line_and_leaves_nothing(traind: Traind, config: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("cuda would be no mistake here")
    done = traind("start", str(config), "--set", "distributed.nproc=2", "--set", "train.device=cuda")
    assert done.returncode == 2
    told = [line for line in done.stderr.splitlines() if line.startswith("traind: ")]
    assert len(told) == 1
    assert "train.device" in told[0]
    assert not list((traind.directory / "runs").glob("2*"))


def test_a_run_goes_on_with_another_number_of_processes(traind: Traind, config: Path) -> None:
    """The same steps of the same examples; only the rounding differs, and the resume says that it may."""
    settings = (*STEADY, "train.max_steps=40")
    one = traind.start(config, *settings)
    traind.finish(one)
    run = traind.start(config, *settings, *TWO)
    traind.ok("stop")
    assert status_of(run).step < 40
    run.config_toml.write_text(run.config_toml.read_text().replace("nproc = 2", "nproc = 3"))
    traind.ok("resume")
    traind.finish(run)
    assert_close(one, run)
    (resume,) = [r for r in metrics_of(run) if isinstance(r, ResumeRecord)]
    assert not resume.exact
    assert resume.differences is not None
    assert resume.differences["nproc"] == "2 → 3"
