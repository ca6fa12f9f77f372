"""Hours of watching in minutes: a run that trains a hundred times faster, random keys, resizes, runs that come and go.

python -m bench.soak_viewer [--hours H] [--speed N] [--seed N]

A real `trainwatch` in a pseudo-terminal looks at a directory of runs. One of them trains 20 steps a second of its own
time for H hours, with evaluations, checkpoints, alerts, samples of the machine, console output and a rollback now and
then; others appear, and vanish, also while they are open. Meanwhile keys are pressed at random, the terminal is resized
and the palette changed. Prints memory over time, and exits with 1 if the dashboard has ended or shown a traceback. The
columns of one page, which grow with the run, are printed beside its memory.
"""

import argparse
import contextlib
import itertools
import math
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.synthetic_run import eval_record, step_record, write_finished
from bench.terminal import PAINTED, Terminal, dashboard, resize
from rundir import layout, process
from rundir.layout import RunDir
from rundir.records import (
    AlertEvent,
    CheckpointEvent,
    EpochRecord,
    ResumeEvent,
    ResumeRecord,
    Severity,
    SystemRecord,
    encode,
)
from rundir.status import Heart, Intent, Phase, RunInfo, State, Status, write_status

STEPS_PER_S = 20
COLUMN_BYTES = 8 * 7
"""Of a step: axis, time, and what a run's page shows. All metrics of a run are twice that."""
SIZES = ((160, 48), (80, 24), (40, 10), (120, 40), (200, 60), (20, 5))
KEYS = (
    *"12345678ggTTzymMoxv+-0f.,[]?/rctn", "\r", "\r", "\r", "\x1b", "\x1b", "\x1b", "\t", " ", "\x10",
    "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[5~", "\x1b[6~", "\x1b[F",
)  # fmt: skip
"""All but those that leave; ctrl+p opens the palette."""
KEY_S, RESIZE_S, OTHER_RUN_S, HOME_S, PRINT_S = 0.15, 7.0, 3.0, 20.0, 15.0
SETTLE_S = 2.5
"""At the table, until what a page held is given back."""
MOST_OTHERS = 12


@dataclass
class Training:
    """The files of the run that trains, written at its own time."""

    run: RunDir
    total: int
    started_at: float
    rng: random.Random
    step: int = 0
    attempt: int = 1
    seq: int = 0
    written: int = 0
    """Steps, those that a rollback took back included."""
    _beat_at: float = 0.0

    def begin(self) -> None:
        info = RunInfo(id=self.run.id, name="soak", task="token-classification", created_at=self.started_at)
        self.run.run_json.write_bytes(encode(info))
        self.run.config_toml.write_text("[train]\nlr = 5e-05\n", encoding="utf-8")
        self.beat()

    def advance(self, elapsed_s: float) -> None:
        """Write what so many seconds of its own time bring, since it began."""
        written: dict[Path, list[bytes]] = {}
        for _ in range(int(elapsed_s * STEPS_PER_S) - self.written):
            self.step, self.seq, self.written = self.step + 1, self.seq + 1, self.written + 1
            for path, line in self._of_step(self.step, self.started_at + self.written / STEPS_PER_S):
                written.setdefault(path, []).append(line)
        for path, lines in written.items():
            with open(path, "ab", buffering=0) as file:
                file.write(b"".join(lines))
        if time.monotonic() - self._beat_at > 1:
            self.beat()

    def _of_step(self, step: int, at: float) -> Iterator[tuple[Path, bytes]]:
        """Lines, and the files in which they go."""
        run = self.run
        record = step_record(step, self.started_at, self.total, self.rng)
        record.at, record.attempt, record.seq = at, self.attempt, self.seq
        if step % 7001 == 0:
            record.loss = "nan"
        yield run.metrics, encode(record)
        if step % 20 == 0:
            yield run.console, f"step {step}: a line that a library prints\n".encode()
        if step % 40 == 0:
            used = int(2.2e9 + 4e8 * self.rng.random())
            yield run.system, encode(SystemRecord(at=at, attempt=self.attempt, seq=self.seq, run_rss_bytes=used))
        if step % 2000 == 0:
            evaluation = eval_record(step, self.started_at, self.total)
            evaluation.attempt = self.attempt
            yield run.metrics, encode(evaluation)
        if step % 2500 == 0:
            yield run.metrics, encode(EpochRecord(at=at, attempt=self.attempt, step=step, epoch=step // 2500, loss=0.5))
        yield from ((run.events, line) for line in self._events(step, at))
        if self.written % 100_000 == 0:  # two thousand steps back: what was written of them no longer holds
            self.step, self.attempt, self.seq = step - 2000, self.attempt + 1, 0
            resumed = ResumeEvent(at=at, attempt=self.attempt, writer="trainer", step=self.step)
            yield run.events, encode(resumed)
            yield run.metrics, encode(ResumeRecord(at=at, attempt=self.attempt, step=self.step))

    def _events(self, step: int, at: float) -> list[bytes]:
        found = []
        if step % 5000 == 0:
            path = f"checkpoints/step-{step:08d}"
            saved = CheckpointEvent(
                at=at, attempt=self.attempt, writer="trainer", step=step, path=path, size_bytes=10**8
            )
            found.append(encode(saved))
        if step % 4000 in (0, 1500):
            change = "raised" if step % 4000 == 0 else "cleared"
            alert = AlertEvent(
                at=at, attempt=self.attempt, writer="supervisor", step=step, rule="overfitting", onset_step=step,
                severity=Severity.WARNING, change=change, message="eval loss is 8 % over its best",
            )  # fmt: skip
            found.append(encode(alert))
        return found

    def beat(self) -> None:
        self._beat_at = time.monotonic()
        this = Heart(process=process.this_process(), beat_at=time.time(), safe_points=self.written)
        status = Status(
            run=self.run.id, state=State.RUNNING, intent=Intent.RUN, attempt=self.attempt, step=self.step,
            total_steps=self.total, epoch=self.step / 2500, total_epochs=self.total / 2500, phase=Phase.TRAIN,
            device="cpu", supervisor=this, trainer=this, host=process.host(), boot_id=process.boot_id(),
            updated_at=time.time(), started_at=self.started_at,
        )  # fmt: skip
        write_status(self.run.status_json, status)


@dataclass
class Others:
    """Finished runs beside it, copies of one."""

    parent: Path
    model: Path
    runs: list[Path] = field(default_factory=list)
    num_made: int = 0

    def change(self, rng: random.Random) -> None:
        if self.runs and (len(self.runs) >= MOST_OTHERS or rng.random() < 0.4):
            shutil.rmtree(self.runs.pop(rng.randrange(len(self.runs))))
            return
        self.num_made += 1
        path = self.parent / f"20261126-{self.num_made:06d}-other-{self.num_made}"
        shutil.copytree(self.model, path)
        self.runs.append(path)


@dataclass
class Happened:
    """What was done to the dashboard."""

    keys: int = 0
    resizes: int = 0
    rss_mb: list[float] = field(default_factory=list)
    """Memory since it was last printed."""
    home_mb: list[tuple[float, float]] = field(default_factory=list)
    """Hours of the run's own time, and memory at the table then, with no run open."""
    trouble: str = ""


def soak(terminal: Terminal, training: Training, others: Others, seconds: float, speed: float, seed: int) -> Happened:
    """Let all of it happen for some real seconds; ends early where the dashboard does."""
    rng, happened = random.Random(seed), Happened()
    sizes = itertools.cycle(SIZES)
    began = time.monotonic()
    due = dict.fromkeys((KEY_S, RESIZE_S, OTHER_RUN_S, HOME_S, PRINT_S), began)
    while (now := time.monotonic()) < began + seconds and not happened.trouble:
        happened.rss_mb.append(_rss_mb(terminal))
        training.advance((now - began) * speed)
        for every_s in [each for each, at in due.items() if now >= at]:
            due[every_s] = now + every_s
            _do(every_s, terminal, others, rng, happened, next(sizes) if every_s == RESIZE_S else (0, 0))
            if every_s == HOME_S:
                happened.home_mb.append(((now - began) * speed / 3600, _rss_mb(terminal)))
                os.write(terminal.fd, b"\x1b[5~\x1b[5~\r")
            if every_s == PRINT_S:
                hours, columns_mb = (now - began) * speed / 3600, training.written * COLUMN_BYTES / 1e6
                least, most = min(happened.rss_mb), max(happened.rss_mb)
                print(f"{hours:>6.2f} h {least:>9.0f} MB {most:>9.0f} MB {columns_mb:>9.0f} MB", flush=True)
                happened.rss_mb = []
        terminal.pump(0.05)
        happened.trouble = _trouble(terminal)
    return happened


def _do(
    every_s: float, terminal: Terminal, others: Others, rng: random.Random, happened: Happened, size: tuple[int, int]
) -> None:
    match every_s:
        case _ if every_s == KEY_S:
            os.write(terminal.fd, rng.choice(KEYS).encode())
            happened.keys += 1
        case _ if every_s == RESIZE_S:
            resize(terminal.fd, *size)
            happened.resizes += 1
        case _ if every_s == OTHER_RUN_S:
            others.change(rng)
        case _ if every_s == HOME_S:  # back to the table, to go from its top into the run that trains
            _go_home(terminal)
            terminal.pump(SETTLE_S)
        case _:
            pass


def _go_home(terminal: Terminal) -> None:
    for _ in range(6):
        os.write(terminal.fd, b"\x1b")
        terminal.pump(0.1)


def _rss_mb(terminal: Terminal) -> float:
    return float(terminal.process.memory_info().rss) / 1e6


def growth(home_mb: list[tuple[float, float]]) -> str:
    """How memory at the table grows, in the later three quarters: least squares, and the deviation of the slope."""
    points = [(x, y) for x, y in home_mb if x > home_mb[-1][0] / 4]
    if len(points) < 3:
        return "too short to tell how memory at the table grows"
    (slope, _), covariance = np.polyfit(*zip(*points, strict=True), 1, cov=True)
    levels = [y for _, y in points]
    return (
        f"at the table {min(levels):.0f} to {max(levels):.0f} MB, "
        f"{slope:+.1f} ± {math.sqrt(covariance[0][0]):.1f} MB an hour of {len(points)} looks"
    )


def _trouble(terminal: Terminal) -> str:
    if terminal.process.status() == "zombie" or b"Traceback" in terminal.tail:
        return terminal.tail.decode(errors="replace")
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=8.0, help="of the run's own time")
    parser.add_argument("--speed", type=float, default=100.0, help="how many times faster it trains")
    parser.add_argument("--seed", type=int, default=1, help="of the keys")
    arguments = parser.parse_args()
    parent = Path(tempfile.mkdtemp(prefix="trainwatch-soak-"))
    os.environ["XDG_CACHE_HOME"] = str(parent / "cache")
    seconds = arguments.hours * 3600 / arguments.speed
    runs = parent / "runs"
    try:
        model = RunDir(parent / "model")
        model.path.mkdir()
        write_finished(model, 400)
        run = layout.create(runs, "trains", time.time())
        total = math.ceil(arguments.hours * 3600 * STEPS_PER_S)
        training = Training(run, total, time.time() - 60, random.Random(7))
        training.begin()
        training.advance(10)
        print(f"{'run':>8} {'least memory':>12} {'most':>12} {'one page':>12}   {seconds:.0f} s to go")
        with dashboard(runs) as terminal:
            terminal.pump(3, until=PAINTED)
            happened = soak(terminal, training, Others(runs, model.path), seconds, arguments.speed, arguments.seed)
            cpu_s = terminal.cpu_s() if not happened.trouble else math.nan
            if not happened.trouble:
                resize(terminal.fd, *SIZES[0])
                _go_home(terminal)
                terminal.pump(5)
                print(f"back at the table: {_rss_mb(terminal):.0f} MB")
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(parent)
    print(f"{happened.keys} keys, {happened.resizes} resizes; {training.written:,} steps, attempt {training.attempt}")
    print(f"{100 * cpu_s / seconds:.1f} % of a core")
    print(growth(happened.home_mb))
    if happened.trouble:
        print(f"the dashboard has ended or failed:\n{happened.trouble[-4000:]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
