"""The page of the configuration: keys in, tree and differences out."""

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from rundir.layout import RunDir
from rundir.records import encode
from rundir.status import RunInfo, State
from tests.pilot.test_runs import looks_often, until
from tests.trainwatch.runs import append, make_run, set_status, steps
from trainwatch.app import TrainwatchApp
from trainwatch.screens.choose import Choose
from trainwatch.screens.config import ConfigScreen
from trainwatch.widgets.pane import Pane

__all__ = ["looks_often"]


def write_run(parent: Path, name: str, lr: float) -> RunDir:
    run = make_run(parent, name)
    append(run.metrics, steps(10))
    run.config_toml.write_text(f'name = "ner"\n\n[train]\nlr = {lr}\nepochs = 3\n\n[data]\ntrain = "a.csv"\n')
    info = RunInfo(id=name, name="ner", task="t", created_at=1.0, given=["train.lr"])
    run.run_json.write_bytes(encode(info))
    set_status(run, State.DONE, step=10)
    return run


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    for number, lr in enumerate((1e-5, 2e-5, 3e-5)):
        write_run(tmp_path, f"20261120-10150{number}-other{number}", lr)
    return write_run(tmp_path, "20261121-101500-ner", 5e-5)


async def opened(app: TrainwatchApp, pilot: Pilot[None]) -> ConfigScreen:
    await until(pilot, lambda: app.run_screen.store.caught_up)
    await pilot.press("7")
    await until(pilot, lambda: isinstance(app.screen, ConfigScreen))
    await pilot.pause()
    assert isinstance(app.screen, ConfigScreen)
    return app.screen


def shown(screen: ConfigScreen, name: str = "body") -> str:
    pane = screen.query_one(f"#{name}", Pane)
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


async def test_a_page_opened_before_the_run_was_described_reads_what_is_written_later(run: RunDir) -> None:
    """Else every fact of the environment seems to differ from that of other runs."""
    described = run.run_json.read_bytes()
    run.run_json.unlink()
    app = TrainwatchApp(run)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(app, pilot)
        before = screen.tree_of_settings.runs[0]
        run.run_json.write_bytes(described)
        screen.renewed()
        after = screen.tree_of_settings.runs[0]
    assert (before.given, after.given) == (frozenset(), frozenset({"train.lr"}))


@pytest.mark.slow
async def test_fold_search_and_copy(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(app, pilot)
        assert "bright: not the default" in shown(screen)
        await pilot.press("down", "down", "Y")
        assert app.clipboard == "train.lr=5e-05"
        assert ["train.lr", "5e-05"] in screen.data().rows
        assert "not the default" in shown(screen, "detail")
        await pilot.press("enter")
        assert "▸ train  2 keys" in shown(screen)
        await pilot.press("minus")
        assert "▸ data" in shown(screen)
        await pilot.press("plus", "slash", *"epo", "enter")
        assert "epochs" in shown(screen)
        assert "lr" not in shown(screen)
        await pilot.press("slash", *"zzz")
        assert "no key passes" in shown(screen, "status")
        await pilot.press("enter", "escape")
        assert "5e-05" in shown(screen)
        await pilot.click("#body", offset=(6, 3))
        assert "▸ train" in shown(screen)
        await pilot.press("a")
        assert "d chooses a run to compare with first" in shown(screen, "status")
        for size in ((1, 1), (40, 10), (160, 48)):
            await pilot.resize_terminal(*size)
            await pilot.press("end", "home", "pagedown", "pageup", "question_mark", "escape")


async def test_what_differs_from_another_run(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press("down", "up", "escape")
        assert app.screen is screen
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        app.screen.query_one(Input).value = "other"
        await pilot.press("down", "enter")
        await until(pilot, lambda: "against 20261120-101501-other1" in shown(screen))
        assert "1 differ" in shown(screen)
        assert "2e-05" in shown(screen)
        assert "epochs" not in shown(screen)
        await pilot.press("a")
        assert "epochs" in shown(screen)
        await pilot.press("escape")
        assert "against" not in shown(screen)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.root)


async def test_a_run_alone_in_its_directory(tmp_path: Path) -> None:
    app = TrainwatchApp(write_run(tmp_path, "20261121-101500-ner", 5e-5))
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("d")
        await until(pilot, lambda: "there is no other run" in shown(screen, "status"))


async def test_an_unreadable_configuration(run: RunDir) -> None:
    run.config_toml.write_text("[[[")
    run.run_json.write_text("{")
    app = TrainwatchApp(run)
    async with app.run_test(size=(100, 30)) as pilot:
        screen = await opened(app, pilot)
        assert "environment" in shown(screen) or "no configuration was found" in shown(screen)
        await pilot.press("down", "enter", "Y", "d")
        await until(pilot, lambda: isinstance(app.screen, Choose))
