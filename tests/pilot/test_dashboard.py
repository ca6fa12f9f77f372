"""The dashboard on real run directories: keys in; screen, store, messages and control file out."""

import asyncio
import mmap
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.command import CommandList, CommandPalette
from textual.content import Content
from textual.events import MouseScrollUp
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from rundir.control import ControlReader, Malformed, Order
from rundir.layout import RunDir
from rundir.records import ResumeRecord, Sample
from rundir.status import State
from tests.trainwatch.runs import append, evaluation, make_run, memory, outcome, set_status, step, steps
from trainwatch.app import TrainwatchApp
from trainwatch.feed import Feed
from trainwatch.longlog import reader
from trainwatch.paint import text_of
from trainwatch.screens import run as run_module
from trainwatch.screens.ask import Help
from trainwatch.store import Answer
from trainwatch.widgets.pane import Pane

SIZES = [(160, 48), (80, 24), (40, 10)]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = make_run(tmp_path)
    append(run.metrics, [*steps(100), evaluation(100, 0.5, 0.25)])
    append(run.system, memory(20))
    run.console.write_text("a line that a library printed\n", encoding="utf-8")
    set_status(run, State.RUNNING, step=100, total=400)
    return run


async def until(pilot: Pilot[None], condition: Callable[[], bool], deadline_s: float = 30.0) -> None:
    """Poll with a deadline; the app's own loop runs meanwhile."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        await pilot.pause(0.02)


def shown(app: TrainwatchApp, name: str) -> str:
    """What a pane's widget holds, line by line, as it goes to the terminal."""
    pane = app.run_screen.query_one(f"#{name}", Pane)
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


def caught_up(app: TrainwatchApp, count: int) -> Callable[[], bool]:
    return lambda: f"{count:,} step" in shown(app, "status")


def orders_in(run: RunDir) -> list[Order | Malformed]:
    return ControlReader(run).poll()


@pytest.mark.parametrize("size", SIZES)
async def test_shows_the_run_at_every_size(run: RunDir, size: tuple[int, int]) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=size) as pilot:
        await until(pilot, caught_up(app, 100))
        assert "running" in shown(app, "header")
        assert "loss 0.1000" in shown(app, "loss")
        assert any("⠁" <= c <= "⣿" for c in shown(app, "loss"))


async def test_a_long_log_that_was_read_is_mapped_at_once(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not only when the run, which has ended, is looked at again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("LONG_BYTES", "COMMIT_BYTES"):
        monkeypatch.setattr(reader, name, 1)
    for name in ("STILL_POLL_S", "BLIND_POLL_S"):
        monkeypatch.setattr(run_module, name, 3600.0)
    set_status(run, State.DONE, step=100, total=100, alive=False)
    app = TrainwatchApp(run)
    async with app.run_test() as pilot:
        await until(pilot, caught_up(app, 100))
        await until(pilot, lambda: isinstance(storage_of(app.run_screen.store.steps.x), mmap.mmap))
        assert "loss 0.1000" in shown(app, "loss")


def storage_of(array: Any) -> object:
    while isinstance(array, np.ndarray):
        array = array.base
    return array.obj if isinstance(array, memoryview) else array


async def test_wide_screen_shows_every_pane(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        assert "0.2500" in shown(app, "evals")
        assert "GiB" in shown(app, "memory")
        assert "a line that a library printed" in shown(app, "console")
        assert all(pane.display for pane in app.run_screen.query(Pane))


async def test_new_records_appear_by_themselves(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        append(run.metrics, steps(23, first=101))
        await until(pilot, caught_up(app, 123))


async def test_a_resume_cuts_the_curve_back(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        append(run.metrics, [ResumeRecord(at=1.0, attempt=2, seq=1, step=50, reason="restart")])
        await until(pilot, caught_up(app, 50))
        assert "┊" in shown(app, "loss")
        append(run.metrics, steps(10, first=51, attempt=2))
        await until(pilot, caught_up(app, 60))


async def test_an_order_is_pending_until_its_outcome_is_read(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("p")
        (order,) = orders_in(run)
        assert isinstance(order, Order)
        assert order.verb == "pause"
        await until(pilot, lambda: "pending" in shown(app, "orders"))
        assert "running" in shown(app, "header")
        append(run.events, [outcome(order.id, "pause", step=101)])
        set_status(run, State.PAUSED, step=101, total=400)
        await until(pilot, lambda: "applied at step 101" in shown(app, "orders"))
        await until(pilot, lambda: "paused" in shown(app, "header") and "p resume" in shown(app, "keys"))
        await pilot.press("p")
        assert [o.verb for o in orders_in(run)] == ["pause", "resume"]


async def test_a_refusal_shows_its_reason(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("c")
        append(run.events, [outcome(orders_in(run)[0].id, "checkpoint", "refused", reason="the disk is full")])
        await until(pilot, lambda: "refused the disk is full" in shown(app, "orders"))
        assert "checkpoint: refused, the disk is full" in shown(app, "status")


@pytest.mark.slow
async def test_no_outcome_within_three_heartbeats_is_no_answer(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("e")
        (order,) = app.run_screen.store.orders.values()
        assert order.answer(order.sent_at + 2.9) is Answer.PENDING
        await until(pilot, lambda: "no answer, run is running" in shown(app, "orders"))
        assert "eval: no answer, run is running" in shown(app, "status")
        append(run.events, [outcome(order.id, "eval", "refused", reason="too late")])
        await until(pilot, lambda: "eval: refused, too late" in shown(app, "status"))


@pytest.mark.parametrize("size", [(80, 24), (40, 10)])
async def test_no_answer_is_said_where_no_pane_shows_it_and_said_once(run: RunDir, size: tuple[int, int]) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=size) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("e")
        assert "pending" in shown(app, "status")
        await until(pilot, lambda: "eval: no answer" in shown(app, "status"))
        await pilot.press("r", "s", "escape")
        revision = app.run_screen.store.revision
        await until(pilot, lambda: app.run_screen.store.revision > revision + 1)
        assert "stop: not sent" in shown(app, "status")


async def test_an_order_of_a_user_without_a_name_is_sent(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2_000_000_123)
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("p")
        assert [o.by for o in orders_in(run)] == ["trainwatch:2000000123"]


async def test_stop_is_asked_twice(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("s")
        await pilot.press("escape")
        assert not orders_in(run)
        await pilot.press("s")
        assert not orders_in(run)
        await pilot.press("s")
        await until(pilot, lambda: [o.verb for o in orders_in(run)] == ["stop"])


async def test_lr_prompt_takes_only_a_learning_rate(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("l")
        prompt = app.screen.query_one(Input)
        for bad in ("-1", "nan", "much", ""):
            prompt.value = bad
            await pilot.press("enter")
            assert app.screen.query(".fault"), bad
            assert not orders_in(run)
        prompt.value = "3e-5"
        await pilot.press("enter")
        await until(pilot, lambda: bool(orders_in(run)))
        (order,) = orders_in(run)
        assert isinstance(order, Order)
        assert (order.verb, order.args) == ("set", {"lr": 3e-5})


async def test_note_is_sent_as_typed(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("n", *"warm up was short", "enter")
        await until(pilot, lambda: bool(orders_in(run)))
        (order,) = orders_in(run)
        assert isinstance(order, Order)
        assert order.args == {"text": "warm up was short"}


async def test_read_only_never_writes(run: RunDir) -> None:
    app = TrainwatchApp(run, read_only=True)
    before = sorted((p.name, p.stat().st_mtime_ns) for p in run.path.iterdir())
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("p", "k", "c", "e", "l", "n", "s", "y", "s")
        assert "read-only: nothing is written" in shown(app, "status")
    assert sorted((p.name, p.stat().st_mtime_ns) for p in run.path.iterdir()) == before


@pytest.mark.parametrize(
    ("state", "hint"), [(State.PARKED, "traind resume"), (State.RUNNING, "traind resume"), (State.DONE, "traind set")]
)
async def test_without_a_supervisor_no_order_goes_into_the_void(run: RunDir, state: State, hint: str) -> None:
    set_status(run, state, step=100, total=400, alive=False)
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("p", "c")
        assert hint in shown(app, "status")
    assert not run.control.exists()


async def test_survives_any_size_while_live(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        count = 100
        for size in [(1, 1), (2, 3), (5, 2), (20, 5), (300, 80), (40, 10), (9, 40), (200, 6), (110, 30), (80, 24)]:
            await pilot.resize_terminal(*size)
            append(run.metrics, [step(count + 1, "nan")])
            count += 1
        await until(pilot, caught_up(app, count))
        for pane in app.run_screen.query(Pane):
            if pane.display:
                assert all(pane.render_line(y).cell_length == pane.size.width for y in range(pane.size.height))


async def test_a_small_screen_shows_the_chosen_pane(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, caught_up(app, 100))
        for key, name in (("2", "evals"), ("3", "events"), ("4", "orders"), ("5", "console"), ("tab", "grad_norm")):
            await pilot.press(key)
            await until(pilot, lambda name=name: app.run_screen.query_one(f"#{name}").display)  # type: ignore[misc]
        await pilot.press("5", "z")
        await until(pilot, lambda: not app.run_screen.query_one("#loss").display)


@pytest.mark.slow
async def test_console_scrolls_back(run: RunDir) -> None:
    run.console.write_text("".join(f"line {i}\n" for i in range(300)), encoding="utf-8")
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("5")
        await until(pilot, lambda: "line 299" in shown(app, "console"))
        await pilot.press("pageup")
        await until(pilot, lambda: "line 289" in shown(app, "console") and "line 299" not in shown(app, "console"))
        await pilot.press("end")
        await until(pilot, lambda: "line 299" in shown(app, "console"))
        await pilot.press(*["pageup"] * 50)
        await until(pilot, lambda: "line 0 " in shown(app, "console"))
        await pilot.press("down")
        await until(pilot, lambda: "line 0 " not in shown(app, "console"))


async def test_palette_lists_every_action_and_says_what_is_not_possible(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        commands = {c.title: c.help for c in app.get_system_commands(app.screen)}
        assert commands["resume"] == "not now: resume is not possible while the run is running"
        assert commands["kill"].startswith("end the run at once")
        next(c.callback for c in app.get_system_commands(app.screen) if c.title == "checkpoint")()
        assert [o.verb for o in orders_in(run)] == ["checkpoint"]


async def test_a_page_down_before_the_palettes_list_was_laid_out_ends_nothing(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def has_no_lines(self: CommandList) -> None:
        raise KeyError(0)

    monkeypatch.setattr(CommandList, "action_page_down", has_no_lines)
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.run_screen.store.caught_up)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        commands = app.screen.query_one(CommandList)
        await until(pilot, lambda: commands.option_count > 0)
        await pilot.press("pagedown", "escape")
        await until(pilot, lambda: app.screen is app.run_screen)


@pytest.mark.parametrize("name", ["[/old]", "[v1]", "[@click=app.quit]x[/]", "\\[v1]\\", "[/]x"])
async def test_palette_shows_a_path_as_it_is(
    run: RunDir, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    moved = RunDir(tmp_path / f"a{name}")
    moved.path.parent.mkdir(exist_ok=True)
    run.path.rename(moved.path)
    set_status(moved, State.RUNNING, step=100, total=400, alive=False)
    app = TrainwatchApp(moved)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        helps = {c.title: Content.from_markup(c.help) for c in app.get_system_commands(app.screen)}
        assert helps["pause"].plain.endswith(f"traind resume {Path(f'a{name}')}")
        assert not helps["pause"].spans
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*"pause")
        await until(pilot, lambda: app.screen.query_one(OptionList).option_count > 0)


async def test_text_of_the_run_cannot_steer_the_terminal(run: RunDir) -> None:
    run.console.write_bytes(b"\x1b[2J\x1b]0;title\x07[bold red]x[/] \x9b31m\xe2\x80\xae tail\n")
    append(run.events, [outcome("[red]\x1b[5m", "[blink]\x1b[2J", reason="\x1b[?1049l\r\n")])
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, lambda: "tail" in shown(app, "console"))
        text = "".join(shown(app, pane.id or "") for pane in app.run_screen.query(Pane))
        assert all(c.isprintable() or c == "\n" for c in text)
        assert "␛[2J" in text
        assert "[bold red]x[/]" in text


async def test_a_corrupt_status_is_said_and_recovered_from(run: RunDir) -> None:
    run.status_json.write_bytes(b'{"state": "run')
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, lambda: "status.json is not readable" in shown(app, "header"))
        set_status(run, State.RUNNING, step=100, total=400)
        await until(pilot, lambda: "running" in shown(app, "header"))


async def test_without_file_events_the_timer_follows(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(24, "inotify instance limit reached")

    monkeypatch.setattr("watchdog.observers.api.BaseObserver.start", refuse)
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, caught_up(app, 100))
        append(run.metrics, steps(1, first=101))
        await until(pilot, caught_up(app, 101))


async def test_a_still_run_is_not_painted_again(run: RunDir) -> None:
    set_status(run, State.DONE, step=100, total=100)
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.pause(0.3)
        painted_at = app.run_screen.painted_at
        await asyncio.sleep(1.5)
        assert app.run_screen.painted_at == painted_at


async def test_pane_and_once_show_the_same(run: RunDir) -> None:
    set_status(run, State.DONE, step=100, total=100)
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        view = app.run_screen.view
        from trainwatch.dashboard import paint_pane

        for name in ("loss", "grad_norm", "evals", "events"):
            pane = app.run_screen.query_one(f"#{name}", Pane)
            rows = paint_pane(name, app.run_screen.store, view, *pane.size)
            assert text_of(rows) == "\n".join(line.rstrip() for line in shown(app, name).split("\n"))


async def test_a_run_that_is_deleted_is_shown_as_it_was_last(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        shutil.rmtree(run.path)
        revision = app.run_screen.store.revision
        await until(pilot, lambda: app.run_screen.store.revision > revision + 1)
        assert "100 steps" in shown(app, "status")
        assert "no status, was running" in shown(app, "header")
        assert "status.json is gone" in shown(app, "header")
        await pilot.press("c")
        assert "checkpoint was not sent" in shown(app, "status")


async def test_a_run_that_may_not_be_read_says_so(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Feed) -> None:
        raise PermissionError(13, "Permission denied", "metrics.jsonl")

    monkeypatch.setattr(Feed, "poll", refuse)
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, lambda: "cannot read the run: [Errno 13]" in shown(app, "status"))
        monkeypatch.undo()
        await until(pilot, caught_up(app, 100))
        assert "cannot read" not in shown(app, "status")


async def test_a_status_that_may_not_be_read_says_so(run: RunDir) -> None:
    run.status_json.unlink()
    run.status_json.mkdir()
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, lambda: "cannot read the run: [Errno 21]" in shown(app, "status"))


async def test_the_wheel_scrolls_and_a_click_chooses(run: RunDir) -> None:
    run.console.write_text("".join(f"line {i}\n" for i in range(300)), encoding="utf-8")
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        console = app.run_screen.query_one("#console", Pane)
        console.post_message(MouseScrollUp(console, 1, 1, 0, -1, 0, False, False, False))
        await until(pilot, lambda: "line 296" in shown(app, "console") and "line 299" not in shown(app, "console"))
        await pilot.click("#events")
        assert app.run_screen.view.chosen == "events"
        await pilot.click("#header")
        assert app.run_screen.view.chosen == "events"


async def test_a_screen_without_a_line_of_keys_says_how_to_leave(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(40, 10)) as pilot:
        await until(pilot, caught_up(app, 100))
        assert shown(app, "status").rstrip().endswith("q quit")
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: shown(app, "keys").rstrip().endswith("q quit  ? help"))
        await until(pilot, lambda: "q quit" not in shown(app, "status"))


async def test_ctrl_c_says_how_to_leave(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "press q to quit" in shown(app, "status"))
        assert not app._notifications


@pytest.mark.parametrize(("state", "goes_on"), [(State.RUNNING, True), (State.STOPPED, False)])
async def test_leaving_says_how_to_come_back_to_a_live_run(run: RunDir, state: State, goes_on: bool) -> None:
    set_status(run, state, step=100, total=400)
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("q")
    way_back = f"the run goes on; come back with: trainwatch {run.path}"
    assert app.farewell == (way_back if goes_on else "")


@pytest.mark.parametrize("width", [40, 80])
async def test_help_wraps_beside_its_keys(run: RunDir, width: int) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(width, 60)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, Help) and bool(app.screen.query(Static)))
        await pilot.pause()
        table = list(app.screen.query(Static))[1]
        lines = ["".join(s.text for s in table.render_line(y)) for y in range(table.size.height)]
        beside = [line[7:9] for line in lines]
        assert len(lines) >= 18
        assert set(beside) == {"  "}


async def test_generated_texts_are_read_by_keys_and_by_the_wheel(run: RunDir) -> None:
    texts = [Sample(prompt=f"prompt {i}", text=f"line {i}\n" + "word " * 30 + f"end {i}.") for i in range(6)]
    append(run.metrics, [evaluation(100, 0.5, 0.25, seq=999, samples=texts)])
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("2")
        await until(pilot, lambda: "❯ prompt 0" in shown(app, "evals"))
        assert "more" in shown(app, "evals")
        for _ in range(6):
            await pilot.press("pagedown")
        await until(pilot, lambda: "end 5." in shown(app, "evals"))
        assert "more" not in shown(app, "evals")
        await pilot.press("z")
        await until(pilot, lambda: "line 5" in shown(app, "evals") and "end 4." in shown(app, "evals"))
        pane = app.run_screen.query_one("#evals", Pane)
        for _ in range(12):
            pane.post_message(Pane.Scrolled("evals", 3, 0, 0))
        await until(pilot, lambda: "latest" in shown(app, "evals"))
