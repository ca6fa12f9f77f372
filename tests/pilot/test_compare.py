"""Comparing marked runs: keys and pointer in, pictures out; nothing is ever written."""

from pathlib import Path

import pytest
from textual.events import MouseScrollUp
from textual.pilot import Pilot

from rundir.layout import RunDir
from rundir.status import State
from tests.pilot.test_runs import listed, looks_often, make, stamps, until
from tests.trainwatch.runs import append, set_status, steps
from trainwatch.app import TrainwatchApp
from trainwatch.screens.ask import Help
from trainwatch.screens.compare import CompareScreen
from trainwatch.widgets.pane import Pane

__all__ = ["looks_often"]


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    make(tmp_path, "1-old", f1=0.3)
    make(tmp_path, "2-wide", lr=3e-3, f1=0.7, count=30)
    make(tmp_path, "3-live", State.RUNNING, f1=0.6, count=10)
    return tmp_path


async def compared(app: TrainwatchApp, pilot: Pilot[None], *, marks: int = 2) -> CompareScreen:
    await until(pilot, listed(app))
    await pilot.press(*["space"] * marks, "c")
    await until(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen.board.is_read)
    await pilot.pause()
    assert isinstance(app.screen, CompareScreen)
    return app.screen


def shown(screen: CompareScreen, name: str) -> str:
    pane = screen.query_one(f"#{name}", Pane)
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


async def test_marked_runs_side_by_side(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    before = stamps(runs_dir)
    async with app.run_test(size=(160, 48)) as pilot:
        screen = await compared(app, pilot)
        await until(pilot, lambda: "2 runs compared" in shown(screen, "status"))
        assert "● a 3-live running" in shown(screen, "header")
        assert "● b 2-wide done" in shown(screen, "header")
        assert "train.lr" in shown(screen, "differences")
        assert "eval/f1" in shown(screen, "metrics")
        await pilot.press("down")
        await until(pilot, lambda: "eval/loss by step" in shown(screen, "header"))
        await pilot.press("x")
        assert "by epoch" in shown(screen, "header")
        append(RunDir(runs_dir / "3-live").metrics, steps(3, first=11))
        await until(pilot, lambda: screen.board.runs[0].store.last_step == 13)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.root)
    after = [stamp for stamp in stamps(runs_dir) if "3-live" not in stamp[0]]
    assert after == [stamp for stamp in before if "3-live" not in stamp[0]]


async def test_keys_look_closer_and_the_pointer_reads(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(160, 48)) as pilot:
        screen = await compared(app, pilot)
        board = screen.board
        await pilot.press("plus", "plus", "right")
        assert board.lens.seen is not None
        assert "zoomed" in shown(screen, "header")
        await pilot.press("0", "y", "o", "m")
        assert "log · without outliers · not smoothed" in shown(screen, "header")
        await pilot.hover("#chart", offset=(80, 8))
        await until(pilot, lambda: board.lens.cursor is not None)
        assert "loss @" in shown(screen, "chart")
        chart = screen.query_one("#chart", Pane)
        chart.post_message(MouseScrollUp(chart, 80, 8, 0, -1, 0, False, False, False))
        await until(pilot, lambda: board.lens.seen is not None)
        await pilot.hover("#metrics", offset=(5, 3))
        await until(pilot, lambda: board.lens.cursor is None)
        assert "a click draws the metric" in shown(screen, "status")
        await pilot.click("#metrics", offset=(5, 4))
        assert board.metric == board.metrics[2]
        await pilot.press("full_stop")
        assert board.lens.cursor is not None
        await pilot.press("escape")
        assert board.lens.cursor is None
        assert app.screen is screen


async def test_a_small_screen_shows_one_pane_at_a_time(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await compared(app, pilot, marks=3)
        assert not screen.query_one("#differences").display
        await pilot.press("tab")
        await until(pilot, lambda: screen.query_one("#differences").display)
        assert not screen.query_one("#metrics").display
        await pilot.press("z")
        await until(pilot, lambda: not screen.query_one("#differences").display)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, Help))
        await pilot.press("escape")
        for size in [(1, 1), (5, 2), (9, 40), (40, 10)]:
            await pilot.resize_terminal(*size)
            await pilot.press("plus")


async def test_a_run_that_cannot_be_read_is_said(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, listed(app))
        path = runs_dir / "3-live" / "status.json"
        path.unlink()
        path.mkdir()
        await pilot.press("space", "space", "c")
        await until(
            pilot, lambda: isinstance(app.screen, CompareScreen) and "cannot read 3-live" in shown(app.screen, "status")
        )
        path.rmdir()
        set_status(RunDir(runs_dir / "3-live"), State.DONE)


async def test_tables_are_moved_to_further_runs_and_by_pages(runs_dir: Path) -> None:
    for number in range(4, 10):
        make(runs_dir, f"{number}-more")
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, listed(app, 9))
        await pilot.press(*["space"] * 9, "c")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen.board.is_read)
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        assert "a – e of 9 runs, > <" in shown(screen, "metrics")
        await pilot.press("greater_than_sign")
        assert "b – f of 9 runs" in shown(screen, "metrics")
        await pilot.press(*["greater_than_sign"] * 4)
        assert "e – i of 9 runs" in shown(screen, "metrics")
        assert "there is no further run" in shown(screen, "status")
        await pilot.press("less_than_sign")
        assert "d – h of 9 runs" in shown(screen, "metrics")
        await pilot.press("pagedown")
        assert screen.board.metric == screen.board.metrics[min(10, len(screen.board.metrics) - 1)]
        await pilot.resize_terminal(200, 60)
        await pilot.press("less_than_sign", "less_than_sign", "less_than_sign", "less_than_sign")
        await until(pilot, lambda: "a – g of 9 runs" in shown(screen, "metrics"))
