"""No key is silent: one that is bound to nothing, or that has nothing to do now, says so."""

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from rundir.layout import RunDir
from rundir.status import State
from tests.pilot.test_runs import listed, looks_often, make, until
from tests.trainwatch.runs import append
from tests.trainwatch.test_machine import sample
from trainwatch.app import TrainwatchApp
from trainwatch.screens.ask import Help
from trainwatch.screens.compare import CompareScreen
from trainwatch.screens.gallery import GalleryScreen
from trainwatch.screens.system import SystemScreen
from trainwatch.widgets.pane import Pane

__all__ = ["looks_often"]


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    make(tmp_path, "1-old", f1=0.3)
    make(tmp_path, "2-live", State.RUNNING, f1=0.6, count=10)
    return tmp_path


def status(screen: Screen[object]) -> str:
    pane = screen.query_one("#status", Pane)
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


async def said(pilot: Pilot[None], key: str) -> str:
    await pilot.press(key)
    await pilot.pause()
    return status(pilot.app.screen)


async def test_of_the_table_and_of_compared_runs(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, listed(app, 2))
        assert "[ (earlier) is a key of the run's own page; ? lists those of this one" in await said(
            pilot, "left_square_bracket"
        )
        assert "w does nothing here; ? lists the keys" in await said(pilot, "w")
        assert "nothing to end: no filter, no marks; press q to quit" in await said(pilot, "escape")
        await pilot.press("space", "space", "c")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen.board.is_read)
        assert "space (play) is a key of the run's own page" in await said(pilot, "space")
        assert "all of the axis is seen: zoom in first" in await said(pilot, "right")
        assert "all of the axis is seen" in await said(pilot, "0")
        assert "that is the first metric" in await said(pilot, "up")
        await pilot.press("plus", *["right"] * 5)
        assert "that is the end of the axis" in await said(pilot, "right")


async def test_of_all_metrics(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, listed(app, 2))
        await pilot.press("enter", "g")
        await until(pilot, lambda: isinstance(app.screen, GalleryScreen) and app.screen.store.caught_up)
        assert "p (pause) is a key of the run's own page" in await said(pilot, "p")
        assert "that is the first chart" in await said(pilot, "pageup")
        assert "all of the axis is seen" in await said(pilot, "minus")
        await pilot.press("slash", "w")  # into the line of the filter, and said of nothing
        await until(pilot, lambda: "no metric passes" in status(app.screen))


async def test_of_the_machine(runs_dir: Path) -> None:
    append(RunDir(runs_dir / "2-live").system, [sample(5 * i) for i in range(20)])
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, listed(app, 2))
        await pilot.press("enter", "8")
        await until(pilot, lambda: isinstance(app.screen, SystemScreen) and bool(app.screen._scales))
        assert "all of the axis is seen" in await said(pilot, "0")


@pytest.mark.parametrize(("keys", "copied"), [("", "the path of the chosen run"), ("space c", "reads in each run")])
async def test_help_says_what_is_copied_here(runs_dir: Path, keys: str, copied: str) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, listed(app, 2))
        await pilot.press(*keys.split(), "question_mark")
        await until(pilot, lambda: isinstance(app.screen, Help))
        assert any(copied in row[2] for row in app.screen._rows if row[0] == "Y")  # type: ignore[attr-defined]
