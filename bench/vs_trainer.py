"""The training rate of `traind` against that of the HF Trainer on the sentiment recipe.

    python -m bench.vs_trainer [--config configs/sentiment.toml] [--rounds 3] [--pairs 7] [--slice-s 4]

Both train the same model from the same weights on the same tokenised texts: batch, accumulation, gradient
checkpointing, clipping, optimizer, decay, schedule, threads and loader are those of the recipe, and each logs every
step (`traind` to its metrics.jsonl, the Trainer to a file through its PrinterCallback). Neither evaluates nor saves.

A round starts both and lets them train in turns, one stopped by SIGSTOP (`traind` with its supervisor) while the other
has the machine: a pair is two slices of a few seconds beside each other, the one that goes first alternating, so that
what else the machine does falls on both alike. A slice's rate is that of the steps wholly inside it.
Ratio = traind's steps per second ÷ the Trainer's.
"""

import argparse
import itertools
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rundir.layout import RunDir
from rundir.records import METRICS_DECODER, StepRecord, decode_lines
from rundir.status import read_status

WARM_UP_STEPS = 10
MAX_STEPS = 100_000
"""Never reached: a round ends when it has its slices."""
STAMPS = "stamps.f64"
"""UTC seconds of each step's end, MAX_STEPS of them, 0 where there was none yet."""


@dataclass(frozen=True)
class Side:
    """One of the two that train."""

    groups: tuple[int, ...]
    """Process groups that train or belong to it."""
    ends: Callable[[], np.ndarray[Any, np.dtype[np.float64]]]
    """UTC seconds at which each step so far has ended, [steps]."""

    def tell(self, signum: signal.Signals) -> None:
        for group in self.groups:
            os.killpg(group, signum)

    def wait_for_steps(self, number: int) -> None:
        while len(self.ends()) < number:
            time.sleep(0.05)

    def slice(self, slice_s: float) -> float:
        """Steps per second while it alone trains; nan where fewer than two steps lay wholly inside."""
        began = time.time()
        self.tell(signal.SIGCONT)
        time.sleep(slice_s)
        self.tell(signal.SIGSTOP)
        ends = self.ends()
        within = ends[ends > began][1:]  # the first has the stop in it
        return (len(within) - 1) / float(within[-1] - within[0]) if len(within) > 1 else math.nan


def train_with_trainer(config_path: Path, scratch: Path) -> None:
    """Train with transformers.Trainer, and note when each step ends."""
    import torch
    from transformers import Trainer, TrainerCallback, TrainingArguments

    from traind import config
    from traind.launch import create_run
    from traind.tasks.kind import open_task

    settings = config.load(config_path)
    task = open_task(settings, create_run(settings, scratch), lambda: None)
    train = settings.train
    on_gpu = train.device != "cpu" and torch.cuda.is_available()
    stamps = np.memmap(scratch / STAMPS, dtype=np.float64, mode="r+")

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            stamps[state.global_step - 1] = time.time()

    arguments = TrainingArguments(
        output_dir=str(scratch / "trainer"),
        max_steps=MAX_STEPS,
        per_device_train_batch_size=train.batch_size,
        gradient_accumulation_steps=train.accumulation,
        gradient_checkpointing=train.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        learning_rate=train.lr,
        weight_decay=train.weight_decay,
        adam_beta1=train.betas[0],
        adam_beta2=train.betas[1],
        adam_epsilon=train.eps,
        lr_scheduler_type=train.schedule,
        warmup_steps=WARM_UP_STEPS,
        max_grad_norm=train.clip_norm,
        dataloader_num_workers=settings.data.num_workers,
        dataloader_pin_memory=on_gpu,
        remove_unused_columns=False,
        logging_strategy="steps",
        logging_steps=1,
        save_strategy="no",
        eval_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=not on_gpu,
        seed=settings.seed,
    )
    trainer = Trainer(
        model=task.build_model(),
        args=arguments,
        train_dataset=task.train_data,
        data_collator=task.collate,
        callbacks=[Clock()],
    )
    # A classifier's forward takes **kwargs, from which the Trainer concludes that it divides its loss by the items of
    # the whole step; it does not, and with accumulation loss and gradient would be too large by that factor.
    trainer.model_accepts_loss_kwargs = False
    trainer.train()


@contextmanager
def under_trainer(config_path: Path) -> Iterator[Side]:
    """The Trainer in a process of its own; its log goes into a file, as ours does."""
    with tempfile.TemporaryDirectory() as scratch, open(Path(scratch) / "log", "w", encoding="utf-8") as log:
        stamps = np.memmap(Path(scratch) / STAMPS, dtype=np.float64, mode="w+", shape=(MAX_STEPS,))
        command = [sys.executable, "-m", "bench.vs_trainer", "--config", str(config_path), "--trainer-in", scratch]
        with subprocess.Popen(command, stdout=log, stderr=subprocess.DEVNULL, start_new_session=True) as process:
            side = Side((process.pid,), lambda: np.array(stamps[: np.count_nonzero(stamps)]))
            try:
                side.wait_for_steps(WARM_UP_STEPS)
                side.tell(signal.SIGSTOP)
                yield side
            finally:
                side.tell(signal.SIGKILL)


@contextmanager
def under_traind(config_path: Path) -> Iterator[Side]:
    """The daemon: a supervisor and a trainer. The ends of steps are those of its own records."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "traind.cli", "start", str(config_path), "--runs-dir", scratch]
        for setting in (f"train.max_steps={MAX_STEPS}", f"eval.every={MAX_STEPS}", f"checkpoint.every={MAX_STEPS}"):
            command += ["--set", setting]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        run = RunDir(Path(done.stdout.splitlines()[-1]))
        status = read_status(run.status_json)
        assert status is not None
        assert status.supervisor is not None
        assert status.trainer is not None
        pids = (status.supervisor.process.pid, status.trainer.process.pid)
        side = Side(tuple(os.getpgid(pid) for pid in pids), lambda: _ends(run))
        try:
            side.wait_for_steps(WARM_UP_STEPS)
            side.tell(signal.SIGSTOP)
            yield side
        finally:
            side.tell(signal.SIGKILL)


def _ends(run: RunDir) -> np.ndarray[Any, np.dtype[np.float64]]:
    records = decode_lines(run.metrics.read_bytes(), METRICS_DECODER).records
    return np.array([record.at for record in records if isinstance(record, StepRecord)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--config", type=Path, default=Path("configs/sentiment.toml"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=7, help="of each round")
    parser.add_argument("--slice-s", type=float, default=4.0)
    parser.add_argument("--trainer-in", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.trainer_in is not None:
        train_with_trainer(args.config, args.trainer_in)
        return
    print(f"training rate, {args.config}, steps per second in slices of {args.slice_s:g} s\n")
    print(f"{'round':>7}{'pair':>6}{'HF Trainer':>12}{'traind':>12}{'ratio':>9}")
    ratios = []
    for round_ in range(1, args.rounds + 1):
        with under_trainer(args.config) as theirs, under_traind(args.config) as ours:
            for pair, is_ours_first in zip(range(1, args.pairs + 1), itertools.cycle((False, True)), strict=False):
                rates = {
                    side: side.slice(args.slice_s) for side in ((ours, theirs) if is_ours_first else (theirs, ours))
                }
                ratios.append(rates[ours] / rates[theirs])
                print(f"{round_:>7}{pair:>6}{rates[theirs]:>12.2f}{rates[ours]:>12.2f}{ratios[-1]:>9.3f}", flush=True)
    known = [ratio for ratio in ratios if math.isfinite(ratio)]
    print(f"\nmedian ratio {statistics.median(known):.3f} of {len(known)} pairs")


if __name__ == "__main__":
    main()
