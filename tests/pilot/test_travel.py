"""Going back in a run by keys: what all panes show, what is refused, and how one comes back."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from rundir.control import ControlReader
from rundir.layout import RunDir
from rundir.records import AlertEvent, LifecycleEvent, Severity, SystemRecord
from rundir.status import State
from tests.pilot.test_dashboard import caught_up, shown, until
from tests.trainwatch.runs import START_AT, append, evaluation, make_run, memory, outcome, set_status, step, steps
from tests.trainwatch.test_machine import sample
from trainwatch.app import TrainwatchApp
from trainwatch.screens import travel
from trainwatch.screens.checkpoints import CheckpointsScreen
from trainwatch.screens.console import ConsoleScreen
from trainwatch.screens.events import EventsScreen
from trainwatch.screens.evidence import EvidenceScreen
from trainwatch.screens.gallery import GalleryScreen
from trainwatch.screens.system import SystemScreen
from trainwatch.travel.past import read_tape
from trainwatch.travel.tape import Tape
from trainwatch.widgets.pane import Pane


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Still running: an alert at step 60, evaluations at 40 and 80, an order at 90."""
    run = make_run(tmp_path)
    append(run.metrics, steps(40))
    append(
        run.metrics, [evaluation(40, 0.5, 0.25), *steps(40, first=41), evaluation(80, 0.4, 0.75), *steps(20, first=81)]
    )
    alert = AlertEvent(
        at=START_AT + 60, attempt=1, writer="supervisor", step=60, rule="plateau", change="raised",
        severity=Severity.WARNING, message="no progress", onset_step=50,
    )  # fmt: skip
    begun = [LifecycleEvent(at=START_AT, attempt=1, writer="supervisor", what=what) for what in ("spawned", "training")]
    append(run.events, [*begun, alert, outcome("o", "eval", at=START_AT + 90, step=90)])
    append(run.system, memory(50))
    run.console.write_text("a line without a time\n", encoding="utf-8")
    set_status(run, State.RUNNING, step=100, total=400)
    return run


def page(app: TrainwatchApp, name: str) -> str:
    """What a pane of the uppermost screen shows; empty while there is none."""
    pane = next(iter(app.screen.query(f"#{name}").results(Pane)), None)
    return "" if pane is None else "\n".join(pane.render_line(y).text for y in range(pane.size.height))


def panes(app: TrainwatchApp) -> str:
    return "\n".join(shown(app, name) for name in ("header", "loss", "evals", "events", "orders", "console", "status"))


async def test_all_panes_show_what_was_known_then_and_nothing_later(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("at")
        await until(pilot, lambda: bool(app.screen.query(Input)))
        app.screen.query_one(Input).value = "50"
        await pilot.press("enter")
        await until(pilot, lambda: "as of step 50 of 400" in shown(app, "status"))
        then = panes(app)
        assert "was running" in then
        assert "0.2500" in then
        assert "0.7500" not in then
        assert "plateau" not in then
        assert "none given" in then
        assert "a line without a time" not in then
        assert "loss 0.2000" in then
        await pilot.press("right_curly_bracket")
        assert "plateau" in panes(app)
        await pilot.press("escape")
        await until(pilot, caught_up(app, 100))
        now = panes(app)
        assert "0.7500" in now
        assert "a line without a time" in now
        assert "was running" not in now


@pytest.mark.parametrize("size", [(160, 48), (40, 10)])
async def test_keys_go_back_and_forth_at_every_size(run: RunDir, size: tuple[int, int]) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=size) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("left_curly_bracket")
        await until(pilot, lambda: "as of step" in shown(app, "status"))
        first = app.run_screen.store.last_step
        assert 85 <= first < 100
        await pilot.press("left_square_bracket")
        second = app.run_screen.store.last_step
        assert first - 3 <= second < first
        await pilot.press("right_square_bracket", "right_square_bracket", "right_square_bracket")
        assert app.run_screen.store.last_step > second
        await pilot.press("right_curly_bracket", "right_curly_bracket")
        assert app.run_screen.store is app.run_screen.live  # beyond the last record is now
        await until(pilot, caught_up(app, 100))


async def test_nothing_is_ordered_in_the_past(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("left_curly_bracket")
        await until(pilot, lambda: "as of step" in shown(app, "status"))
        for key in ("p", "s", "c", "e", "k", "l", "n"):
            await pilot.press(key)
            assert "not possible in the past" in shown(app, "status"), key
            assert len(app.screen_stack) == 1
        assert not ControlReader(run).poll()
        assert "pause" not in shown(app, "keys")
        assert "now" in shown(app, "keys")
        await pilot.press("end")
        await pilot.press("p")
        await until(pilot, lambda: len(ControlReader(run).poll()) == 1)


async def test_a_live_run_goes_on_while_its_past_is_looked_at(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("left_curly_bracket")
        await until(pilot, lambda: "as of step" in shown(app, "status"))
        before = app.run_screen.store.last_step
        append(run.metrics, steps(10, first=101))
        await until(pilot, lambda: app.run_screen.live.last_step == 110)
        assert app.run_screen.store.last_step == before
        await pilot.press("escape")
        await until(pilot, caught_up(app, 110))


async def test_a_place_that_is_none_is_said_to_be_none(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("at")
        await until(pilot, lambda: bool(app.screen.query(Input)))
        for bad in ("", "1000", "150 apples"):
            app.screen.query_one(Input).value = bad
            await pilot.press("enter")
            assert app.screen.query(".fault")
        await pilot.press("escape")
        assert app.run_screen.playhead is None


async def test_all_metrics_are_those_of_then_too(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("left_curly_bracket")
        await until(pilot, lambda: "as of step" in shown(app, "status"))
        then = app.run_screen.store.last_step
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, GalleryScreen) and app.screen.gallery.lines.store.caught_up)
        assert isinstance(app.screen, GalleryScreen)
        assert app.screen.gallery.lines.store.last_step == then
        await until(pilot, lambda: "as of step" in str(app.screen.query_one("#status").render_line(0).text))  # type: ignore[attr-defined]


async def test_a_recorded_run_is_played_from_its_beginning(run: RunDir) -> None:
    set_status(run, State.DONE, step=100, total=100)
    app = TrainwatchApp(run, replay=10)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, lambda: "▶ ×10" in shown(app, "status"))
        await until(pilot, lambda: 3 <= app.run_screen.store.last_step < 100)
        await pilot.press("space")
        held = app.run_screen.store.last_step
        assert "▶" not in shown(app, "status")
        await pilot.press(*["greater_than_sign"] * 5)
        assert app.run_screen.playhead is not None
        assert app.run_screen.playhead.speed == 500
        assert app.run_screen.store.last_step == held
        await pilot.press("space")
        await until(pilot, lambda: "the end of what was recorded" in shown(app, "status"))
        assert app.run_screen.store.last_step == 100
        await pilot.press("escape")
        await until(pilot, caught_up(app, 100))


async def test_what_another_program_wrote_without_times_is_gone_through_by_its_steps(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step,loss\n" + "".join(f"{i},{1 / i}\n" for i in range(1, 101)), encoding="utf-8")
    app = TrainwatchApp(RunDir(path))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("left_curly_bracket")
        await until(pilot, lambda: " ◷ as of step 90 " in shown(app, "status"))
        assert "ago" not in shown(app, "status")
        assert "was" not in shown(app, "header")


async def stood(app: TrainwatchApp, pilot: Pilot[None], step: int) -> None:
    """As of a step."""
    await until(pilot, caught_up(app, 100))
    await pilot.press("at")
    await until(pilot, lambda: bool(app.screen.query(Input)))
    app.screen.query_one(Input).value = str(step)
    await pilot.press("enter")
    await until(pilot, lambda: f"as of step {step} of 400" in shown(app, "status"))


async def test_the_page_of_events_shows_the_past_and_that_of_checkpoints_is_not_opened(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await stood(app, pilot, 55)
        await pilot.press("6")
        await until(pilot, lambda: "shows now alone" in shown(app, "status"))
        await pilot.press("3", "enter")
        await until(pilot, lambda: isinstance(app.screen, EventsScreen))
        assert isinstance(app.screen, EventsScreen)
        assert not [view for view in app.screen.timeline.views if isinstance(view.event, AlertEvent)]
        assert "as of step" in page(app, "status")


async def test_the_evidence_of_an_alert_is_that_of_then(run: RunDir) -> None:
    worse = AlertEvent(
        at=START_AT + 90, attempt=1, writer="supervisor", step=90, rule="plateau", change="updated",
        severity=Severity.CRITICAL, message="much worse", onset_step=50, fixes=["clip_norm = 1.0"],
    )  # fmt: skip
    append(run.events, [worse])
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await stood(app, pilot, 70)
        await pilot.press("3", "enter")
        await until(pilot, lambda: isinstance(app.screen, EventsScreen))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, EvidenceScreen) and "no progress" in page(app, "seen"))
        assert "warning" in page(app, "header")
        assert "loss 0.1429" in page(app, "chart")
        assert "as of step 70" in page(app, "status")
        await pilot.press("escape", "escape", "at")
        await until(pilot, lambda: bool(app.screen.query(Input)))
        app.screen.query_one(Input).value = "95"
        await pilot.press("enter", "3", "enter")
        await until(pilot, lambda: isinstance(app.screen, EventsScreen))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, EvidenceScreen) and "much worse" in page(app, "seen"))
        await pilot.press("1")
        await until(pilot, lambda: "not possible in the past" in page(app, "status"))
        assert ControlReader(run).poll() == []


async def test_a_metric_that_only_the_evidence_has_read_is_that_of_then(run: RunDir) -> None:
    append(run.metrics, [step(n, 1.0, step_s=n / 100) for n in range(101, 201)])
    slow = AlertEvent(
        at=START_AT + 150, attempt=1, writer="supervisor", step=150, rule="slow-step", change="raised",
        severity=Severity.WARNING, message="slow", onset_step=140,
    )  # fmt: skip
    append(run.events, [slow])
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 200))
        await pilot.press("at")
        await until(pilot, lambda: bool(app.screen.query(Input)))
        app.screen.query_one(Input).value = "160"
        await pilot.press("enter", "3", "enter")
        await until(pilot, lambda: isinstance(app.screen, EventsScreen))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, EvidenceScreen) and "step_s 1.600" in page(app, "chart"))


@asynccontextmanager
async def machine_then(run: RunDir) -> AsyncIterator[tuple[TrainwatchApp, Pilot[None]]]:
    """The page of the machine as of step 82, when the processors were at 4 %; at 9 % later."""
    run.system.unlink()
    append(run.system, [sample(60 + 5 * n, cpu_percent=float(n)) for n in range(10)])
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await stood(app, pilot, 82)
        await pilot.press("8")
        await until(pilot, lambda: isinstance(app.screen, SystemScreen) and "cpu 4 %" in page(app, "chart-0"))
        yield app, pilot


async def test_the_machine_is_as_it_was_last_sampled_then(run: RunDir) -> None:
    async with machine_then(run) as (app, pilot):
        assert " 4 %" in page(app, "now")
        assert " 9 %" not in page(app, "now")
        assert "as of step 82" in page(app, "status")
        assert "days" not in page(app, "now")
        assert "was running" in page(app, "header")
        assert isinstance(app.screen, SystemScreen)
        assert app.screen.store.last_step == 82
        await pilot.press("escape")
        app.run_screen.stand(START_AT + 20.0)
        await pilot.press("8")
        await until(pilot, lambda: isinstance(app.screen, SystemScreen) and app.screen.store.last_step == 20)
        await until(pilot, lambda: " 4 %" not in page(app, "now"))


async def test_pages_go_on_with_the_past_while_it_is_played(run: RunDir) -> None:
    async with machine_then(run) as (app, pilot):
        app.run_screen.stand(START_AT + 96.0)
        await until(pilot, lambda: "cpu 7 %" in page(app, "chart-0"))


async def test_the_console_stands_at_the_line_of_then(run: RunDir) -> None:
    run.console.write_text("".join(f"line {n:03d}\n" for n in range(100)), encoding="utf-8")
    run.system.unlink()
    append(run.system, [SystemRecord(at=START_AT + 50 + n, attempt=1, console_bytes=9 * n) for n in range(50)])
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await stood(app, pilot, 90)
        await pilot.press("5")
        await until(pilot, lambda: "open its page there" in shown(app, "console"))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ConsoleScreen) and "as of then" in page(app, "body"))
        assert "was running" in page(app, "header")
        rows = app.screen.query_one("#body", Pane)
        styles = {
            segment.text.strip("│ ").split()[1]: segment.style
            for y in range(1, rows.size.height - 1)
            for segment in rows.render_line(y)
            if "line" in segment.text
        }
        assert {"039", "040"} <= styles.keys()
        assert styles["030"] == styles["039"]
        assert styles["040"] != styles["039"]  # printed later
        app.run_screen.leave_past()
        await until(pilot, lambda: "line 099" in page(app, "body") and "as of then" not in page(app, "body"))


async def test_a_console_whose_times_nothing_tells_says_that_it_is_of_now(run: RunDir) -> None:
    run.system.unlink()
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await stood(app, pilot, 50)
        await pilot.press("5", "enter")
        await until(pilot, lambda: isinstance(app.screen, ConsoleScreen) and "as it is now" in page(app, "body"))


async def test_a_page_that_was_opened_while_the_past_was_read_shows_now(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = threading.Event()

    def slowly(run: RunDir) -> Tape:
        may_go_on.wait(10.0)
        return read_tape(run)

    monkeypatch.setattr(travel, "read_tape", slowly)
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("left_curly_bracket", "6")
        await until(pilot, lambda: isinstance(app.screen, CheckpointsScreen))
        may_go_on.set()
        front = app.run_screen
        await until(pilot, lambda: "another page was opened" in front.view.notice)
        assert front.store is front.live
        assert front.playhead is None


async def test_all_metrics_go_back_and_forth_like_the_run_s_own_page(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, GalleryScreen) and app.screen.gallery.lines.store.caught_up)
        assert isinstance(app.screen, GalleryScreen)
        page = app.screen

        def status() -> str:
            pane = page.query_one("#status", Pane)
            return "\n".join(pane.render_line(y).text for y in range(pane.size.height))

        await until(pilot, lambda: "metrics of 100 steps" in status())
        await pilot.press("right_square_bracket")
        assert "this is now; [ goes back" in status()
        await pilot.press("left_curly_bracket")
        await until(pilot, lambda: "as of step" in status())
        assert 85 <= page.gallery.lines.store.last_step < 100
        await pilot.press("at")
        await until(pilot, lambda: bool(app.screen.query(Input)))
        app.screen.query_one(Input).value = "50"
        await pilot.press("enter")
        await until(pilot, lambda: "as of step 50 of 400" in status())
        assert "eval/f1" in page.gallery.names
        assert len(page.gallery.lines.line("eval/f1", page.gallery.lens.axis).x) == 1  # type: ignore[union-attr]
        assert "system/rss" in page.gallery.names
        await pilot.press("greater_than_sign", "space")
        await until(pilot, lambda: "▶" in status() and page.gallery.lines.store.last_step > 50)
        await pilot.press("escape")
        await until(pilot, lambda: "metrics of 100 steps" in status())
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: "as of step" in status())
        await pilot.press("end")
        await until(pilot, lambda: "metrics of 100 steps" in status())
        append(run.metrics, steps(5, first=101))
        await until(pilot, lambda: "105 steps" in status())
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.root)
