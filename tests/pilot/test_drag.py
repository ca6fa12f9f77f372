"""Dragging over a chart chooses a part of its axis: shown meanwhile, seen alone afterwards."""

from pathlib import Path

import pytest
from textual.pilot import Pilot

from rundir.layout import RunDir
from rundir.status import State
from tests.pilot.test_compare import compared
from tests.pilot.test_compare import shown as compared_shown
from tests.pilot.test_gallery import opened, page_text
from tests.pilot.test_gallery import shown as gallery_shown
from tests.pilot.test_runs import looks_often, make, until
from tests.trainwatch.runs import append, make_run, memory, set_status, steps
from trainwatch.app import TrainwatchApp
from trainwatch.lens import Lens
from trainwatch.screens.gallery import GalleryScreen

__all__ = ["looks_often"]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = make_run(tmp_path)
    append(run.metrics, steps(100))
    append(run.system, memory(20))
    set_status(run, State.DONE, step=100, total=100)
    return run


async def drag(pilot: Pilot[None], pane: str, start: int, stop: int, *, lets_go: bool = True) -> None:
    await pilot.mouse_down(f"#{pane}", offset=(start, 4))
    for x in (start + (stop - start) // 2, stop):
        await pilot.hover(f"#{pane}", offset=(x, 5))
    if lets_go:
        await pilot.mouse_up(f"#{pane}", offset=(stop, 5))
    await pilot.pause()


async def test_on_the_page_of_a_run(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        page, view = app.run_screen, app.run_screen.view
        await until(pilot, lambda: page.store.caught_up)
        await drag(pilot, "loss", 30, 50, lets_go=False)
        assert page_text(page, "loss").split("\n")[3].count("┃") == 2
        assert page_text(page, "grad_norm").count("┃") > 2
        assert "step 22 – 45: release to see it alone" in page_text(page, "status")
        assert view.lens.seen is None
        await pilot.mouse_up("#loss", offset=(50, 5))
        await until(pilot, lambda: view.lens.seen is not None)
        seen = view.lens.seen
        assert seen is not None
        assert (round(seen.start), round(seen.stop)) == (23, 46)
        assert "┃" not in page_text(page, "loss")
        assert page.view.chosen == "charts"
        assert app.screen is page


async def test_memory_has_an_axis_of_time_until_it_is_dragged_over(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        view = app.run_screen.view
        await until(pilot, lambda: app.run_screen.store.caught_up)
        await drag(pilot, "memory", 12, 20)
        seen = view.lens.seen
        assert seen is not None
        assert 0 <= seen.start < seen.stop <= 100


async def test_esc_drops_it_and_so_does_coming_back(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        view = app.run_screen.view
        await until(pilot, lambda: app.run_screen.store.caught_up)
        await drag(pilot, "loss", 30, 50, lets_go=False)
        await pilot.press("escape")
        assert view.lens == Lens()
        await pilot.hover("#loss", offset=(60, 5))
        await pilot.mouse_up("#loss", offset=(60, 5))
        assert view.lens.seen is None
        assert view.lens.marked is None
        await drag(pilot, "loss", 30, 50, lets_go=False)
        await pilot.hover("#loss", offset=(31, 5))
        await pilot.mouse_up("#loss", offset=(31, 5))
        assert (view.lens.seen, view.lens.marked) == (None, None)
        await pilot.click("#loss", offset=(30, 4), times=2)
        await until(pilot, lambda: isinstance(app.screen, GalleryScreen))


async def test_beyond_the_edge_is_the_edge(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        view = app.run_screen.view
        await until(pilot, lambda: app.run_screen.store.caught_up)
        await pilot.mouse_down("#loss", offset=(60, 4))
        await pilot.hover("#events", offset=(20, 5))
        assert view.lens.marked is not None
        assert view.lens.marked.stop == 100
        await pilot.mouse_up("#events", offset=(20, 5))
        await until(pilot, lambda: view.lens.seen is not None)
        assert view.chosen == "charts"


async def test_among_all_metrics(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(150, 40)) as pilot:
        screen = await opened(app, pilot)
        await drag(pilot, "chart-1", 15, 30, lets_go=False)
        for number in (0, 1, 2):
            assert "┃" in gallery_shown(screen, f"chart-{number}")
        assert "release to see it alone" in gallery_shown(screen, "status")
        await pilot.mouse_up("#chart-1", offset=(30, 5))
        await until(pilot, lambda: screen.gallery.lens.seen is not None)
        assert screen.gallery.chosen == "loss"
        await drag(pilot, "chart-1", 15, 30, lets_go=False)
        await pilot.press("escape")
        assert screen.gallery.lens.marked is None
        assert app.screen is screen


async def test_among_compared_runs(tmp_path: Path) -> None:
    for name in ("1-old", "2-wide", "3-live"):
        make(tmp_path, name, f1=0.5)
    app = TrainwatchApp(tmp_path)
    async with app.run_test(size=(160, 48)) as pilot:
        screen = await compared(app, pilot)
        await drag(pilot, "chart", 40, 80, lets_go=False)
        assert "┃" in compared_shown(screen, "chart")
        await pilot.press("escape")
        assert screen.board.lens.marked is None
        await pilot.mouse_up("#chart", offset=(80, 5))
        await drag(pilot, "chart", 40, 80)
        assert screen.board.lens.seen is not None
        assert "zoomed" in compared_shown(screen, "header")
