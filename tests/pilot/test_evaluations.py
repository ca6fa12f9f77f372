"""The page of evaluations: keys in, tables and heat map out."""

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from rundir.layout import RunDir
from rundir.records import Sample
from rundir.status import State
from tests.pilot.test_runs import looks_often, until
from tests.trainwatch.runs import append, evaluation, make_run, set_status, steps
from tests.trainwatch.test_evaluations import labelled
from trainwatch.app import TrainwatchApp
from trainwatch.screens.ask import Prompt
from trainwatch.screens.evaluations import EvaluationsScreen
from trainwatch.widgets.pane import Pane

__all__ = ["looks_often"]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = make_run(tmp_path)
    samples = [Sample(prompt=f"prompt {i}", text="word " * 60) for i in range(9)]
    append(run.metrics, [*steps(300), labelled(100, 0.5, best=True), labelled(200, 0.75, best=True)])
    append(run.metrics, [labelled(300, 0.625, 40, samples=samples)])
    set_status(run, State.RUNNING, step=300, total=400)
    return run


async def opened(app: TrainwatchApp, pilot: Pilot[None]) -> EvaluationsScreen:
    await until(pilot, lambda: app.run_screen.store.caught_up)
    await pilot.press("2", "enter")
    await until(pilot, lambda: isinstance(app.screen, EvaluationsScreen))
    await pilot.pause()
    assert isinstance(app.screen, EvaluationsScreen)
    return app.screen


def shown(screen: EvaluationsScreen, name: str = "body") -> str:
    pane = screen.query_one(f"#{name}", Pane)
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


async def test_evaluations_and_the_parts_of_the_chosen_one(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await opened(app, pilot)
        assert "❯        300" in shown(screen)
        assert "label 39" in shown(screen, "detail")
        assert screen.data().rows[1][:5] == ["200", "", "schedule", "true", "0.005"]
        await pilot.press("b")
        assert "❯        200" in shown(screen)
        assert "label 39" not in shown(screen, "detail")
        await pilot.press("home", "tab", "pagedown")
        assert "label 39" not in shown(screen, "detail")
        await pilot.press("tab")
        assert "true ↓  predicted →" in shown(screen, "detail")
        await pilot.press("tab", "end")
        assert "❯ prompt 8" in shown(screen, "detail")
        await pilot.press("z")
        await until(pilot, lambda: "body" not in screen.places)
        await pilot.press("home")
        await until(pilot, lambda: "❯ prompt 0" in shown(screen, "detail") and "❯ prompt 5" in shown(screen, "detail"))
        await pilot.press("escape")
        await until(pilot, lambda: "body" in screen.places)
        append(run.metrics, [evaluation(400, 0.1, 0.9)])
        await until(pilot, lambda: "❯        400" in shown(screen))
        await until(pilot, lambda: "detail" not in screen.places)
        await pilot.press("down", "escape")
        await until(pilot, lambda: app.screen is app.root)


@pytest.mark.slow
async def test_columns_that_have_no_room_and_every_size(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        assert "metrics 1 to 2 of 4" in shown(screen)
        await pilot.press("right")
        assert "metrics 2 to 3 of 4" in shown(screen)
        await pilot.press("shift+tab", "shift+tab", "right", "right")
        assert "predicted labels 3 to 11 of 40" in shown(screen, "detail")
        await pilot.click("#body", offset=(10, 3))
        assert "❯        200" in shown(screen)
        for size in ((1, 1), (40, 10), (160, 48)):
            await pilot.resize_terminal(*size)
            await pilot.press("tab", "down", "z", "left", "T", "question_mark", "escape")


async def test_in_the_past_it_shows_the_evaluations_of_then(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.run_screen.store.caught_up)
        await pilot.press("at")
        await until(pilot, lambda: isinstance(app.screen, Prompt))
        app.screen.query_one(Input).value = "250"
        await pilot.press("enter")
        await until(pilot, lambda: app.run_screen.store.step == 250)
        await pilot.press("2", "enter")
        await until(pilot, lambda: isinstance(app.screen, EvaluationsScreen) and "❯        200" in shown(app.screen))
        assert "300" not in shown(app.screen)  # type: ignore[arg-type]


async def test_a_run_without_evaluations(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.metrics, steps(3))
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        assert "no evaluation yet" in shown(screen)
        await pilot.press("down", "tab", "right", "b", "z", "escape")
        append(run.metrics, [evaluation(3, 1.0, 0.5)])
        await until(pilot, lambda: "❯          3" in shown(screen))
