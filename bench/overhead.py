"""The training rate under `traind` against a bare PyTorch loop of the same model, data, clipping and schedule.

    python -m bench.overhead [--config configs/ner.toml] [--steps 230] [--pairs 5]

`traind` logs every step, samples the machine, runs its alert rules, and saves as configured (once an epoch); the bare
loop does nothing but train. Pairs are interleaved, each side in processes of its own; both are timed from the end of
step 10 to the end of the last step. Ratio = traind's steps per second ÷ the bare loop's.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rundir.layout import RunDir
from rundir.records import METRICS_DECODER, StepRecord, decode_lines

WARM_UP_STEPS = 10


def bare(config_path: Path, num_steps: int) -> float:
    """Train as a short script would; returns steps per second."""
    import torch
    from transformers import get_linear_schedule_with_warmup

    from traind import config
    from traind.launch import create_run
    from traind.tasks.token_classification import TokenClassification

    settings = config.load(config_path)
    with tempfile.TemporaryDirectory() as scratch:
        task = TokenClassification(settings, create_run(settings, Path(scratch)), alive=lambda: None)
    torch.manual_seed(settings.seed)
    model = task.build_model()
    model.train()
    total = num_steps
    decayed = [p for name, p in model.named_parameters() if not name.endswith("bias") and "norm" not in name.lower()]
    plain = [p for name, p in model.named_parameters() if name.endswith("bias") or "norm" in name.lower()]
    groups = [{"params": decayed, "weight_decay": settings.train.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=settings.train.lr, fused=True)
    schedule = get_linear_schedule_with_warmup(optimizer, round(settings.train.warmup_ratio * total), total)
    loader = torch.utils.data.DataLoader(
        task.train_data, batch_size=settings.train.batch_size, shuffle=True, collate_fn=task.collate
    )
    step, began = 0, 0.0
    while step < num_steps:
        for batch in loader:
            logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.train.clip_norm)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            step += 1
            if step == WARM_UP_STEPS:
                began = time.perf_counter()
            if step >= num_steps:
                break
    return (num_steps - WARM_UP_STEPS) / (time.perf_counter() - began)


def under_traind(config_path: Path, num_steps: int) -> float:
    """Train in the daemon; returns steps per second by its own records."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "traind.cli", "start", str(config_path), "--runs-dir", scratch, "--foreground"]
        command += ["--set", f"train.max_steps={num_steps}", "--set", "eval.every=1000000"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        run = RunDir(Path(done.stdout.splitlines()[0]))
        records = decode_lines(run.metrics.read_bytes(), METRICS_DECODER).records
    at = {record.step: record.at for record in records if isinstance(record, StepRecord)}
    return (num_steps - WARM_UP_STEPS) / (at[num_steps] - at[WARM_UP_STEPS])


def _in_own_process(config_path: Path, num_steps: int) -> float:
    command = [
        sys.executable,
        "-m",
        "bench.overhead",
        "--config",
        str(config_path),
        "--steps",
        str(num_steps),
        "--bare",
    ]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--config", type=Path, default=Path("configs/ner.toml"))
    parser.add_argument("--steps", type=int, default=230)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.bare:
        print(bare(args.config, args.steps))
        return
    print(f"training rate, {args.config}, steps {WARM_UP_STEPS} to {args.steps}, steps per second\n")
    print(f"{'pair':>6}{'bare loop':>12}{'traind':>12}{'ratio':>9}")
    ratios = []
    for pair in range(1, args.pairs + 1):
        ours_first = pair % 2 == 0
        ours = under_traind(args.config, args.steps) if ours_first else 0.0
        plain = _in_own_process(args.config, args.steps)
        ours = ours or under_traind(args.config, args.steps)
        ratios.append(ours / plain)
        print(f"{pair:>6}{plain:>12.2f}{ours:>12.2f}{ratios[-1]:>9.3f}", flush=True)
    print(f"\nmedian ratio {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
