"""Draw the dashboard of a run, or of a directory of runs, as an SVG, as a real terminal would show it.

python -m docs.picture runs/latest docs/dashboard.svg
python -m docs.picture runs docs/pictures/compare.svg --size 130x36 --keys "space space c"
python -m docs.picture runs/latest docs/pictures/past.svg --keys "at 3 0 0 enter"
"""

import argparse
import asyncio
from pathlib import Path

from textual.pilot import Pilot

from trainwatch.app import TrainwatchApp
from trainwatch.cli import find_target
from trainwatch.screens.checkpoints import CheckpointsScreen
from trainwatch.screens.compare import CompareScreen
from trainwatch.screens.evidence import EvidenceScreen
from trainwatch.screens.gallery import GalleryScreen
from trainwatch.screens.run import RunScreen
from trainwatch.screens.runs import RunsScreen
from trainwatch.screens.system import SystemScreen


def is_read(app: TrainwatchApp) -> bool:
    """Whether the screen on top shows all there is."""
    match app.screen:
        case RunScreen() as screen:
            return screen.store.caught_up and not screen.is_reading
        case CheckpointsScreen() as screen:
            return screen.shelf is not None
        case RunsScreen() as screen:
            return screen.roster.has_listed and not screen.roster.num_shallow
        case CompareScreen() as screen:
            return screen.board.is_read
        case GalleryScreen() as screen:
            return screen.gallery.lines.store.caught_up
        case EvidenceScreen() as screen:
            return screen.is_read
        case SystemScreen() as screen:
            return screen.store.caught_up
        case _:
            return True


async def settle(app: TrainwatchApp, pilot: Pilot[None]) -> None:
    await pilot.pause(0.2)
    while not is_read(app):
        await pilot.pause(0.05)
    await pilot.pause(0.3)


async def draw(target: str, size: tuple[int, int], keys: list[str], palette: str, *, read_only: bool = True) -> str:
    """What is shown after some keys, once its last record is painted, as SVG."""
    app = TrainwatchApp(
        find_target(target, runs_dir=Path("runs"), wants_run=False), read_only=read_only, palette=palette
    )
    async with app.run_test(size=size) as pilot:
        await settle(app, pilot)
        for key in keys:
            await pilot.press(key)
            await settle(app, pilot)
        return app.export_screenshot(title="trainwatch", simplify=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", help="a run, or a directory of runs")
    parser.add_argument("svg", type=Path)
    parser.add_argument("--size", default="160x48", help="columns x rows")
    parser.add_argument("--keys", default="", help="pressed one after another, by Textual's names")
    parser.add_argument("--theme", default="dark")
    parser.add_argument("--orders", action="store_true", help="as for one who may give orders; the keys are pressed")
    arguments = parser.parse_args()
    columns, rows = map(int, arguments.size.split("x"))
    keys, read_only = arguments.keys.split(), not arguments.orders
    svg = asyncio.run(draw(arguments.target, (columns, rows), keys, arguments.theme, read_only=read_only))
    arguments.svg.parent.mkdir(exist_ok=True)
    arguments.svg.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
