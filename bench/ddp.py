"""The training rate of two CPU processes against one, at the same effective batch.

    python -m bench.ddp [--config configs/ner.toml] [--steps 60] [--rounds 3]

Each row in a run of its own, one after another within a round; timed by their own records from the end of step 10 to
the end of the last step. On two cores two processes of one thread can gain no more than one process of two threads
has: what they exchange comes on top. Read the table only where nothing else runs.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from rundir.layout import RunDir
from rundir.records import METRICS_DECODER, StepRecord, decode_lines

WARM_UP_STEPS = 10
ROWS = {"1 process, 1 thread": (1, 1), "1 process, 2 threads": (1, 2), "2 processes, 1 thread each": (2, 1)}


def rate(config: Path, num_steps: int, nproc: int, threads: int) -> float:
    """Optimizer steps a second."""
    settings = [f"distributed.nproc={nproc}", f"train.threads={threads}", f"train.max_steps={num_steps}"]
    settings += ["train.device=cpu", "eval.every=1000000", "checkpoint.every=1000000"]
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "traind.cli", "start", str(config), "--runs-dir", scratch, "--foreground"]
        command += [word for setting in settings for word in ("--set", setting)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        run = RunDir(Path(done.stdout.splitlines()[0]))
        records = decode_lines(run.metrics.read_bytes(), METRICS_DECODER).records
    at = {record.step: record.at for record in records if isinstance(record, StepRecord)}
    return (num_steps - WARM_UP_STEPS) / (at[num_steps] - at[WARM_UP_STEPS])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--config", type=Path, default=Path("configs/ner.toml"))
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    rates: dict[str, list[float]] = {name: [] for name in ROWS}
    print(f"training rate, {args.config}, steps {WARM_UP_STEPS} to {args.steps}, steps per second\n", flush=True)
    for _ in range(args.rounds):
        for name, (nproc, threads) in ROWS.items():
            rates[name].append(rate(args.config, args.steps, nproc, threads))
            print(f"{name:<28}{rates[name][-1]:>8.2f}", flush=True)
    print(f"\n{args.rounds} rounds")
    print(f"{'':<28}{'median':>8}{'lowest':>8}{'highest':>9}{'ratio':>8}")
    base = statistics.median(rates["1 process, 1 thread"])
    for name, found in rates.items():
        median = statistics.median(found)
        print(f"{name:<28}{median:>8.2f}{min(found):>8.2f}{max(found):>9.2f}{median / base:>8.2f}")


if __name__ == "__main__":
    main()
