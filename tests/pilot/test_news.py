"""A terminal that tells: of what comes while the dashboard is open, by the page of a run and by the table."""

from pathlib import Path
from typing import Any

import pytest

from rundir.layout import RunDir
from rundir.records import AlertEvent, Severity
from rundir.status import State
from tests.pilot.test_dashboard import caught_up, until
from tests.trainwatch.runs import START_AT, append, make_run, set_status, steps
from trainwatch.app import TrainwatchApp
from trainwatch.news import Means
from trainwatch.screens.runs import RunsScreen


def alert(rule: str, at_step: int, change: Any = "raised") -> AlertEvent:
    return AlertEvent(
        at=START_AT + at_step, attempt=1, writer="supervisor", step=at_step, rule=rule, change=change,
        severity=Severity.WARNING, message="\x1b]0;evil\x07 no progress",
    )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = make_run(tmp_path / "runs")
    append(run.metrics, steps(10))
    append(run.events, [alert("old", 5)])
    set_status(run, State.RUNNING, step=10, total=400)
    return run


def hear(app: TrainwatchApp) -> list[str]:
    """What goes to the terminal from now on as a notification."""
    told: list[str] = []
    driver = app._driver
    assert driver is not None
    driver.write = lambda text: told.append(text) if "]9;" in text else None  # type: ignore[method-assign]
    return told


async def test_new_alerts_and_the_end_are_told_each_once(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    app = TrainwatchApp(run, notify=Means.OSC9)
    async with app.run_test(size=(80, 24)) as pilot:
        told = hear(app)
        await until(pilot, caught_up(app, 10))
        append(run.events, [alert("plateau", 10)])
        await until(pilot, lambda: bool(told))
        append(run.metrics, steps(5, first=11))
        await until(pilot, caught_up(app, 15))
        set_status(run, State.DONE, step=15, total=15)
        await until(pilot, lambda: len(told) == 2)
        assert told == [
            f"\x1b]9;trainwatch {run.id}: plateau: ␛]0;evil␇ no progress\x07",
            f"\x1b]9;trainwatch {run.id}: done\x07",
        ]


@pytest.mark.parametrize("means", [Means.NONE, Means.BELL])
async def test_a_bell_is_a_bell_and_none_is_silent(run: RunDir, means: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[int] = []
    monkeypatch.setattr(TrainwatchApp, "bell", lambda _: rung.append(1))
    app = TrainwatchApp(run, notify=means)
    async with app.run_test(size=(80, 24)) as pilot:
        told = hear(app)
        await until(pilot, caught_up(app, 10))
        append(run.events, [alert("plateau", 10)])
        await until(pilot, lambda: "plateau" in app.run_screen.live.alerts)
        await pilot.pause()
        assert rung == ([1] if means is Means.BELL else [])
        assert not told


async def test_the_table_tells_of_its_runs_and_the_page_not_once_more(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    app = TrainwatchApp(run.path.parent, notify=Means.OSC9)
    async with app.run_test(size=(120, 24)) as pilot:
        told = hear(app)
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and len(app.screen.roster.shown) == 1)
        append(run.events, [alert("plateau", 10)])
        await until(pilot, lambda: len(told) == 1)
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, RunsScreen))
        await until(pilot, caught_up(app, 10))
        append(run.events, [alert("nan", 11)])
        await until(pilot, lambda: len(told) == 2)
        await pilot.press("escape")
        append(run.events, [alert("last", 12)])
        await until(pilot, lambda: len(told) == 3)
        assert ["plateau" in told[0], "nan" in told[1], "last" in told[2]] == [True] * 3
