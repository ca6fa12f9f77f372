"""Keys of a person's own: they work, and every place that names keys names them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.widgets import Input, Static

from rundir.control import ControlReader
from rundir.status import State
from tests.pilot.test_runs import listed, looks_often, make, until
from tests.trainwatch.runs import append, make_run, memory, set_status, steps
from trainwatch import keymap
from trainwatch.app import TrainwatchApp
from trainwatch.screens.ask import Confirm, Help
from trainwatch.screens.gallery import GalleryScreen
from trainwatch.widgets.pane import Pane

__all__ = ["looks_often"]

KEYS = """
[everywhere]
quit = "Q"
help = "H"
[charts]
zoom-in = "i"
[run]
pause = "P"
resume = "P"
stop = "ctrl+x"
grid = "G"
[metrics]
filter = "#"
[runs]
open = "O"
"""


@pytest.fixture(autouse=True)
def keys_of_mine() -> Iterator[None]:
    keymap.use(keymap.parse(KEYS))
    yield
    keymap.use({})


def shown(app: TrainwatchApp, name: str) -> str:
    pane = app.screen.query_one(f"#{name}", Pane)
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


async def test_the_page_of_a_run_and_its_metrics(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.metrics, steps(100))
    append(run.system, memory(20))
    set_status(run, State.RUNNING, step=100, total=400)
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, lambda: "100 steps" in shown(app, "status"))
        assert "P pause" in shown(app, "keys")
        assert shown(app, "keys").rstrip().endswith("Q quit  H help")
        await pilot.press("p")
        assert ControlReader(run).poll() == []
        await pilot.press("P")
        assert [str(order.verb) for order in ControlReader(run).poll()] == ["pause"]
        await pilot.press("i")
        assert app.run_screen.view.lens.seen is not None
        await pilot.press("ctrl+x")
        assert isinstance(app.screen, Confirm)
        assert "ctrl+x or y: yes" in str(app.screen.query_one(".hint", Static).content)
        await pilot.press("n")
        await pilot.press("H")
        assert isinstance(app.screen, Help)
        assert ("P", "pause", "hold at the next safe point; memory is kept") in app.screen._rows
        await pilot.press("H")
        commands = {command.title: command.help for command in app.get_system_commands(app.screen)}
        assert commands["stop"].startswith("ctrl+x  ")
        app.action_help_quit()
        assert "press Q to quit; the run goes on" in shown(app, "status")
        await pilot.press("G")
        await until(pilot, lambda: isinstance(app.screen, GalleryScreen))
        await pilot.press("slash")
        assert not app.screen.query(Input)
        await pilot.press("number_sign", *"lr")
        await until(pilot, lambda: "1 metric" in shown(app, "status"))
        await pilot.press("enter", "Q")
    assert app.return_code == 0


async def test_the_table_of_runs(tmp_path: Path) -> None:
    make(tmp_path, "1-one", f1=0.3)
    app = TrainwatchApp(tmp_path)
    async with app.run_test(size=(120, 30)) as pilot:
        await until(pilot, listed(app, 1))
        assert "O open" in shown(app, "keys")
        await pilot.press("enter")
        assert app.screen is app.root
        await pilot.press("O")
        await until(pilot, lambda: app.screen is not app.root)
