"""The footer names what the pointer is on, on every screen and at every cell of it; a click on a key presses it."""

from pathlib import Path

import pytest
from textual.pilot import Pilot

from rundir.control import ControlReader
from rundir.layout import RunDir
from rundir.status import State
from tests.pilot.test_compare import compared
from tests.pilot.test_gallery import opened
from tests.pilot.test_runs import listed, looks_often, make, until
from tests.trainwatch.runs import append, make_run, memory, set_status, steps
from trainwatch.app import TrainwatchApp
from trainwatch.screens.panes import PaneScreen
from trainwatch.screens.runs import RunsScreen
from trainwatch.widgets.pane import Pane

__all__ = ["looks_often"]
SIZE = (160, 48)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = make_run(tmp_path)
    append(run.metrics, steps(100))
    append(run.system, memory(20))
    set_status(run, State.RUNNING, step=100, total=400)
    return run


def shown(screen: PaneScreen, name: str) -> str:
    pane = screen.query_one(f"#{name}", Pane)
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


async def hint_at(pilot: Pilot[None], screen: PaneScreen, pane: str, x: int = 3, y: int = 0) -> str:
    await pilot.hover(f"#{pane}", offset=(x, y))
    await pilot.pause()
    pane_of_status = screen.query_one("#status", Pane)
    return pane_of_status.render_line(0).text.rpartition("  ")[2].strip()


async def every_pane_is_named(pilot: Pilot[None], screen: PaneScreen) -> None:
    said = {name: await hint_at(pilot, screen, name, y=place.height // 2) for name, place in screen.places.items()}
    names = {name for name, words in said.items() if len(words) < 8}
    assert not names, said
    assert len(set(said.values())) == len(said), said


async def test_the_page_of_a_run(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.run_screen.store.caught_up)
        page = app.run_screen
        await every_pane_is_named(pilot, page)
        assert "■ marked for comparison" in await hint_at(pilot, page, "header")
        at = shown(page, "keys").index("c checkpoint")
        assert await hint_at(pilot, page, "keys", at) == "write a checkpoint now; it is kept"
        assert await hint_at(pilot, page, "keys", at + 11) == "write a checkpoint now; it is kept"
        assert await hint_at(pilot, page, "keys", 158) == "keys of this screen; a click on one presses it"
        await pilot.click("#keys", offset=(at, 0))
        assert [str(order.verb) for order in ControlReader(run).poll()] == ["checkpoint"]
        await pilot.click("#keys", offset=(158, 0))
        set_status(run, State.PAUSED, step=100, total=400)
        await until(pilot, lambda: "p resume" in shown(page, "keys"))
        assert await hint_at(pilot, page, "keys", 1) == "go on after a pause or a park"
        await pilot.resize_terminal(60, 24)
        await pilot.pause()
        assert (await hint_at(pilot, page, "header")).startswith("state, progress")


async def test_all_metrics(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=SIZE) as pilot:
        screen = await opened(app, pilot)
        for name in ("header", "status", "keys", "chart-1"):
            assert len(await hint_at(pilot, screen, name)) > 8
        assert "grad_norm; wheel or drag: zoom" in shown(screen, "status")


async def test_tables_and_comparison(tmp_path: Path) -> None:
    for name in ("1-old", "2-wide", "3-live"):
        make(tmp_path, name, f1=0.5)
    app = TrainwatchApp(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, listed(app))
        assert isinstance(app.screen, RunsScreen)
        for name in ("header", "table", "detail", "status", "keys"):
            assert len(await hint_at(pilot, app.screen, name, y=0)) > 8, name
        assert "sort" in shown(app.screen, "keys")
        await pilot.click("#keys", offset=(shown(app.screen, "keys").index("space mark"), 0))
        assert len(app.screen.roster.marks.chosen) == 1
        await every_pane_is_named(pilot, await compared(app, pilot))
