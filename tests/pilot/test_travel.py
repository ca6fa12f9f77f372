"""Going back in a run by keys: what all panes show, what is refused, and how one comes back."""

import threading
from pathlib import Path

import pytest
from textual.widgets import Input

from rundir.control import ControlReader
from rundir.layout import RunDir
from rundir.records import AlertEvent, LifecycleEvent, Severity
from rundir.status import State
from tests.pilot.test_dashboard import caught_up, shown, until
from tests.trainwatch.runs import START_AT, append, evaluation, make_run, memory, outcome, set_status, steps
from trainwatch.app import TrainwatchApp
from trainwatch.screens import travel
from trainwatch.screens.checkpoints import CheckpointsScreen
from trainwatch.screens.events import EventsScreen
from trainwatch.screens.gallery import GalleryScreen
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


async def test_the_page_of_events_shows_the_past_and_pages_of_now_are_not_opened(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("left_curly_bracket", "left_curly_bracket")
        await until(pilot, lambda: "as of step" in shown(app, "status"))
        await pilot.press(*["left_curly_bracket"] * 5)
        assert app.run_screen.store.last_step < 60
        await pilot.press("8")
        await until(pilot, lambda: "shows now alone" in shown(app, "status"))
        await pilot.press("3", "enter")
        await until(pilot, lambda: isinstance(app.screen, EventsScreen))
        assert isinstance(app.screen, EventsScreen)
        assert not [view for view in app.screen.timeline.views if isinstance(view.event, AlertEvent)]
        status = "".join(segment.text for segment in app.screen.query_one("#status", Pane).render_line(0))
        assert "as of step" in status


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
