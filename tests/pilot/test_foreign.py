"""The dashboard on what another program writes: followed live, and nothing can be ordered."""

from pathlib import Path

from rundir.layout import RunDir
from tests.pilot.test_dashboard import caught_up, shown, until
from trainwatch.app import TrainwatchApp


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
