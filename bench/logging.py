"""What one logged step costs the thread that trains, beside TensorBoard's SummaryWriter and wandb offline.

    python bench/logging.py [--steps 20000] [--repeats 5]

Each way logs the same six values a step to a real file. Only the time of the calling thread is taken, the call itself
by the wall clock; wandb and TensorBoard write in other threads or processes, whose work is not counted against them.
A library that is not installed is reported as such. `traind`, the recorder as the training loop calls it, should
cost at most 6 µs and 40 times less than either; `rundir` is its share of record, encode and write.
"""

import sys

if sys.path[0].endswith("bench"):
    del sys.path[0]  # this file's name is that of a module of the standard library

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from rundir.append import Appender
from rundir.records import StepRecord, encode

BAR_US = 6.0
BAR_RATIO = 40.0

LogStep = Callable[[int], object]
Way = Callable[[Path], AbstractContextManager[LogStep]]


@contextlib.contextmanager
def rundir_way(folder: Path) -> Iterator[LogStep]:
    """Record, encode, one write(2): all there is to it."""
    appender = Appender(folder / "metrics.jsonl", sole_writer=True)

    def log(step: int) -> bool:
        return appender.append(
            encode(
                StepRecord(
                    at=time.time(),
                    attempt=1,
                    seq=step,
                    step=step,
                    loss=1.0 / step,
                    grad_norm=0.5,
                    lr=5e-5,
                    epoch=step * 1e-3,
                    step_s=0.125,
                    tokens_per_s=4096.0,
                )
            )
        )

    yield log
    if appender.pending:
        raise SystemExit("the disk is full: nothing was measured")
    appender.close()


@contextlib.contextmanager
def traind_way(folder: Path) -> Iterator[LogStep]:
    """The same through the trainer's own recorder; loss and gradient norm are tensors on the CPU, as in the loop."""
    import torch

    from traind.eventlog import EventLog
    from traind.guard import Guard
    from traind.recorder import Recorder
    from traind.storage_alert import StorageAlert

    events = EventLog(folder / "events.jsonl", "trainer", 1, folder / ".reserve")
    recorder = Recorder(
        folder / "metrics.jsonl", 1, torch.device("cpu"), folder / ".reserve", events, StorageAlert(events)
    )
    guard = Guard(torch.device("cpu"), spike_z=None)
    loss, grad_norm = torch.tensor(0.5, dtype=torch.float64), torch.tensor(0.5)

    def log(step: int) -> None:
        guard.judge(loss, grad_norm, step)
        recorder.log_step(
            StepRecord(
                at=time.time(),
                attempt=0,
                step=step,
                loss=0.0,
                lr=5e-5,
                epoch=step * 1e-3,
                step_s=0.125,
                tokens_per_s=4096.0,
            ),
            loss,
            grad_norm,
            guard.take(),
        )

    yield log
    recorder.close()


@contextlib.contextmanager
def tensorboard_way(folder: Path) -> Iterator[LogStep]:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(log_dir=str(folder))  # type: ignore[no-untyped-call]

    def log(step: int) -> None:
        for name, value in _values(step).items():
            writer.add_scalar(name, value, step)  # type: ignore[no-untyped-call]

    yield log
    writer.close()  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def wandb_way(folder: Path) -> Iterator[LogStep]:
    os.environ["WANDB_SILENT"] = "true"
    import wandb

    run = wandb.init(project="bench", dir=str(folder), mode="offline")

    def log(step: int) -> None:
        run.log(_values(step), step=step)

    yield log
    run.finish()


def _values(step: int) -> dict[str, float]:
    return {
        "loss": 1.0 / step,
        "grad_norm": 0.5,
        "lr": 5e-5,
        "epoch": step * 1e-3,
        "step_s": 0.125,
        "tokens_per_s": 4096.0,
    }


WAYS: dict[str, Way] = {
    "traind": traind_way,
    "rundir": rundir_way,
    "SummaryWriter": tensorboard_way,
    "wandb offline": wandb_way,
}


OURS = ("traind", "rundir")


def cost_us(way: Way, num_steps: int) -> float:
    """Microseconds a logged step on the calling thread, the mean over `num_steps` after a tenth as many to warm up."""
    with tempfile.TemporaryDirectory() as folder, way(Path(folder)) as log:
        warm_up = max(1, num_steps // 10)
        for step in range(1, warm_up + 1):
            log(step)
        started = time.perf_counter()
        for step in range(warm_up + 1, warm_up + num_steps + 1):
            log(step)
        return (time.perf_counter() - started) / num_steps * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20_000, help="logged steps a measurement (the others: a tenth)")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()

    costs: dict[str, list[float]] = {name: [] for name in WAYS}
    missing: dict[str, str] = {}
    for _ in range(arguments.repeats):  # interleaved: a slow minute of the machine falls on all of them
        for name, way in WAYS.items():
            if name in missing:
                continue
            try:
                costs[name].append(cost_us(way, arguments.steps if name in OURS else arguments.steps // 10))
            except ImportError as error:
                missing[name] = str(error)

    ours = statistics.median(costs["traind"])
    print(f"{'':15} {'median µs/step':>15} {'best':>8} {'worst':>8} {'× traind':>9}")
    for name, found in costs.items():
        if name in missing:
            print(f"{name:15} not installed ({missing[name]})")
            continue
        median = statistics.median(found)
        print(f"{name:15} {median:15.2f} {min(found):8.2f} {max(found):8.2f} {median / ours:9.1f}")
    others = [statistics.median(found) for name, found in costs.items() if found and name not in OURS]
    holds = ours <= BAR_US and all(other / ours >= BAR_RATIO for other in others)
    print(f"bar: ≤ {BAR_US:g} µs, others ≥ {BAR_RATIO:g} ×: {'held' if holds else 'MISSED'}")


if __name__ == "__main__":
    main()
