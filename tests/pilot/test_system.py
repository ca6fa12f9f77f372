"""The page of the machine: keys and pointer in, the newest sample and its past out."""

from pathlib import Path

import pytest
from textual.events import MouseScrollUp

from rundir.layout import RunDir
from rundir.status import State
from tests.pilot.test_events import shown
from tests.pilot.test_runs import until
from tests.trainwatch.runs import append, make_run, set_status, step
from tests.trainwatch.test_machine import gpu, sample
from trainwatch.app import TrainwatchApp
from trainwatch.lens import Lens
from trainwatch.screens.run import RunScreen
from trainwatch.screens.system import SystemScreen
from trainwatch.widgets.pane import Pane


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = make_run(tmp_path)
    append(run.metrics, [step(i, 1.0, step_s=1.0, data_wait_s=0.3) for i in range(1, 101)])
    append(run.system, [sample(5 * i, gpus=[gpu(0), gpu(1, util_percent=11.0)]) for i in range(20)])
    set_status(run, State.RUNNING, step=100, total=400)
    return run


@pytest.mark.parametrize("size", [(160, 48), (80, 24), (40, 10)])
async def test_the_machine_at_every_size(run: RunDir, size: tuple[int, int]) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.run_screen.store.caught_up)
        await pilot.press("8")
        await until(pilot, lambda: isinstance(app.screen, SystemScreen) and "NVIDIA H100" in shown(app, "now"))
        page = app.screen
        assert isinstance(page, SystemScreen)
        await until(pilot, lambda: "100 steps" in shown(app, "status"))
        assert ("chart-0" in page.places) is (size[1] > 20)
        if "chart-0" in page.places:
            assert "gpu0 utilisation 87 %" in shown(app, "chart-0")
            assert any("⠁" <= c <= "⣿" for c in shown(app, "chart-0"))
            await pilot.press("tab")
            assert "gpu1 utilisation 11 %" in shown(app, "chart-0")
            await pilot.press("pagedown")
            assert "gpu1 utilisation" not in shown(app, "chart-0")
            await pilot.press("pageup", "tab")
            append(run.system, [sample(200, gpus=[gpu(0, util_percent=5.0), gpu(1)])])
            await until(pilot, lambda: "gpu0 utilisation 5 %" in shown(app, "chart-0"))
        if size[0] == 160:
            assert "waiting for data 30 % of a step" in shown(app, "now")
        await pilot.press("down")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_its_charts_are_looked_at_together(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, lambda: app.run_screen.store.caught_up)
        await pilot.press("8")
        await until(pilot, lambda: isinstance(app.screen, SystemScreen) and "100 steps" in shown(app, "status"))
        page = app.screen
        assert isinstance(page, SystemScreen)
        pane = page.query_one("#chart-0", Pane)
        pane.post_message(MouseScrollUp(pane, 20, 3, 0, -1, 0, False, False, False))
        await until(pilot, lambda: page._lens.seen is not None)
        await pilot.hover("#chart-1", offset=(20, 3))
        await until(pilot, lambda: all(" @ " in shown(app, f"chart-{i}").splitlines()[0] for i in range(4)))
        await pilot.press("escape")
        assert page._lens == Lens()
