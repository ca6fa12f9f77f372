"""The page of the console: keys in, lines out; a log that is searched, filtered, grows and is replaced."""

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from rundir.layout import RunDir
from rundir.records import SystemRecord
from rundir.status import State
from tests.pilot.test_runs import looks_often, until
from tests.trainwatch.runs import START_AT, append, make_run, set_status, steps
from trainwatch.app import TrainwatchApp
from trainwatch.consolelog import search
from trainwatch.lens import Lens
from trainwatch.screens import run_page
from trainwatch.screens.console import ConsoleScreen
from trainwatch.widgets.pane import Pane

__all__ = ["looks_often"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    monkeypatch.setattr(run_page, "LOOK_S", 0.05)
    run = make_run(tmp_path)
    append(run.metrics, steps(100))
    set_status(run, State.RUNNING, step=100, total=400)
    run.console.write_text("".join(f"line {n} {'even' if n % 2 == 0 else 'odd'}\n" for n in range(1, 1001)))
    return run


async def opened(app: TrainwatchApp, pilot: Pilot[None]) -> ConsoleScreen:
    await until(pilot, lambda: app.run_screen.store.caught_up)
    await pilot.press("5", "enter")
    await until(pilot, lambda: isinstance(app.screen, ConsoleScreen))
    await pilot.pause()
    assert isinstance(app.screen, ConsoleScreen)
    return app.screen


def shown(screen: ConsoleScreen, name: str = "body") -> str:
    pane = screen.query_one(f"#{name}", Pane)
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


async def test_it_follows_and_lets_go(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await until(pilot, lambda: "line 1000 even" in shown(screen))
        assert "at the end" in shown(screen)
        with run.console.open("a") as log:
            log.write("line 1001 new\n")
        await until(pilot, lambda: "line 1001 new" in shown(screen))
        await pilot.press("pageup")
        assert "line 1001 new" not in shown(screen)
        await pilot.press("home")
        assert "line 1 odd" in shown(screen)
        assert "line 1  0%" in shown(screen)
        await pilot.press("end")
        assert "line 1001 new" in shown(screen)
        run.console.write_text("another log\n")
        await until(pilot, lambda: "another log" in shown(screen))


async def test_search_goes_both_ways_and_round(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("n")
        assert "/ says what to search for" in shown(screen, "status")
        await pilot.press("home", "slash", *"line 5.0 even", "enter")
        await until(pilot, lambda: "❯ line 500 even" in shown(screen))
        await pilot.press("n")
        await until(pilot, lambda: "❯ line 510 even" in shown(screen))
        await pilot.press("N")
        await until(pilot, lambda: "❯ line 500 even" in shown(screen))
        await pilot.press("N")
        await until(pilot, lambda: "❯ line 590 even" in shown(screen))
        assert "went on from the end" in shown(screen, "status")
        await pilot.press("slash", *"zzz", "enter")
        await until(pilot, lambda: "not found" in shown(screen, "status"))


async def test_a_bad_expression_stays_in_the_line_and_says_why(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 24)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("slash", *"li(ne", "enter")
        assert "'li(ne' is no regular expression: missing )" in shown(screen, "status")
        assert screen.query_one(Input).value == "li(ne"
        await pilot.press("escape")
        assert not screen.query(Input)
        assert app.screen is screen


@pytest.mark.slow
async def test_a_filter_shows_only_its_lines_also_those_that_come(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("ampersand", *"[05]0 even", "enter")
        await until(pilot, lambda: "20 lines" in shown(screen))
        assert "line 1000 even" in shown(screen)
        assert "odd" not in shown(screen)
        with run.console.open("a") as log:
            log.write("line 1001 odd\nline 1050 even\n")
        await until(pilot, lambda: "21 lines" in shown(screen) and "line 1050 even" in shown(screen))
        await pilot.press("slash", *"line 3", "enter")
        await until(pilot, lambda: "❯ line 300 even" in shown(screen))
        await pilot.press("escape")
        await until(pilot, lambda: "odd" in shown(screen))
        assert app.screen is screen
        await pilot.press("escape", "escape")
        await until(pilot, lambda: app.screen is app.root)


async def test_places_by_line_share_step_time_and_crosshair(run: RunDir) -> None:
    lengths = [SystemRecord(at=START_AT + i, attempt=1, seq=i, console_bytes=i * 100) for i in range(101)]
    append(run.system, lengths)
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)

        async def go(text: str) -> None:
            await pilot.press("colon")
            await until(pilot, lambda: app.screen is not screen)
            app.screen.query_one(Input).value = text
            await pilot.press("enter")
            await until(pilot, lambda: app.screen is screen)

        await go("321")
        assert "line 321  " in shown(screen)
        await go("50%")
        await until(pilot, lambda: "50%" in shown(screen))
        await go("99999")
        assert "there is no line 99,999" in shown(screen, "status")
        view = screen.view
        assert view is not None
        await go("s40")
        await until(pilot, lambda: view.top == view.file.start_of(4000))
        app.run_screen.view.lens = Lens(cursor=60.0)
        await pilot.press("c")
        await until(pilot, lambda: view.top == view.file.start_of(6000))
        run.system.unlink()
        await go("2020-01-01 10:00")
        await until(pilot, lambda: "nothing tells when" in shown(screen, "status"))


@pytest.mark.slow
async def test_a_search_that_takes_long_can_be_ended(run: RunDir) -> None:
    with run.console.open("ab") as log:
        log.truncate(1 << 31)  # a hole: as long as many runs together, without a byte on the disk
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        await pilot.press("home", "slash", *"zzz", "enter")
        await until(pilot, lambda: "searching" in shown(screen, "status"))
        await pilot.press("escape")
        await until(pilot, lambda: "the search was ended" in shown(screen, "status"))


@pytest.mark.slow
async def test_every_key_at_any_size(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        for size in ((40, 10), (1, 1), (160, 48)):
            await pilot.resize_terminal(*size)
            await pilot.press("w", "right", "left", "up", "f", "question_mark", "escape")


async def test_a_run_that_printed_nothing(run: RunDir) -> None:
    run.console.unlink()
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        assert "nothing printed yet" in shown(screen)
        await pilot.press("down", "slash", "a", "enter")
        run.console.write_text("at last\n")
        await until(pilot, lambda: "at last" in shown(screen))


async def test_a_filtered_log_that_goes_is_no_end_of_the_page(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        run.console.unlink()
        await pilot.press("ampersand", *"even", "enter")
        await until(pilot, lambda: "cannot read the console" in shown(screen, "status"))
        run.console.write_text("an even line\nan odd one\n")
        await until(pilot, lambda: "an even line" in shown(screen))
        view = screen.view
        assert view is not None
        sieve = view.sieve
        await until(pilot, lambda: sieve is not None and sieve.count == 1)
        looks = view.file.refresh
        run.console.unlink()
        with pytest.raises(FileNotFoundError):
            looks()
        await pilot.pause(0.7)  # longer than between two looks
        assert "an even line" in shown(screen)


async def test_an_expression_that_takes_too_long_is_said_and_the_screen_goes_on(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PATIENCE_S", 0.1)
    run.console.write_text("a line\n" + "a" * 60 + "b\n")
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(app, pilot)
        for key in ("slash", "ampersand"):
            await pilot.press(key)
            screen.query_one(Input).value = "(a|aa)+$"
            await pilot.press("enter")
            await until(pilot, lambda: "this expression takes too long" in shown(screen, "status"))
            assert not screen.is_searching
            assert "a line" in shown(screen)
            await pilot.press("down")
            assert "too long" not in shown(screen, "status")
