"""Draw the dashboard of a run as an SVG, as a real terminal of a given size would show it: the README's picture.

python -m docs.picture runs/latest docs/dashboard.svg
"""

import argparse
import asyncio
from pathlib import Path

from trainwatch.app import TrainwatchApp
from trainwatch.cli import find


async def draw(run: str, size: tuple[int, int]) -> str:
    """The dashboard of a run, once its last record is painted, as SVG."""
    app = TrainwatchApp(find(run, Path("runs")))
    async with app.run_test(size=size) as pilot:
        while not app.run_screen.store.caught_up:
            await pilot.pause(0.05)
        await pilot.pause(0.5)
        return app.export_screenshot(title="trainwatch", simplify=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("svg", type=Path)
    parser.add_argument("--size", default="160x48", help="columns x rows")
    arguments = parser.parse_args()
    columns, rows = map(int, arguments.size.split("x"))
    svg = asyncio.run(draw(arguments.run, (columns, rows)))
    arguments.svg.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
