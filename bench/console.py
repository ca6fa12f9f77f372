"""The page of the console on a log of 1 GB: from the key to its last lines on screen, searching all of it, memory.

python -m bench.console
"""

import argparse
import asyncio
import os
import random
import tempfile
import time
from pathlib import Path
from typing import cast

from rundir import layout
from rundir.layout import RunDir
from trainwatch.app import TrainwatchApp
from trainwatch.consolelog.search import compiled
from trainwatch.screens.console import ConsoleScreen
from trainwatch.widgets.pane import Pane

LAST = "the needle is here"
WORDS = ("loading", "shard", "epoch", "loss", "step", "warning", "tensor", "gradient")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def write_log(path: Path, num_bytes: int) -> None:
    """Lines of some hundred bytes, as libraries log them; what is searched for is in the last one alone."""
    rng = random.Random(1)
    lines = [
        f"2026-11-21 10:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d} INFO trainer: "
        f"{' '.join(rng.choices(WORDS, k=rng.randint(3, 14)))} {rng.random():.4f}\n"
        for _ in range(100_000)
    ]
    block = "".join(lines).encode()
    with path.open("wb") as log:
        for _ in range(num_bytes // len(block) + 1):
            log.write(block)
        log.write(f"{LAST}\n".encode())


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES / 1e6


def is_on_screen(app: TrainwatchApp) -> bool:
    if not isinstance(app.screen, ConsoleScreen) or not app.screen.query("#body"):
        return False
    pane = app.screen.query_one("#body", Pane)
    return any(LAST in pane.render_line(y).text for y in range(pane.size.height))


async def measure(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        while not app.run_screen.store.caught_up:
            await pilot.pause(0.02)
        await pilot.press("5")
        before_mb, began = resident_mb(), time.monotonic()
        app.run_screen.action_press("enter")
        while not is_on_screen(app):
            await pilot.pause(0.005)
        print(f"from the key to the last lines: {time.monotonic() - began:.3f} s")
        screen = cast("ConsoleScreen", app.screen)
        view = screen.view
        assert view is not None
        while not screen.index.covers(view.file, view.file.size - 1):
            await pilot.pause(0.05)
        print(f"until all lines were counted: {time.monotonic() - began:.1f} s")
        for text in ("zzzz", "needle", "n..dle is"):
            await search(screen, text)
        print(f"resident memory: {resident_mb() - before_mb:.0f} MB more than before")


async def search(screen: ConsoleScreen, text: str) -> None:
    """Through all of it, and how long the event loop was kept from its turn meanwhile."""
    view = screen.view
    assert view is not None
    view.to_first()
    view.hit, view.expression = None, compiled(text)
    began, lag_s = time.monotonic(), 0.0
    screen.do("next")
    while screen.is_searching:
        turn = time.monotonic()
        await asyncio.sleep(0.01)
        lag_s = max(lag_s, time.monotonic() - turn - 0.01)
    found = "found" if view.hit is not None else "not there"
    took_s = time.monotonic() - began
    print(f"search for {text!r}: {took_s:.1f} s, {found}; the screen waits {1000 * lag_s:.0f} ms at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=10**9)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = layout.create(Path(scratch), "console", time.time())
        run.metrics.touch()
        write_log(run.console, args.bytes)
        asyncio.run(measure(run))


if __name__ == "__main__":
    main()
