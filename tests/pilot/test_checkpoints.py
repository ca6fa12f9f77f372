"""The page of checkpoints: keys in; orders, files and screen out."""

import errno
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from rundir.control import ControlReader, Order, Verb
from rundir.layout import RunDir
from rundir.status import State
from tests.pilot.test_runs import looks_often, until
from tests.trainwatch.checkpoints import damage, put_checkpoint
from tests.trainwatch.runs import append, make_run, outcome, set_status, steps
from trainwatch.app import TrainwatchApp
from trainwatch.checkpoints.shelf import Shelf
from trainwatch.screens import checkpoints
from trainwatch.screens.ask import Confirm, Prompt
from trainwatch.screens.checkpoints import CheckpointsScreen
from trainwatch.widgets.pane import Pane

__all__ = ["looks_often"]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = make_run(tmp_path)
    append(run.metrics, steps(400))
    append(run.events, [put_checkpoint(run, step, best_step=200) for step in (100, 200, 300, 400)])
    (run.checkpoints / "best").symlink_to("step-00000200")
    set_status(run, State.RUNNING, step=400, total=800)
    return run


async def opened(app: TrainwatchApp, pilot: Pilot[None]) -> CheckpointsScreen:
    await until(pilot, lambda: app.run_screen.store.caught_up)
    await pilot.press("6")
    await until(pilot, lambda: isinstance(app.screen, CheckpointsScreen) and bool(app.screen.table))
    await pilot.pause()
    assert isinstance(app.screen, CheckpointsScreen)
    return app.screen


def shown(screen: CheckpointsScreen, name: str) -> str:
    pane = screen.query_one(f"#{name}", Pane)
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


def orders_in(run: RunDir) -> list[tuple[str, dict[str, object]]]:
    return [(order.verb, order.args) for order in ControlReader(run).poll() if isinstance(order, Order)]


def there(run: RunDir) -> list[str]:
    return sorted(path.name for path in run.checkpoints.glob("step-*"))


async def test_a_live_run_is_told_by_orders_and_what_destroys_is_asked(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await opened(app, pilot)
        assert "❯         400" in shown(screen, "body")
        await pilot.press("down", "K")
        await until(pilot, lambda: orders_in(run) == [(Verb.KEEP, {"step": 300})])
        assert "keep sent, pending" in shown(screen, "status")
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("n")
        assert len(orders_in(run)) == 1
        await pilot.press("D", "D")
        assert orders_in(run)[1:] == [(Verb.DISCARD, {"step": 300})]
        assert len(there(run)) == 4
        await pilot.press("b", "b")
        assert orders_in(run)[2:] == [(Verb.ROLLBACK, {"step": 300})]
        append(run.events, [outcome("x", "discard", "refused", reason="the run needs it")])
        sent = next(order for order in app.run_screen.store.orders.values() if order.verb == Verb.DISCARD)
        append(run.events, [outcome(sent.id, "discard", "refused", reason="the run needs step 300")])
        await until(pilot, lambda: "the run needs step 300" in shown(screen, "status"))


async def test_a_rollback_with_a_lower_rate(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 30)) as pilot:
        await opened(app, pilot)
        await pilot.press("end", "B")
        await until(pilot, lambda: isinstance(app.screen, Prompt))
        app.screen.query_one(Input).value = "none"
        await pilot.press("enter")
        assert isinstance(app.screen, Prompt)
        app.screen.query_one(Input).value = "0.25"
        await pilot.press("enter")
        await until(pilot, lambda: orders_in(run) == [(Verb.ROLLBACK, {"step": 100, "lr_factor": 0.25})])


async def test_read_only_changes_nothing(run: RunDir) -> None:
    set_status(run, State.DONE, step=400, total=800)
    app = TrainwatchApp(run, read_only=True)
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await opened(app, pilot)
        for key in ("b", "B", "K", "D"):
            await pilot.press(key)
            assert app.screen is screen
            assert "read-only: nothing is written" in shown(screen, "status")
        assert not run.control.exists()
        assert len(there(run)) == 4


async def test_of_an_ended_run_it_keeps_and_deletes_by_itself(run: RunDir) -> None:
    set_status(run, State.DONE, step=400, total=800)
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("K")
        await until(pilot, (run.checkpoint(400) / "kept.json").exists)
        await until(pilot, lambda: "step 400 is kept" in shown(screen, "status"))
        await until(pilot, lambda: screen.row is not None and screen.row.found.marked)
        await pilot.press("K", "K")
        await until(pilot, lambda: not (run.checkpoint(400) / "kept.json").exists())
        for left in (3, 2, 1):
            await until(pilot, lambda: len(screen.table) == left + 1)  # noqa: B023
            await pilot.press("D", "y")
            await until(pilot, lambda: len(there(run)) == left)  # noqa: B023
        await until(pilot, lambda: len(screen.table) == 1)
        await pilot.press("D", "y")
        await until(pilot, lambda: "the last whole checkpoint" in shown(screen, "status"))
        assert len(there(run)) == 1
        assert not run.control.exists()
        await pilot.press("b")
        assert "traind rollback" in shown(screen, "status")


async def test_of_a_dead_run_what_it_would_go_on_from_stays(run: RunDir) -> None:
    set_status(run, State.RUNNING, step=400, total=800, alive=False)
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await opened(app, pilot)
        await until(pilot, lambda: app.run_screen.store.is_still)
        await pilot.press("D", "y")
        await until(pilot, lambda: "the run needs step 400" in shown(screen, "status"))
        await pilot.press("down", "D", "y")
        await until(pilot, lambda: len(there(run)) == 3)
        assert run.checkpoint(400).is_dir()


async def test_files_are_verified_on_request_and_the_verdict_outlives_the_page(run: RunDir) -> None:
    damage(run, 300)
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await opened(app, pilot)
        assert shown(screen, "body").count("not checked") == 4
        await pilot.press("V", "down")
        await until(pilot, lambda: shown(screen, "body").count("whole") == 3)
        assert shown(screen, "body").count("damaged") == 1
        assert "model.safetensors does not match its checksum" in shown(screen, "detail")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.root)
        again = await opened(app, pilot)
        assert shown(again, "body").count("whole") == 3


async def test_new_ones_come_by_themselves_and_the_chosen_one_stays(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("down", "Y")
        assert app.clipboard == str(run.checkpoint(300))
        assert screen.data().rows[1][:4] == ["checkpoints/step-00000300", "300", "3.0", "5095"]
        append(run.events, [put_checkpoint(run, 500)])
        await until(pilot, lambda: "         500" in shown(screen, "body"))
        assert "❯         300" in shown(screen, "body")
        await pilot.click("#body", offset=(10, 2))
        await until(pilot, lambda: "❯         500" in shown(screen, "body"))
        for size in ((1, 1), (40, 10), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await pilot.press("question_mark", "escape", "T", "T", "T", "T", "escape")
        await until(pilot, lambda: app.screen is app.root)


async def test_a_directory_that_may_not_be_read_is_said(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(run: RunDir, _named: object) -> Shelf:
        raise PermissionError(errno.EACCES, "Permission denied", str(run.checkpoints))

    monkeypatch.setattr(checkpoints, "look", refused)
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 30)) as pilot:
        await until(pilot, lambda: app.run_screen.store.caught_up)
        await pilot.press("6")
        await until(pilot, lambda: "cannot read the checkpoints" in app.run_screen.view.notice)
        assert isinstance(app.screen, CheckpointsScreen)
        assert "no checkpoint yet" in shown(app.screen, "body")
