"""The page of events and that of one alert: keys and pointer in; screen and control file out."""

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.events import MouseScrollDown
from textual.pilot import Pilot
from textual.widgets import Input, Static

from rundir.control import ControlReader, Order
from rundir.layout import RunDir
from rundir.records import NoteEvent
from rundir.status import State
from tests.pilot.test_runs import until
from tests.trainwatch.alerts import alert, divergence
from tests.trainwatch.checkpoints import put_checkpoint
from tests.trainwatch.runs import START_AT, append, evaluation, make_run, outcome, set_status, step, steps
from trainwatch.app import TrainwatchApp
from trainwatch.screens.ask import Confirm, Help
from trainwatch.screens.events import EventsScreen
from trainwatch.screens.evidence import EvidenceScreen
from trainwatch.screens.run import RunScreen
from trainwatch.widgets.pane import Pane


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A live run whose loss went up from step 130 on; a best checkpoint at 100."""
    run = make_run(tmp_path)
    run.config_toml.write_text("[train]\nlr = 1e-3\n", encoding="utf-8")
    append(run.metrics, [*steps(200), evaluation(100, 0.5, 0.25), evaluation(200, 0.9, 0.2)])
    saved = msgspec.structs.replace(put_checkpoint(run, 100), best=True)
    note = NoteEvent(at=START_AT + 120, attempt=1, writer="supervisor", step=120, text="look", by="ada")
    append(run.events, [saved, note, divergence(150, 130), alert(160, rule="slow-step", incident=2)])
    set_status(run, State.RUNNING, step=200, total=400)
    return run


def shown(app: TrainwatchApp, name: str) -> str:
    pane = app.screen.query_one(f"#{name}", Pane)
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


async def listed(app: TrainwatchApp, pilot: Pilot[None]) -> EventsScreen:
    await until(pilot, lambda: app.run_screen.store.caught_up)
    await pilot.press("3", "enter")
    await until(pilot, lambda: isinstance(app.screen, EventsScreen))
    await pilot.pause()
    assert isinstance(app.screen, EventsScreen)
    return app.screen


async def opened(app: TrainwatchApp, pilot: Pilot[None]) -> EvidenceScreen:
    """The evidence of the divergence."""
    await listed(app, pilot)
    await pilot.press("down", "enter")
    await until(pilot, lambda: isinstance(app.screen, EvidenceScreen))
    await pilot.pause()
    assert isinstance(app.screen, EvidenceScreen)
    return app.screen


def orders_in(run: RunDir) -> list[Any]:
    return ControlReader(run).poll()


async def test_the_time_line_follows_the_run_and_is_filtered(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 32)) as pilot:
        await listed(app, pilot)
        assert "4 events  ▲ 2 active" in shown(app, "header")
        first, *_ = shown(app, "events").splitlines()[1:]
        assert "›" in first
        assert "slow-step raised" in first
        append(run.events, [alert(170, "cleared", rule="slow-step", incident=2)])
        await until(pilot, lambda: "5 events  ▲ 1 active" in shown(app, "header"))
        await pilot.press("slash", *"note")
        await until(pilot, lambda: "1 event of 5" in shown(app, "header"))
        assert "by  ada" in shown(app, "detail")
        await pilot.press("enter")
        await until(pilot, lambda: not app.screen.query(Input))
        await pilot.press("enter")
        assert "this is no alert" in shown(app, "status")
        await pilot.press("escape")
        assert "5 events" in shown(app, "header")
        await pilot.press("question_mark")
        assert isinstance(app.screen, Help)
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_the_pointer_chooses_and_opens(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.run_screen.store.caught_up)
        await pilot.click("#events", offset=(5, 2), times=2)
        await until(pilot, lambda: isinstance(app.screen, EventsScreen))
        page = app.screen
        assert isinstance(page, EventsScreen)
        await pilot.pause()
        pane = page.query_one("#events", Pane)
        pane.post_message(MouseScrollDown(pane, 5, 5, 0, 1, 0, False, False, False))
        await until(pilot, lambda: page.timeline.index == 3)
        await pilot.click("#events", offset=(5, 2))
        await until(pilot, lambda: page.timeline.index == 1)
        await pilot.click("#events", offset=(5, 2), times=2)
        await until(pilot, lambda: isinstance(app.screen, EvidenceScreen))


@pytest.mark.parametrize("size", [(160, 48), (80, 24), (40, 10)])
async def test_the_evidence_of_an_alert(run: RunDir, size: tuple[int, int]) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=size) as pilot:
        await opened(app, pilot)
        assert "divergence  critical  open" in shown(app, "header")
        advice = shown(app, "advice")
        assert "62%" in advice or "likely causes" in advice
        assert ("q quit" in shown(app, "status")) is (size[1] == 10)  # else it stands in the line of keys
        if size[1] > 20:
            assert "onset 130" in shown(app, "chart")
            assert "found 150" in shown(app, "chart")
            assert "│" in shown(app, "chart").splitlines()[5]
            assert "go back to a checkpoint before it" in advice
        if size[0] == 160:
            assert "used bytes" in shown(app, "seen")
            await pilot.press("plus", "y")
            await pilot.press("escape")
        append(run.events, [alert(220, "cleared", incident=1)])
        await until(pilot, lambda: "over since" in shown(app, "header"))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, EventsScreen))


async def test_leaving_says_what_it_undid_or_leaves(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot)
        for keys, undone in ((("y",), "log"), (("plus",), "zoomed"), (("0",), "zoomed"), (("full_stop",), "crosshair")):
            await pilot.press(*keys, "escape")
            assert f"the chart as it was: no more {undone}" in shown(app, "status")
        await pilot.press("y", "y", "escape")  # nothing is left to undo
        await until(pilot, lambda: isinstance(app.screen, EventsScreen))


async def test_an_order_is_shown_in_full_and_sent_once_it_is_confirmed(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot)
        await pilot.press("1")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        said = "\n".join(str(each.render()) for each in app.screen.query(Static))
        assert f"traind rollback {app.run_screen.store.opened.reference} --lr-factor 0.33 --step 100" in said
        written = said[said.index("{") : said.rindex("}") + 1]
        assert all(line.endswith((",", "}")) and len(line) <= 66 for line in written.splitlines())
        written = written.replace("\n", "")
        assert '"verb":"rollback"' in written
        assert '"args":{"lr_factor":0.33,"step":100}' in written
        await pilot.press("n")
        await until(pilot, lambda: "rollback: not sent" in shown(app, "status"))
        assert orders_in(run) == []
        await pilot.press("enter")  # the first fix that is an order
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: "rollback sent, pending" in shown(app, "status"))
        (order,) = orders_in(run)
        assert isinstance(order, Order)
        assert (order.verb, order.args) == ("rollback", {"lr_factor": 0.33, "step": 100})
        assert f'"id":"{order.id}"' not in said  # that one was turned down
        await pilot.press("1")
        await until(pilot, lambda: "is pending already" in shown(app, "status"))
        append(run.events, [outcome(order.id, "rollback", "refused", reason="no whole checkpoint")])
        await until(pilot, lambda: "refused, no whole checkpoint" in shown(app, "status"))


async def test_a_click_on_a_fix_asks_for_its_order(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(app, pilot)
        line = next(y for y, text in enumerate(shown(app, "advice").splitlines()) if "2 clip_norm = 1.0" in text)
        await pilot.click("#advice", offset=(5, line))
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: len(orders_in(run)) == 1)
        assert orders_in(run)[0].args == {"clip_norm": 1.0}


async def test_what_is_no_order_is_not_sent(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 40)) as pilot:
        page = await opened(app, pilot)
        await pilot.press("3")
        await until(pilot, lambda: "no order does that: a longer warm-up" in shown(app, "status"))
        await pilot.press("6")
        await until(pilot, lambda: "there is no fix 6" in shown(app, "status"))
        refusals = {command.name: command.refusal for command in page.commands()}
        assert refusals["fix 1"] == ""
        assert "no order does that" in refusals["fix 3"]
        assert "fix 6" not in refusals


@pytest.mark.parametrize(
    ("state", "alive", "read_only", "why"),
    [
        (State.RUNNING, True, True, "read-only: nothing is written to this run"),
        (State.RUNNING, False, False, "dead (was running)"),
        (State.STARTING, True, False, "set clip_norm=1 is not possible while the run is starting"),
    ],
)
async def test_an_order_is_refused_as_any_other(
    run: RunDir, state: State, alive: bool, read_only: bool, why: str
) -> None:
    set_status(run, state, step=200, total=400, alive=alive)
    app = TrainwatchApp(run, read_only=read_only)
    async with app.run_test(size=(160, 48)) as pilot:
        await opened(app, pilot)
        assert "not now:" in shown(app, "advice")
        assert ("enter apply" in shown(app, "keys")) is (state is State.STARTING)  # the first fix goes back then
        await pilot.press("2")
        await until(pilot, lambda: why in shown(app, "status"))
        assert orders_in(run) == []


async def test_where_no_order_does_a_fix_the_command_of_a_new_run_is_copied(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint from before was removed; a longer warm-up no order gives."""
    run.config_toml.write_text("[train]\nlr = 1e-3\nwarmup_ratio = 0.1\nclip_norm = 1.0\n", encoding="utf-8")
    shutil.rmtree(run.checkpoint(100))
    monkeypatch.delenv("TMUX", raising=False)
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        page = await opened(app, pilot)
        reference = app.run_screen.store.opened.reference
        advice = " ".join(shown(app, "advice").replace("│", " ").split())
        assert "not now: no whole checkpoint from before it is left, that of step 100 is gone" in advice
        assert "not now: clip_norm is 1 already" in advice
        anew = f"traind start {reference}/config.toml --set train.lr=0.00033"
        assert f"anew: {anew}".replace(" ", "") in advice.replace(" ", "")  # a long path is broken
        await pilot.press("1")
        await until(pilot, lambda: app.clipboard == anew)
        assert f"copied: --set train.lr=0.00033 (traind start {reference}"[:60] in shown(app, "status")
        monkeypatch.setenv("TMUX", "a,1,0")
        await pilot.press("1")
        sent = "sent to the terminal's clipboard: --set train.lr=0.00033 (tmux: set -s set-clipboard on; traind start"
        await until(pilot, lambda: sent in shown(app, "status"))
        await pilot.press("Y")
        assert "sent to the terminal's clipboard (tmux: set -s set-clipboard on): /" in shown(app, "status")
        await pilot.press("3")
        await until(pilot, lambda: app.clipboard.endswith("config.toml --set train.warmup_ratio=0.2"))
        await pilot.press("2")
        await until(pilot, lambda: "clip_norm is 1 already" in shown(app, "status"))
        assert orders_in(run) == []
        assert page._fix_of("apply") is page.fixes[3]  # the first order that can be given


async def test_a_run_that_has_ended_is_begun_anew(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    set_status(run, State.FAILED, step=200, total=400)
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, pilot)
        assert "enter copy" in shown(app, "keys")
        await pilot.press("enter")
        await until(pilot, lambda: app.clipboard.endswith("config.toml --set train.lr=0.00033"))
        assert "copied: --set train.lr=0.00033 (traind start" in shown(app, "status")
        assert orders_in(run) == []


async def test_a_damaged_checkpoint_is_not_gone_back_to(run: RunDir) -> None:
    (run.checkpoint(100) / "model.safetensors").write_bytes(b"short")
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        page = await opened(app, pilot)
        assert page.fixes[0].args is None


async def test_a_metric_that_the_run_s_page_has_not_read_is_read(run: RunDir) -> None:
    """The time of a step is no column of the run's own page."""
    slow = [step(number, 1.0, step_s=0.25) for number in range(201, 240)]
    append(run.metrics, slow)
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 40)) as pilot:
        await listed(app, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, EvidenceScreen))
        await until(pilot, lambda: "step_s –" in shown(app, "chart").splitlines()[0])  # around the alert
        await pilot.press("0")
        await until(pilot, lambda: "step_s 0.2500" in shown(app, "chart").splitlines()[0])
        append(run.metrics, [step(240, 1.0, step_s=0.5)])
        await until(pilot, lambda: "step_s 0.5000" in shown(app, "chart").splitlines()[0])


async def test_where_no_such_metric_was_recorded_the_loss_is_drawn(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 40)) as pilot:
        await listed(app, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, EvidenceScreen))
        await until(pilot, lambda: "loss 0.05236" in shown(app, "chart").splitlines()[0])


async def test_a_filter_that_is_opened_once_more_is_the_same_line(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await listed(app, pilot)
        await pilot.press("slash", *"note")
        screen.choose("filter")  # as the palette does
        await pilot.pause()
        (line,) = screen.query(Input)
        assert line.value == "note "  # the next word is another one
        await pilot.press("enter")
        assert not screen.query(Input)


async def test_a_key_opens_the_gravest_alert_where_there_is_one(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.run_screen.store.caught_up)
        await until(pilot, lambda: "a alert" in shown(app, "keys"))
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, EvidenceScreen) and "divergence" in shown(app, "header"))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.run_screen)
        append(run.events, [alert(220, "cleared", incident=1), alert(230, "cleared", rule="slow-step", incident=2)])
        await until(pilot, lambda: "a alert" not in shown(app, "keys"))
        await pilot.press("a")
        await until(pilot, lambda: "no alert is open" in shown(app, "status"))
