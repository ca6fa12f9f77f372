"""Alerts that are found here: on what other programs and scripts write, live, said to be so, and written nowhere."""

from pathlib import Path

from rundir.control import ControlReader
from rundir.layout import RunDir
from rundir.status import State
from tests.pilot.test_events import listed, shown
from tests.pilot.test_runs import until
from tests.trainwatch.runs import append, make_run, set_status, step, steps
from tests.trainwatch.test_diagnosis import diverging, script
from trainwatch.app import TrainwatchApp
from trainwatch.screens.ask import Confirm, Report
from trainwatch.screens.evidence import EvidenceScreen


def files_in(path: Path) -> dict[str, int]:
    return {str(each.relative_to(path)): each.stat().st_size for each in path.rglob("*")}


async def test_what_another_program_wrote_is_diagnosed(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    rows = [f"{record.step},{record.loss},{record.lr}" for record in diverging()]
    path.write_text("\n".join(["step,loss,lr", *rows, ""]), encoding="ascii")
    before = files_in(tmp_path)
    app = TrainwatchApp(RunDir(path))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "found here  divergence" in shown(app, "header"))
        assert "alerts 1 active" in shown(app, "events")
        assert "▲" in shown(app, "loss")
        await listed(app, pilot)
        assert "rules run here, " in shown(app, "header")
        assert "found here, raised" in shown(app, "events")
        assert "found here by trainwatch, not written to the run" in shown(app, "detail")
        await pilot.press("r")
        assert isinstance(app.screen, Report)
        rows_of = dict(app.screen._rows)
        assert rows_of["divergence"] == "1 found, open"
        assert rows_of["overfitting"] == "no eval.loss"
        await pilot.press("escape", "enter")
        await until(pilot, lambda: isinstance(app.screen, EvidenceScreen))
        await until(pilot, lambda: "found here, not written to the run" in shown(app, "header"))
        assert "loss" in shown(app, "chart").splitlines()[0]
        await pilot.press("2")
        await until(pilot, lambda: "read-only: nothing is written" in shown(app, "status"))
    assert files_in(tmp_path) == before


async def test_a_script_s_run_is_diagnosed_as_it_goes_on_and_takes_the_order_of_a_fix(tmp_path: Path) -> None:
    run = script(make_run(tmp_path))
    run.config_toml.write_text("[train]\nlr = 1e-3\n", encoding="utf-8")
    append(run.metrics, steps(60))
    set_status(run, State.RUNNING, step=60, total=400)
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.run_screen.store.findings.num_steps == 60)
        assert "found here" not in shown(app, "header")
        append(run.metrics, [step(61, "nan")])
        await until(pilot, lambda: "found here  non-finite" in shown(app, "header"))
        await listed(app, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, EvidenceScreen))
        await pilot.press("1")
        await until(pilot, lambda: "no checkpoint" in shown(app, "status") or isinstance(app.screen, Confirm))
        await pilot.press("2")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: len(ControlReader(run).poll()) == 1)
        assert ControlReader(run).poll()[0].args == {"clip_norm": 1.0}  # type: ignore[union-attr]
        append(run.metrics, steps(30, first=62))
        await until(pilot, lambda: "over since step" in shown(app, "header"))
    assert not run.alerts_json.exists()
    assert b'"alert"' not in (run.events.read_bytes() if run.events.exists() else b"")


async def test_a_supervisor_s_run_is_left_to_it(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    append(run.metrics, diverging())
    set_status(run, State.RUNNING, step=400)
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "400 steps" in shown(app, "status"))
        append(run.metrics, [step(401, "nan")])
        await until(pilot, lambda: "401 steps" in shown(app, "status"))
        assert not app.run_screen.store.findings.is_on
        assert not app.run_screen.store.active_alerts
        await listed(app, pilot)
        await pilot.press("r")
        await until(pilot, lambda: "the run's own supervisor" in shown(app, "status"))
