"""What `traind status --json` takes on top of an interpreter that does nothing: it must not import torch.

    python -m bench.status [--runs-dir runs] [--pairs 15]

Pairs are interleaved, each a whole process; the table gives medians in milliseconds.
"""

import argparse
import statistics
import subprocess
import sys
import time


def wall_ms(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - began) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--pairs", type=int, default=15)
    args = parser.parse_args()
    nothing = [sys.executable, "-c", "pass"]
    status = [sys.executable, "-m", "traind.cli", "status", "--json", "--runs-dir", args.runs_dir]
    pairs = [(wall_ms(nothing), wall_ms(status)) for _ in range(args.pairs)]
    empty, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    more = statistics.median(b - a for a, b in pairs)
    for name, value_ms in (("python -c pass", empty), ("traind status --json", ours), ("more", more)):
        print(f"{name:22}{value_ms:7.1f} ms")


if __name__ == "__main__":
    main()
