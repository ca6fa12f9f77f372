"""Write a run directory of N steps through rundir's own encoder: finished, or live at a steady rate.

python -m bench.synthetic_run DIR --steps 1000000
python -m bench.synthetic_run DIR --steps 2000 --live 20
"""

import argparse
import math
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

from rundir import layout, process
from rundir.append import Appender
from rundir.layout import RunDir
from rundir.records import (
    AlertEvent,
    CheckpointEvent,
    EvalRecord,
    LifecycleEvent,
    MetricsRecord,
    Severity,
    StepRecord,
    SystemRecord,
    encode,
)
from rundir.status import Heart, Intent, Phase, RunInfo, State, Status, write_status

STEP_S = 0.05
STEPS_PER_EPOCH = 500
LABELS = ("Appeal_to_Authority", "Doubt", "Exaggeration,Minimisation", "Flag-Waving", "Loaded_Language", "Repetition")


def step_record(step: int, started_at: float, total: int, rng: random.Random) -> StepRecord:
    """A step of a plausible run, with all eight figures: loss falls with noise, lr warms up and decays."""
    share = step / total
    return StepRecord(
        at=started_at + step * STEP_S,
        attempt=1,
        seq=step,
        step=step,
        loss=0.35 + 2.4 * math.exp(-6 * share) + 0.15 * rng.random() * (1.2 - share),
        grad_norm=0.6 + abs(rng.gauss(0.5, 0.4)) + 2 * math.exp(-9 * share),
        lr=5e-5 * min(share / 0.1, (1 - share) / 0.9),
        epoch=step / STEPS_PER_EPOCH,
        step_s=STEP_S,
        data_wait_s=0.002 * rng.random(),
        tokens_per_s=41_000 + 3000 * rng.random(),
        gpu_mem_allocated_bytes=6_442_450_944 + 4096 * (step % 1000),
    )


def eval_record(step: int, started_at: float, total: int) -> EvalRecord:
    """An evaluation at a step: F1 climbs, precision leads recall."""
    f1 = 0.72 * (1 - math.exp(-4 * step / total))
    labels = {
        name: {"precision": f1 + 0.02 * i, "recall": f1 - 0.03 * i, "f1": f1 - 0.01 * i, "support": 40 + 31 * i}
        for i, name in enumerate(LABELS)
    }
    return EvalRecord(
        at=started_at + step * STEP_S,
        attempt=1,
        seq=step,
        step=step,
        loss=0.5 + 2.2 * math.exp(-5 * step / total),
        metrics={"f1": f1, "precision": f1 + 0.04, "recall": f1 - 0.05, "token_accuracy": 0.8 + f1 / 5},
        labels=labels,
        best=True,
    )


def metric_lines(steps: int, started_at: float, rng: random.Random) -> Iterator[bytes]:
    """All lines of a metrics.jsonl."""
    eval_every = max(1, steps // 12)
    for step in range(1, steps + 1):
        yield encode(step_record(step, started_at, steps, rng))
        if step % eval_every == 0:
            yield encode(eval_record(step, started_at, steps))


def write_finished(run: RunDir, steps: int) -> None:
    """A finished run. A million steps take some seconds."""
    rng = random.Random(7)
    started_at = time.time() - steps * STEP_S - 60
    with open(run.metrics, "wb") as file:
        file.writelines(metric_lines(steps, started_at, rng))
    _write_rest(run, steps, started_at)
    _write_status(run, State.DONE, steps, steps, started_at)


def _write_rest(run: RunDir, steps: int, started_at: float) -> None:
    run.run_json.write_bytes(
        encode(RunInfo(id=run.id, name="synthetic", task="token-classification", created_at=started_at))
    )
    run.config_toml.write_text("[train]\nlr = 5e-05\nepochs = 4.0\n", encoding="utf-8")
    every = max(1, steps // 12)
    ended_at = started_at + steps * STEP_S
    with open(run.events, "wb") as file:
        for what, message in (("supervised", "pid 4242"), ("device", "auto took cpu: no CUDA device is visible")):
            file.write(
                encode(LifecycleEvent(at=started_at, attempt=1, writer="supervisor", what=what, message=message))
            )
        baseline = {"f1": 0.21, "precision": 0.34, "recall": 0.15}
        file.write(encode(LifecycleEvent(at=started_at, attempt=1, writer="trainer", what="baseline", detail=baseline)))
        for step in range(every, steps + 1, every):
            at = started_at + step * STEP_S
            path = f"checkpoints/step-{step:08d}"
            file.write(
                encode(
                    CheckpointEvent(
                        at=at, attempt=1, writer="trainer", step=step, path=path, size_bytes=760_000_000, best=True
                    )
                )
            )
        file.write(
            encode(
                AlertEvent(
                    at=ended_at,
                    attempt=1,
                    writer="supervisor",
                    step=steps,
                    rule="overfitting",
                    change="raised",
                    severity=Severity.WARNING,
                    message="eval loss 0.71 is 8 % over its best (step 800) while train loss falls",
                    onset_step=steps,
                )
            )
        )
    with open(run.system, "wb") as file:
        for i in range(int(steps * STEP_S / 2) + 1):
            used = int(2.2e9 + 4e8 * (1 - math.exp(-i / 20)))
            file.write(encode(SystemRecord(at=started_at + 2 * i, attempt=1, seq=i, run_rss_bytes=used)))
    console = "".join(f"[{i:04d}] a line that a library prints\n" for i in range(200))
    run.console.write_text(console, encoding="utf-8")


def _write_status(run: RunDir, state: State, step: int, total: int, started_at: float) -> None:
    this = Heart(process=process.this_process(), beat_at=time.time(), safe_points=step)
    live = not state.has_ended
    write_status(
        run.status_json,
        Status(
            run=run.id,
            state=state,
            intent=Intent.RUN,
            attempt=1,
            step=step,
            total_steps=total,
            epoch=step / STEPS_PER_EPOCH,
            total_epochs=total / STEPS_PER_EPOCH,
            phase=Phase.TRAIN if live else None,
            device="cpu",
            supervisor=this,
            trainer=this if live else None,
            host=process.host(),
            boot_id=process.boot_id(),
            updated_at=time.time(),
            started_at=started_at,
            active_s=step * STEP_S,
            ended_at=None if live else started_at + step * STEP_S,
        ),
    )


def write_live(run: RunDir, steps: int, total: int, steps_per_s: float) -> None:
    """`steps` of history, then a step every 1 / steps_per_s until `total`; the status beats at 1 Hz."""
    rng = random.Random(7)
    started_at = time.time() - steps * STEP_S
    records: Iterator[MetricsRecord] = (step_record(s, started_at, total, rng) for s in range(1, steps + 1))
    run.metrics.write_bytes(b"".join(map(encode, records)))
    _write_rest(run, steps, started_at)
    _write_status(run, State.RUNNING, steps, total, started_at)
    print(run.path, flush=True)
    metrics, system = Appender(run.metrics), Appender(run.system)
    began, beat_at = time.monotonic(), 0.0
    for step in range(steps + 1, total + 1):
        time.sleep(max(0.0, began + (step - steps) / steps_per_s - time.monotonic()))
        record = step_record(step, started_at, total, rng)
        record.at = time.time()
        metrics.append(encode(record))
        if time.monotonic() - beat_at >= 1:
            beat_at = time.monotonic()
            _write_status(run, State.RUNNING, step, total, started_at)
            used = int(2.4e9 + 1e8 * rng.random())
            system.append(encode(SystemRecord(at=time.time(), attempt=1, seq=step, run_rss_bytes=used)))
    _write_status(run, State.DONE, total, total, started_at)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs_dir", type=Path)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--live", type=float, metavar="STEPS_PER_S", help="go on writing at this rate")
    parser.add_argument("--total", type=int, default=20_000, help="planned steps of a live run")
    arguments = parser.parse_args()
    os.umask(0o077)
    run = layout.create(arguments.runs_dir, "synthetic", time.time())
    if arguments.live:
        write_live(run, arguments.steps, arguments.total, arguments.live)
    else:
        write_finished(run, arguments.steps)
        print(run.path)
    layout.point_latest(run)


if __name__ == "__main__":
    main()
