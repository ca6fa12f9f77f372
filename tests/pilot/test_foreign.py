"""The dashboard on what another program writes: followed live, and nothing can be ordered."""

from pathlib import Path

import pytest

from rundir.layout import RunDir, RunNotFoundError
from tests.pilot.test_dashboard import caught_up, until
from tests.pilot.test_runs import stamps
from tests.trainwatch.foreign.logs import Events
from tests.trainwatch.runs import append as append_records
from tests.trainwatch.runs import make_run, steps
from trainwatch.app import TrainwatchApp
from trainwatch.cli import find_target
from trainwatch.listing.survey import Survey
from trainwatch.remote.visit import Visit
from trainwatch.screens.compare import CompareScreen
from trainwatch.screens.runs import RunsScreen
from trainwatch.widgets.pane import Pane


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("trainwatch.foreign.scanner.STILL_S", "trainwatch.screens.runs.STILL_S"):
        monkeypatch.setattr(name, 0.1)


def shown(app: TrainwatchApp, name: str) -> str:
    """A pane of the screen on top."""
    pane = app.screen.query_one(f"#{name}", Pane)
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


def append(path: Path, text: str) -> None:
    with open(path, "a", encoding="ascii") as file:
        file.write(text)


def names_in(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())


async def test_a_live_csv_is_followed_and_takes_no_orders(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,loss\n1,4.0\n2,2.0\n")
    app = TrainwatchApp(RunDir(path))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, caught_up(app, 2))
        assert "read-only" in shown(app, "status")
        append(path, "3,1.0\n")
        await until(pilot, caught_up(app, 3))
        for key in ("p", "s", "c", "l"):
            await pilot.press(key)
        await until(pilot, lambda: "nothing is written" in shown(app, "status"))
    assert names_in(tmp_path) == ["log.csv"]


async def test_what_was_not_recorded_has_no_pane_and_no_page_until_it_is(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,loss,lr,val_loss\n" + "".join(f"{step},{4 / step},,\n" for step in range(1, 40)))
    app = TrainwatchApp(RunDir(path))
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 39))
        await until(pilot, lambda: "console" not in app.run_screen.places)
        assert {"loss", "events"} <= app.run_screen.places.keys()
        assert not {"orders", "grad_norm", "lr", "memory", "evals"} & app.run_screen.places.keys()
        for key in ("5", "8", "6", "7"):
            await pilot.press(key)
            await until(pilot, lambda: "CSV has none" in shown(app, "status"))
        assert app.screen is app.run_screen
        assert app.run_screen.view.chosen == "charts"
        await pilot.press("tab")
        assert app.run_screen.view.chosen == "events"
        await pilot.press("tab")
        assert app.run_screen.view.chosen == "charts"
        append(path, "40,0.1,0.5,0.2\n41,0.1,0.5,\n")
        await until(pilot, lambda: {"lr", "evals"} <= app.run_screen.places.keys())
        assert "learning rate" not in shown(app, "header")


def logs(parent: Path, *names: str) -> list[Path]:
    for number, name in enumerate(names, 1):
        events = Events(parent / name / "events.out.tfevents.1.host")
        for step in range(1, 21):
            events.scalars(
                step, {"train/loss": number / step, **({"eval/accuracy": 0.04 * step} if step % 10 == 0 else {})}
            )
    return [parent / name for name in names]


def table_of(app: TrainwatchApp) -> str:
    assert isinstance(app.screen, RunsScreen)
    pane = app.screen.query_one("#table", Pane)
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


async def test_logs_that_are_named_one_by_one_are_a_table_and_can_be_compared(tmp_path: Path) -> None:
    paths = logs(tmp_path, "r1", "r2")
    before = [name for name, _ in stamps(tmp_path)]
    app = TrainwatchApp(Visit([str(path) for path in paths]).target())
    async with app.run_test(size=(160, 24)) as pilot:
        await until(pilot, lambda: "2 runs" in shown(app, "status"))
        rows = table_of(app).split("\n")[1:3]
        assert {"log", "r2", "TensorBoard", "20", "0.1000", "0.8000"} <= set(rows[0].split())
        assert "r1" in rows[1]
        for key in ("t", "n", "a", "D"):
            await pilot.press(key)
            assert "another program wrote this" in shown(app, "status"), key
        Events(paths[0] / "events.out.tfevents.1.host").scalars(21, {"train/loss": 0.01})
        await until(pilot, lambda: "21 steps" in table_of(app))
        await pilot.press("space", "space", "c")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen.board.is_read)
        assert len(app.screen.board.runs) == 2  # type: ignore[attr-defined]
    assert [name for name, _ in stamps(tmp_path)] == before


async def test_several_logs_below_a_directory_are_its_table_and_the_way_back_from_one(tmp_path: Path) -> None:
    logs(tmp_path, "r1", "r2")
    assert isinstance(find_target(str(tmp_path), runs_dir=tmp_path), Survey)
    app = TrainwatchApp(RunDir(tmp_path / "r1"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, caught_up(app, 20))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and "2 runs" in shown(app, "status"))
        assert app.screen.roster.selected == "r1"  # type: ignore[attr-defined]


async def test_a_log_that_lies_alone_has_no_table_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,loss\n1,4.0\n2,2.0\n")
    app = TrainwatchApp(RunDir(path))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, caught_up(app, 2))
        await pilot.press("escape")
        assert "there is no table of runs to go back to" in shown(app, "status")


def test_runs_and_logs_in_one_table_are_told_apart_where_they_share_a_name(tmp_path: Path) -> None:
    (one, other) = (make_run(tmp_path / name, "same") for name in ("a", "b"))
    for run in (one, other, make_run(tmp_path / "b", "not-named")):
        append_records(run.metrics, steps(5))
    survey = Visit([str(one.path), str(other.path), str(logs(tmp_path, "r1")[0])]).target()
    assert isinstance(survey, Survey)
    entries = survey.poll(budget_s=5).entries
    assert {entry.id for entry in entries} == {f"{tmp_path / 'a'}:same", f"{tmp_path / 'b'}:same", "r1"}
    survey = Visit([str(one.path), str(logs(tmp_path / "logs", "same")[0])]).target()
    assert isinstance(survey, Survey)
    assert {entry.id for entry in survey.poll(budget_s=5).entries} == {"same", f"{tmp_path / 'logs'}:same"}


def test_a_directory_without_runs_or_logs_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError, match="no runs in"):
        find_target(str(tmp_path), runs_dir=tmp_path)


def test_a_file_among_several_that_nobody_can_read_is_said(tmp_path: Path) -> None:
    path = tmp_path / "no-step.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(RunNotFoundError, match=r"no-step\.csv: .*step"):
        Visit([str(path), str(logs(tmp_path, "r1")[0])]).target()
