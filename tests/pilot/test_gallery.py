"""All metrics of a run: keys and pointer in, charts out; nothing is written."""

import gc
import weakref
from pathlib import Path

import pytest
from textual.events import MouseScrollUp
from textual.pilot import Pilot
from textual.widgets import Input

from rundir.layout import RunDir
from rundir.status import State
from tests.pilot.test_runs import looks_often, until
from tests.trainwatch.runs import append, evaluation, make_run, memory, set_status, steps
from trainwatch.app import TrainwatchApp
from trainwatch.lens import Lens, XAxis
from trainwatch.screens.gallery import GalleryScreen
from trainwatch.screens.run import RunScreen
from trainwatch.widgets.pane import Pane

__all__ = ["looks_often"]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = make_run(tmp_path)
    append(run.metrics, [*steps(100), evaluation(50, 0.6, 0.25), evaluation(100, 0.5, 0.5)])
    append(run.system, memory(20))
    set_status(run, State.RUNNING, step=100, total=400)
    return run


async def opened(app: TrainwatchApp, pilot: Pilot[None]) -> GalleryScreen:
    await until(pilot, lambda: app.run_screen.store.caught_up)
    await pilot.press("g")
    await until(pilot, lambda: isinstance(app.screen, GalleryScreen) and app.screen.gallery.lines.store.caught_up)
    await pilot.pause()
    assert isinstance(app.screen, GalleryScreen)
    return app.screen


def shown(screen: GalleryScreen, name: str) -> str:
    pane = screen.query_one(f"#{name}", Pane)
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


async def test_every_metric_has_a_chart_and_one_may_stand_alone(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(150, 40)) as pilot:
        screen = await opened(app, pilot)
        await until(pilot, lambda: "9 metrics of 100 steps" in shown(screen, "status"))
        assert "train 4  eval 4  system 1" in shown(screen, "header")
        titles = [shown(screen, f"chart-{number}").split("\n")[0] for number in range(9)]
        assert "loss 0.1000" in titles[0]
        assert any("eval/f1 0.5000" in title for title in titles)
        await pilot.press("tab", "enter")
        await until(pilot, lambda: "chart-1" not in screen.places)
        assert "grad_norm 1.500" in shown(screen, "chart-0")
        await pilot.press("escape")
        await until(pilot, lambda: "chart-1" in screen.places)
        append(run.metrics, steps(5, first=101))
        await until(pilot, lambda: "105 steps" in shown(screen, "status"))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.root)


async def test_keys_and_the_wheel_move_all_charts(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(150, 40)) as pilot:
        screen = await opened(app, pilot)
        gallery = screen.gallery
        await pilot.press("plus", "equals_sign", "left", "f")
        assert gallery.lens.follows
        await pilot.press("0", "x", "y", "o", "m", "M")
        assert gallery.lens == Lens(axis=XAxis.EPOCH, log_y=True, robust=True)
        assert "by epoch · log · without outliers" in shown(screen, "header")
        await pilot.press("x", "x", "x")
        await pilot.hover("#chart-1", offset=(30, 4))
        await until(pilot, lambda: gallery.lens.cursor is not None)
        assert "grad_norm" in shown(screen, "status")
        for number in (0, 1, 2, 3):
            assert " @ " in shown(screen, f"chart-{number}").split("\n")[0]
        pane = screen.query_one("#chart-1", Pane)
        pane.post_message(MouseScrollUp(pane, 30, 4, 0, -1, 0, False, False, False))
        await until(pilot, lambda: gallery.lens.seen is not None)
        await pilot.click("#chart-2", offset=(5, 5), times=2)
        await until(pilot, lambda: gallery.alone and gallery.chosen == "lr")


async def test_two_clicks_show_a_chart_alone(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(150, 40)) as pilot:
        await until(pilot, lambda: app.run_screen.store.caught_up)
        await pilot.click("#memory", offset=(20, 4), times=2)
        await until(
            pilot, lambda: isinstance(app.screen, GalleryScreen) and "system/rss" in shown(app.screen, "chart-0")
        )
        await pilot.press("escape", "escape", "enter")
        await until(pilot, lambda: isinstance(app.screen, GalleryScreen) and app.screen.gallery.chosen == "loss")
        assert app.screen.gallery.alone  # type: ignore[attr-defined]


async def test_the_charts_of_the_first_page_are_looked_at_together(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(150, 40)) as pilot:
        await until(pilot, lambda: app.run_screen.store.caught_up)
        page, view = app.run_screen, app.run_screen.view
        await pilot.press("plus", "y")
        assert view.lens.seen is not None
        assert "charts: zoomed · log" in page_text(page, "status")
        await pilot.hover("#lr", offset=(20, 4))
        await until(pilot, lambda: view.lens.cursor is not None)
        for chart in ("loss", "grad_norm", "lr", "memory"):
            assert " @ " in page_text(page, chart).split("\n")[0]
        assert "learning rate; wheel or drag: zoom" in page_text(page, "status")
        before = view.lens.seen
        loss = page.query_one("#loss", Pane)
        loss.post_message(MouseScrollUp(loss, 30, 4, 0, -1, 0, False, False, False))
        await until(pilot, lambda: view.lens.seen != before)
        await pilot.press("escape")
        assert view.lens == Lens()
        await pilot.hover("#events", offset=(5, 3))
        await until(pilot, lambda: "what happened" in page_text(page, "status"))


def page_text(page: RunScreen, name: str) -> str:
    pane = page.query_one(f"#{name}", Pane)
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


async def test_the_filter_chooses_charts(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("slash")
        screen.query_one(Input).value = "eval -loss"
        await pilot.press("enter")
        await until(pilot, lambda: "3 metrics" in shown(screen, "status"))
        await pilot.press("pagedown")
        assert screen.gallery.chosen == "eval/precision"
        await pilot.press("slash", *" zzz")
        await until(pilot, lambda: "no metric passes" in shown(screen, "status"))
        for size in [(1, 1), (9, 40), (40, 10)]:
            await pilot.resize_terminal(*size)


async def test_the_columns_go_with_the_screen_and_wait_for_no_collection_of_garbage(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(150, 40)) as pilot:
        screen = await opened(app, pilot)
        columns = weakref.ref(screen.gallery.lines.store.steps)
        gc.disable()
        try:
            await pilot.press("escape")
            await until(pilot, lambda: columns() is None)
        finally:
            gc.enable()
        assert len(app.run_screen.store.steps) == 100
