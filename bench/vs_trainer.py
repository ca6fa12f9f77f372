"""The training rate of `traind` against that of the HF Trainer on the sentiment recipe.

    python -m bench.vs_trainer [--config configs/sentiment.toml] [--steps 230] [--pairs 7]

Both train the same model from the same weights on the same tokenised texts: batch, accumulation, gradient
checkpointing, clipping, optimizer, decay, schedule, threads and loader are those of the recipe, and each logs every
step (`traind` to its metrics.jsonl, the Trainer to a file through its PrinterCallback). Neither evaluates nor saves
while the clock runs: from the end of step 10 to the end of the last step. Pairs are interleaved, each side in processes
of its own, the one that goes first alternating. Ratio = traind's steps per second ÷ the Trainer's.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rundir.layout import RunDir
from rundir.records import METRICS_DECODER, StepRecord, decode_lines

WARM_UP_STEPS = 10
NEVER = 1_000_000


def under_trainer(config_path: Path, num_steps: int, scratch: Path) -> tuple[float, float]:
    """Train with transformers.Trainer; returns steps per second and the last loss."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    from traind import config
    from traind.launch import create_run
    from traind.tasks.kind import open_task

    settings = config.load(config_path)
    task = open_task(settings, create_run(settings, scratch), lambda: None)
    train = settings.train
    stamps: dict[int, float] = {}

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            stamps[state.global_step] = time.perf_counter()

    arguments = TrainingArguments(
        output_dir=str(scratch / "trainer"),
        max_steps=num_steps,
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
        warmup_steps=round(train.warmup_ratio * num_steps),
        max_grad_norm=train.clip_norm,
        dataloader_num_workers=settings.data.num_workers,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        logging_strategy="steps",
        logging_steps=1,
        save_strategy="no",
        eval_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
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
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return (num_steps - WARM_UP_STEPS) / (stamps[num_steps] - stamps[WARM_UP_STEPS]), statistics.mean(losses[-50:])


def under_traind(config_path: Path, num_steps: int) -> tuple[float, float]:
    """Train in the daemon; returns steps per second by its own records, and the mean of the last losses."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "traind.cli", "start", str(config_path), "--runs-dir", scratch, "--foreground"]
        for setting in (f"train.max_steps={num_steps}", f"eval.every={NEVER}", f"checkpoint.every={NEVER}"):
            command += ["--set", setting]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        run = RunDir(Path(done.stdout.splitlines()[0]))
        records = decode_lines(run.metrics.read_bytes(), METRICS_DECODER).records
    steps = [record for record in records if isinstance(record, StepRecord)]
    at = {record.step: record.at for record in steps}
    rate = (num_steps - WARM_UP_STEPS) / (at[num_steps] - at[WARM_UP_STEPS])
    return rate, statistics.mean(float(record.loss) for record in steps[-50:])


def _in_own_process(config_path: Path, num_steps: int) -> tuple[float, float]:
    """Its log goes into a file, as ours does."""
    command = [sys.executable, "-m", "bench.vs_trainer", "--config", str(config_path), "--steps", str(num_steps)]
    with tempfile.TemporaryDirectory() as scratch, open(Path(scratch) / "log", "w+", encoding="utf-8") as log:
        subprocess.run([*command, "--trainer-in", scratch], stdout=log, stderr=subprocess.DEVNULL, check=True)
        log.seek(0)
        rate, loss = log.read().splitlines()[-1].split()
    return float(rate), float(loss)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--config", type=Path, default=Path("configs/sentiment.toml"))
    parser.add_argument("--steps", type=int, default=230)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--trainer-in", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.trainer_in is not None:
        print(*under_trainer(args.config, args.steps, args.trainer_in))
        return
    print(
        f"training rate, {args.config}, steps {WARM_UP_STEPS} to {args.steps}, steps per second; mean of last losses\n"
    )
    print(f"{'pair':>6}{'HF Trainer':>12}{'traind':>12}{'ratio':>9}{'loss':>12}{'ours':>9}")
    ratios = []
    for pair in range(1, args.pairs + 1):
        if pair % 2 == 0:
            ours = under_traind(args.config, args.steps)
            theirs = _in_own_process(args.config, args.steps)
        else:
            theirs = _in_own_process(args.config, args.steps)
            ours = under_traind(args.config, args.steps)
        ratios.append(ours[0] / theirs[0])
        row = f"{pair:>6}{theirs[0]:>12.2f}{ours[0]:>12.2f}{ratios[-1]:>9.3f}{theirs[1]:>12.4f}{ours[1]:>9.4f}"
        print(row, flush=True)
    print(f"\nmedian ratio {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
