"""The time of a resume from `traind resume` to its first new step, early and late in a long epoch.

    python -m bench.resume [--pairs 5] [--examples 160000]

A tiny classifier over many rows; a run is stopped at 10% and at 90% of its first epoch, and copies of the two are
resumed in turn. The order of the data is a pure function of (seed, epoch, position): nothing is replayed or skipped,
so the two should be equal within noise. The time of the loader's plan alone is printed beside.
"""

import argparse
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rundir.layout import RunDir
from rundir.records import METRICS_DECODER, StepRecord, decode_lines
from rundir.status import read_status
from traind.batch_order import BatchOrder

CONFIG = """
name = "long-epoch"
[task]
kind = "text-classification"
[data]
train = "{data}"
eval = "{eval}"
max_length = 8
[model]
init = "scratch"
dim = 16
n_layers = 1
n_heads = 1
hidden_dim = 16
vocab_size = 100
[train]
epochs = 1
batch_size = 8
max_steps = {max_steps}
schedule = "constant"
device = "cpu"
threads = 1
[eval]
every = 1000000
[checkpoint]
every = 1000000
[log]
every = 1
"""


def write_rows(path: Path, num_rows: int) -> None:
    rng = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for _ in range(num_rows):
            word = rng.choice(("good", "bad"))
            file.write(f'{{"text": "a {word} {rng.choice("abcdefgh")}", "label": "{word}"}}\n')


def traind(*args: str) -> str:
    done = subprocess.run([sys.executable, "-m", "traind.cli", *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (args, done.stderr)
    return done.stdout.strip()


def wait_for(run: RunDir, *, ended: bool = True) -> None:
    while (status := read_status(run.status_json)) is None or status.state.has_ended is not ended:
        time.sleep(0.01)


def prepare(directory: Path, num_examples: int, share: float) -> RunDir:
    """A run that has ended at a share of its first epoch, and is to make ten steps more."""
    steps_per_epoch = num_examples // 8
    stop_at = int(steps_per_epoch * share)
    config = directory / f"{share}.toml"
    config.write_text(
        CONFIG.format(data=directory / "train.jsonl", eval=directory / "eval.jsonl", max_steps=stop_at),
        encoding="utf-8",
    )
    run = RunDir(Path(traind("start", str(config), "--no-check", "--runs-dir", str(directory / "runs")).split()[-1]))
    wait_for(run)
    traind("set", str(run.path), f"max_steps={stop_at + 10}")
    return run


def resume(of: RunDir) -> tuple[float, int]:
    """Seconds from the command to the time stamp of the first new step record, of a fresh copy; and that step."""
    run = RunDir(of.path.with_name(f"copy-{time.time_ns()}"))
    shutil.copytree(of.path, run.path, symlinks=True)
    num_before = len(steps_of(run))
    began_at = time.time()
    traind("resume", str(run.path))
    wait_for(run)
    first = steps_of(run)[num_before]
    shutil.rmtree(run.path)
    return first.at - began_at, first.step


def steps_of(run: RunDir) -> list[StepRecord]:
    records = decode_lines(run.metrics.read_bytes(), METRICS_DECODER).records
    return [record for record in records if isinstance(record, StepRecord)]


def plan_s(num_examples: int, share: float) -> float:
    order = BatchOrder(num_examples, 8, 1, 0)
    began = time.perf_counter()
    order.micro_batches(0, int(order.steps_per_epoch * share))
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--examples", type=int, default=160_000)
    args = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="bench-resume-"))
    try:
        write_rows(directory / "train.jsonl", args.examples)
        write_rows(directory / "eval.jsonl", 16)
        runs = {share: prepare(directory, args.examples, share) for share in (0.1, 0.9)}
        seconds: dict[float, list[float]] = {share: [] for share in runs}
        for index in range(args.pairs):
            for share in sorted(runs, reverse=index % 2 == 1):
                took_s, step = resume(runs[share])
                seconds[share].append(took_s)
                print(f"  at {share:.0%}: step {step}, {took_s:.2f} s", flush=True)
        for share, values in seconds.items():
            said = f"median {statistics.median(values):.2f} s ({' '.join(f'{value:.2f}' for value in values)})"
            print(f"resume at {share:.0%} of {args.examples // 8:,} steps: {said}")
            plans = [plan_s(args.examples, share) for _ in range(5)]
            print(f"  of which the plan of the epoch's rest: {statistics.median(plans) * 1000:.0f} ms")
        ratios = [late / early for early, late in zip(seconds[0.1], seconds[0.9], strict=True)]
        print(f"90% ÷ 10%: median {statistics.median(ratios):.3f} ({' '.join(f'{ratio:.3f}' for ratio in ratios)})")
    finally:
        shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
