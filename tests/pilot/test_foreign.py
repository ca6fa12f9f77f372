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
