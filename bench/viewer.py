"""What the dashboard costs, beside the bars it is to keep: opening runs of any length, keys, watching.

python -m bench.viewer [--runs N] [--watch S] [--presses N] [--longest STEPS]

Each figure comes from a real `trainwatch` in a pseudo-terminal of 160x48. "open" is the time from exec to the status
line's "N steps", which is written only once the last record is painted; the interpreter's start is in it. A key is
timed from its writing to the terminal to what it brings to the screen. `--longest 10000000` makes a log of 3 GB for
the bars of very long runs, and needs 5 GB below --dir. Prints wall times and never fails on one: the machine may be
busy, so the processor's time stands beside them.
"""

import argparse
import os
import random
import re
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.terminal import PAINTED, Terminal, dashboard, live, path_of, synthetic

READING = re.compile(rb"reading")
LOGARITHMIC = re.compile(rb"charts: log")
ALL_METRICS = re.compile(rb"metrics")
BARS_S = {100_000: 1.0, 1_000_000: 1.2, 10_000_000: 8.0}
"""To the whole curve, without an index."""
INDEXED_BAR_S = 1.5
KEY_BAR_MS = 50.0
MEMORY_BAR_MB = 900


@dataclass(frozen=True, slots=True)
class Opening:
    """One start of a dashboard."""

    seconds: float
    cpu_s: float
    rss_bytes: int


def row(what: str, measured: str, bar: str = "") -> None:
    print(f"{what:<58}{measured:>20}{bar:>14}", flush=True)


def opened(run: Path, until: re.Pattern[bytes] = PAINTED) -> Opening:
    """Start one and wait until something is on screen. Raises SystemExit where that takes minutes."""
    start = time.perf_counter()
    with dashboard(run) as terminal:
        if not terminal.pump(180, until=until):
            raise SystemExit(f"{run}: not painted within 180 s")
        return Opening(time.perf_counter() - start, terminal.all_cpu_s(), terminal.peak_rss_bytes)


def median_of(openings: list[Opening]) -> Opening:
    return Opening(
        statistics.median(each.seconds for each in openings),
        statistics.median(each.cpu_s for each in openings),
        max(each.rss_bytes for each in openings),
    )


def print_opening(what: str, found: Opening, bar_s: float, memory_bar: str = "") -> None:
    row(what, f"{found.seconds:.2f} s", f"{bar_s:g} s")
    row("  processor time, helpers included", f"{found.cpu_s:.2f} s")
    row("  resident memory, helpers included", f"{found.rss_bytes / 1e6:.0f} MB", memory_bar)


def open_both_ways(run: Path, steps: int, repeats: int, cache: Path) -> None:
    """Without an index, then with one, where there is one."""
    first = []
    for _ in range(repeats):
        shutil.rmtree(cache, ignore_errors=True)
        first.append(opened(run))
        with dashboard(run) as terminal:  # the index is entered at the end of the first reading, after its painting
            terminal.pump(180, until=PAINTED)
    memory_bar = f"{MEMORY_BAR_MB} MB" if steps >= 10_000_000 else ""
    print_opening(f"open {steps:,} steps", median_of(first), BARS_S.get(steps, BARS_S[10_000_000]), memory_bar)
    if any(cache.rglob("meta")):
        again = median_of([opened(run) for _ in range(repeats)])
        print_opening(f"open {steps:,} steps again, from the index", again, INDEXED_BAR_S, memory_bar)


def while_reading(run: Path, cache: Path) -> None:
    """Keys, progress and leaving while a long log is read for the first time."""
    shutil.rmtree(cache, ignore_errors=True)
    with dashboard(run) as terminal:
        start = time.perf_counter()
        if not terminal.pump(30, until=READING):
            return
        row("first picture of it", f"{time.perf_counter() - start:.2f} s", "0.5 s")
        terminal.pump(2)  # a chart that has nothing yet has no axis to be logarithmic
        print_keys("  a key while it is read", key_times_ms(terminal, 5))
        start = time.perf_counter()
        os.write(terminal.fd, b"q")
        took = f"{time.perf_counter() - start:.2f} s" if terminal.has_left(10) else "it stays"
        row("  q, until it has left", took)


def key_times_ms(terminal: Terminal, presses: int) -> list[float]:
    """From the key of the logarithmic axis to its words in the status line; that it goes again is not timed."""
    rng = random.Random(5)
    times = []
    for _ in range(presses):
        times.append(1000 * terminal.press("y", LOGARITHMIC))
        terminal.pump(0.05 + 0.2 * rng.random())
        os.write(terminal.fd, b"y")
        terminal.pump(0.15 + 0.2 * rng.random())
    return times


def print_keys(what: str, times_ms: list[float]) -> None:
    row(f"{what}, median", f"{statistics.median(times_ms):.1f} ms")
    worst = sorted(times_ms)[max(0, -(-99 * len(times_ms) // 100) - 1)]
    row(f"  99th percentile of {len(times_ms)}", f"{worst:.1f} ms", f"{KEY_BAR_MS:g} ms")


def watching(
    run: Path, seconds: float, until: re.Pattern[bytes] = PAINTED, settle_s: float = 2, key: str = ""
) -> tuple[float, float]:
    """CPU percent of one core, and bytes a second to the terminal, once the picture stands. `key`: pressed before."""
    with dashboard(run) as terminal:
        terminal.pump(120, until=until)
        os.write(terminal.fd, key.encode())
        terminal.pump(settle_s)
        cpu_s, num_bytes, start = terminal.cpu_s(), terminal.num_bytes, time.perf_counter()
        terminal.pump(seconds)
        took_s = time.perf_counter() - start
        return 100 * (terminal.cpu_s() - cpu_s) / took_s, (terminal.num_bytes - num_bytes) / took_s


def print_watching(what: str, cost: tuple[float, float], cpu_bar: str, bytes_bar: str) -> None:
    row(f"{what}, CPU of a core", f"{cost[0]:.1f} %", cpu_bar)
    row("  to the terminal", f"{cost[1]:,.0f} B/s", bytes_bar)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="repeats of each opening")
    parser.add_argument("--watch", type=float, default=20.0, help="seconds of watching")
    parser.add_argument("--presses", type=int, default=100, help="keys that are timed")
    parser.add_argument("--longest", type=int, default=1_000_000, metavar="STEPS", help="of the longest run")
    parser.add_argument("--dir", type=Path, help="where the runs are made, and removed (default: the system's)")
    arguments = parser.parse_args()
    parent = Path(tempfile.mkdtemp(prefix="trainwatch-bench-", dir=arguments.dir))
    cache = parent / "cache"
    os.environ["XDG_CACHE_HOME"] = str(cache)
    row("what", "measured", "bar")
    try:
        short = path_of(synthetic(parent, "--steps", "1000"))
        print_opening("open 1,000 steps", median_of([opened(short) for _ in range(arguments.runs)]), 0.5)
        for steps in sorted({100_000, 1_000_000, arguments.longest}):
            run = path_of(synthetic(parent, "--steps", str(steps)))
            open_both_ways(run, steps, arguments.runs if steps <= 1_000_000 else 1, cache)
            if steps > 1_000_000:
                while_reading(run, cache)
            if steps == arguments.longest:
                cost = watching(run, arguments.watch)
                print_watching(f"watch the finished run of {steps:,} steps", cost, "0.5 %", "0 B/s")
            shutil.rmtree(run)
        with live(parent, 1_000_000, 1000) as run, dashboard(run) as terminal:
            terminal.pump(120, until=PAINTED)
            terminal.pump(2)
            print_keys("a key, 1,000,000 steps loaded, 1,000/s come", key_times_ms(terminal, arguments.presses))
        with live(parent, 2000, 20) as run:
            print_watching("watch 20 steps/s", watching(run, arguments.watch), "12 %", "2,500 B/s")
            cost = watching(run, arguments.watch, key="g", settle_s=4)
            print_watching("watch 20 steps/s, all metrics", cost, "12 %", "2,500 B/s")
    finally:
        shutil.rmtree(parent)


if __name__ == "__main__":
    main()
