"""What the table of runs costs: listing 1,000 run directories, and watching them, finished and with ten that train.

python -m bench.runs [--num N] [--repeats R] [--watch S] [--keep DIR]

"first rows" is the time from exec until runs are on screen, "all read" until the status line's "N runs", which is
written once every directory was read; the interpreter's start is in both. A run has 400 step records. Prints wall times
beside their bars and never fails on one: the machine may be busy.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from bench.synthetic_run import write_finished
from bench.terminal import dashboard, path_of, synthetic
from bench.viewer import print_watching, watching
from rundir.layout import RunDir
from trainwatch.listing.scan import Scanner

STEPS = 400
NUM_LIVE = 10
FIRST_ROWS = re.compile(rb"\d{6}-run-\d{4}")
ALL_READ = re.compile(rb"[\d,]+ runs")


def make_runs(parent: Path, num: int) -> None:
    """Finished runs, all alike: one is written, the others are copies under their own names."""
    model = RunDir(parent / ".model")
    model.path.mkdir()
    write_finished(model, STEPS)
    config = "".join(f"[section{i}]\n" + "".join(f"key{j} = {i * j}\n" for j in range(8)) for i in range(8))
    model.config_toml.write_text(f"[train]\nlr = 5e-05\nepochs = 4.0\n{config}", encoding="utf-8")
    for i in range(num):
        run = RunDir(parent / f"20261121-{i:06d}-run-{i:04d}")
        shutil.copytree(model.path, run.path)
        for path in (run.run_json, run.status_json):
            path.write_bytes(path.read_bytes().replace(b".model", run.id.encode()))


def opening(parent: Path, repeats: int, until: re.Pattern[bytes]) -> tuple[float, float, int]:
    """Medians of the seconds from exec until something is on screen and of the CPU time until then; the memory."""
    times: list[tuple[float, float]] = []
    rss_bytes = 0
    for _ in range(repeats):
        start = time.perf_counter()
        with dashboard(parent) as terminal:
            if not terminal.pump(120, until=until):
                raise SystemExit(f"{parent}: not painted within 120 s")
            times.append((time.perf_counter() - start, terminal.cpu_s()))
            rss_bytes = max(rss_bytes, terminal.process.memory_info().rss)
    return statistics.median(wall for wall, _ in times), statistics.median(cpu for _, cpu in times), rss_bytes


def reading(parent: Path) -> tuple[float, float, float]:
    """Seconds of reading without a screen: until all are listed, until all are known in full; of a look again."""
    scanner, start = Scanner(parent), time.perf_counter()
    while scanner.poll().num_unread:
        pass
    listed_s = time.perf_counter() - start
    while scanner.poll().num_shallow:
        pass
    deep_s = time.perf_counter() - start
    time.sleep(5.5)  # every still run is due again
    start = time.perf_counter()
    scanner.poll()
    return listed_s, deep_s, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num", type=int, default=1000, help="run directories")
    parser.add_argument("--repeats", type=int, default=5, help="of each opening")
    parser.add_argument("--watch", type=float, default=20.0, help="seconds of watching")
    parser.add_argument("--keep", type=Path, help="where to make the runs, which then stay")
    arguments = parser.parse_args()
    parent = arguments.keep or Path(tempfile.mkdtemp(prefix="trainwatch-bench-"))
    parent.mkdir(parents=True, exist_ok=True)
    make_runs(parent, arguments.num)
    live: list[subprocess.Popen[str]] = []
    print(f"{f'{arguments.num:,} runs':<44}{'measured':>18}{'bar':>14}")
    try:
        for what, until, bar in (("first rows", FIRST_ROWS, "0.5 s"), ("all read", ALL_READ, "1.0 s")):
            seconds, cpu_s, rss = opening(parent, arguments.repeats, until)
            print(f"{f'{what}, median of {arguments.repeats}':<44}{seconds:>16.2f} s{bar:>14}")
            print(f"{'  CPU time until then':<44}{cpu_s:>16.2f} s", flush=True)
        print(f"{'  resident memory':<44}{rss / 2**20:>14.0f} MiB", flush=True)
        listed_s, deep_s, idle_s = reading(parent)
        print(f"{'reading alone: listed':<44}{listed_s:>16.2f} s")
        print(f"{'  with configuration, course, best':<44}{deep_s:>16.2f} s")
        print(f"{'  a look at all of them again':<44}{1000 * idle_s:>15.1f} ms", flush=True)
        cost = watching(parent, arguments.watch, ALL_READ, settle_s=10)
        print_watching("watch them, all finished", cost, "0.5 %", "0 B/s")
        live = [synthetic(parent, "--steps", "2000", "--live", "5", "--total", "100000") for _ in range(NUM_LIVE)]
        for generator in live:
            path_of(generator)
        cost = watching(parent, arguments.watch, ALL_READ, settle_s=10)
        print_watching(f"watch them and {NUM_LIVE} of 5 steps/s", cost, "5 %", "2,500 B/s")
    finally:
        for generator in live:
            generator.kill()
            generator.wait()
        if arguments.keep is None:
            shutil.rmtree(parent)


if __name__ == "__main__":
    main()
