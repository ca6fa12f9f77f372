"""Runs on other hosts in the dashboard: keys in; screen here, and control file there, out."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from rundir.control import ControlReader, Order
from rundir.layout import RunDir
from rundir.records import encode
from rundir.remarks import read_remarks
from rundir.status import RunInfo, State
from tests.trainwatch.alerts import divergence
from tests.trainwatch.remote.conftest import Host
from tests.trainwatch.runs import append, evaluation, make_run, outcome, set_status, steps
from trainwatch.app import TrainwatchApp
from trainwatch.listing.survey import Survey
from trainwatch.remote.visit import Visit
from trainwatch.screens import orders
from trainwatch.screens.ask import Confirm, Prompt
from trainwatch.screens.compare import CompareScreen
from trainwatch.screens.evidence import EvidenceScreen
from trainwatch.screens.gallery import GalleryScreen
from trainwatch.screens.run import RunScreen
from trainwatch.screens.runs import RunsScreen
from trainwatch.widgets.pane import Pane


def make(parent: Path, name: str, state: State = State.RUNNING, count: int = 20) -> RunDir:
    run = make_run(parent, name)
    run.run_json.write_bytes(encode(RunInfo(id=name, name=name, task="ner", created_at=time.time() - 60)))
    append(run.metrics, [*steps(count), evaluation(count, 0.5, 0.7, best=True)])
    set_status(run, state, step=count, total=40)
    return run


async def until(pilot: Pilot[None], condition: Callable[[], bool], deadline_s: float = 15.0) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        await pilot.pause(0.02)


def shown(app: TrainwatchApp, name: str) -> str:
    pane = app.screen.query_one(f"#{name}", Pane)
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


def table_of(app: TrainwatchApp) -> RunsScreen:
    assert isinstance(app.root, RunsScreen)
    return app.root


async def test_one_table_of_two_hosts_and_a_directory_here(host: Host, tmp_path: Path) -> None:
    make(host.runs, "1-same")
    make(tmp_path / "here", "1-same", State.DONE, count=30)
    make(tmp_path / "far" / "other", "2-two")
    references = [host.url, host.url.replace("farhost", "second").replace("runs", "other"), str(tmp_path / "here")]
    with Visit(references) as visit:
        target = visit.target()
        assert isinstance(target, Survey)
        app = TrainwatchApp(target)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: " 3 runs" in shown(app, "status"))
            table = shown(app, "table")
            assert table.count("1-same") == 2
            assert "farhost" in table
            assert "second" in table
            assert {entry.id for entry in table_of(app).roster.shown} == {
                "farhost:1-same", "second:2-two", f"{tmp_path / 'here'}:1-same",
            }  # fmt: skip
            for entry in table_of(app).roster.shown:
                table_of(app).roster.marks.toggle(entry.id)
            await pilot.press("c")
            assert isinstance(app.screen, CompareScreen)
            board = app.screen.board
            await until(pilot, lambda: sorted(run.store.last_step for run in board.runs) == [20, 20, 30])


async def test_a_run_is_opened_from_the_table_and_steered(host: Host) -> None:
    far = make(host.runs, "1-far")
    with Visit([host.url]) as visit:
        app = TrainwatchApp(visit.target())
        async with app.run_test(size=(120, 30)) as pilot:
            await until(pilot, lambda: " 1 run" in shown(app, "status"))
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.run_screen.store.last_step == 20)
            append(far.metrics, steps(5, first=21))
            await until(pilot, lambda: "25 steps" in shown(app, "status"))
            await pilot.press("p")
            await until(pilot, lambda: far.control_dir.is_dir() and any(far.control_dir.glob("*.json")))
            (order,) = ControlReader(far).poll()
            assert isinstance(order, Order)
            await until(pilot, lambda: "pause sent, pending" in shown(app, "status"))
            append(far.events, [outcome(order.id, "pause", step=25)])
            await until(pilot, lambda: "pause: applied" in shown(app, "status"))
            await pilot.press("escape")
            await until(pilot, lambda: app.screen is app.root)


async def test_an_order_on_its_way_is_not_sent_once_more(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    make(host.runs, "1-far")
    sent: list[Order] = []
    may_go_on = threading.Event()

    def slowly(_run: RunDir, order: Order, _run_host: str) -> None:
        sent.append(order)
        may_go_on.wait(10.0)

    monkeypatch.setattr(orders, "deliver", slowly)
    with Visit([host.url]) as visit:
        app = TrainwatchApp(visit.target())
        async with app.run_test(size=(120, 30)) as pilot:
            await until(pilot, lambda: " 1 run" in shown(app, "status"))
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.run_screen.store.last_step == 20)
            await pilot.press("c", "c")
            assert "checkpoint is being sent already" in shown(app, "status")
            may_go_on.set()
            await until(pilot, lambda: "checkpoint sent, pending" in shown(app, "status"))
            assert len(sent) == 1


async def test_a_fix_of_an_alert_is_ordered_there(host: Host) -> None:
    far = make(host.runs, "1-far")
    append(far.events, [divergence(20, 10)])
    with Visit([f"{host.url}/1-far"]) as visit:
        app = TrainwatchApp(visit.target())
        async with app.run_test(size=(160, 48)) as pilot:
            await until(pilot, lambda: bool(app.run_screen.store.told))
            await pilot.press("3", "enter", "enter")
            await until(pilot, lambda: isinstance(app.screen, EvidenceScreen))
            command = f"onfarhost:traindset{far.path}clip_norm=1.0"  # however it is broken into lines
            await until(pilot, lambda: command in "".join(shown(app, "advice").replace("│", " ").split()))
            await pilot.press("2")
            await until(pilot, lambda: isinstance(app.screen, Confirm))
            await pilot.press("y")
            await until(pilot, lambda: far.control_dir.is_dir() and any(far.control_dir.glob("*.json")))
            (order,) = ControlReader(far).poll()
            assert isinstance(order, Order)
            assert (order.verb, order.args) == ("set", {"clip_norm": 1.0})
            await until(pilot, lambda: "set sent, pending" in shown(app, "status"))


async def test_what_to_do_outside_is_said_for_the_host_it_is_on(host: Host) -> None:
    far = make(host.runs, "1-far", State.STOPPED)
    with Visit([f"{host.url}/1-far"]) as visit:
        app = TrainwatchApp(visit.target())
        async with app.run_test(size=(160, 30)) as pilot:
            await until(pilot, lambda: "20 steps" in shown(app, "status"))
            await pilot.press("p")
            assert f"on farhost: stopped: go on with  traind resume {far.path}" in shown(app, "status")


async def test_tags_travel_and_runs_are_not_deleted_from_afar(host: Host) -> None:
    far = make(host.runs, "1-far", State.DONE)
    with Visit([host.url]) as visit:
        app = TrainwatchApp(visit.target())
        async with app.run_test(size=(120, 30)) as pilot:
            await until(pilot, lambda: " 1 run" in shown(app, "status"))
            await pilot.press("t")
            assert isinstance(app.screen, Prompt)
            app.screen.query_one(Input).value = "good"
            await pilot.press("enter")
            await until(pilot, lambda: read_remarks(far.remarks_json).tags == ["good"])
            await until(pilot, lambda: "good" in shown(app, "detail"))
            await pilot.press("D")
            assert not isinstance(app.screen, Confirm)
            assert "deleted where they are" in shown(app, "status")
    assert far.path.is_dir()


async def test_a_lost_connection_is_shown_and_orders_are_refused(host: Host) -> None:
    far = make(host.runs, "1-far")
    with Visit([f"{host.url}/1-far"]) as visit:
        target = visit.target()
        assert isinstance(target, RunDir)
        app = TrainwatchApp(target)
        async with app.run_test(size=(160, 30)) as pilot:
            await until(pilot, lambda: "20 steps" in shown(app, "status"))
            assert "1-far" in app.farewell
            assert "ssh://farhost/" in app.farewell
            host.set_down(down=True)
            (mirror,) = visit._mirrors.values()
            assert mirror._line is not None
            os.killpg(mirror._line._process.pid, signal.SIGKILL)
            await until(pilot, lambda: "farhost: no connection for" in shown(app, "status"))
            await pilot.press("p")
            await until(pilot, lambda: "pause was not sent: no connection" in shown(app, "status"))
            append(far.metrics, steps(5, first=21))
            host.set_down(down=False)
            await until(
                pilot, lambda: "25 steps" in shown(app, "status") and "connection for" not in shown(app, "status")
            )
    assert not far.control_dir.exists()


async def test_a_lost_connection_is_shown_among_all_metrics_and_where_runs_are_compared(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("gallery", "compare"):
        monkeypatch.setattr(f"trainwatch.screens.{module}.POLL_S", 0.1)
    make(host.runs, "1-far")
    make(host.runs, "2-far", State.DONE)
    with Visit([host.url]) as visit:
        app = TrainwatchApp(visit.target())
        async with app.run_test(size=(160, 30)) as pilot:
            await until(pilot, lambda: " 2 runs" in shown(app, "status"))
            await pilot.press("space", "space", "c")
            await until(pilot, lambda: " 2 runs compared" in shown(app, "status"))
            assert "connection" not in shown(app, "status")
            host.set_down(down=True)
            (mirror,) = visit._mirrors.values()
            assert mirror._line is not None
            os.killpg(mirror._line._process.pid, signal.SIGKILL)
            await until(pilot, lambda: "farhost: no connection for" in shown(app, "status"))
            assert shown(app, "status").count("no connection") == 1
            await pilot.press("escape")
            await until(pilot, lambda: app.screen is app.root)
            await pilot.press("home", "enter")
            await until(pilot, lambda: isinstance(app.screen, RunScreen) and "20 steps" in shown(app, "status"))
            await pilot.press("g")
            await until(pilot, lambda: isinstance(app.screen, GalleryScreen))
            await until(pilot, lambda: "farhost: no connection for" in shown(app, "status"))
            host.set_down(down=False)
            await until(pilot, lambda: "connection" not in shown(app, "status"))
