"""What is seen goes out by keys: into files, and to the clipboard."""

import csv
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from rundir.layout import RunDir
from rundir.remarks import Remarks, write_remarks
from rundir.status import State
from tests.pilot.test_dashboard import caught_up, shown, until
from tests.trainwatch.runs import append, evaluation, make_run, memory, set_status, step, steps
from trainwatch.app import TrainwatchApp
from trainwatch.screens.ask import Confirm
from trainwatch.screens.compare import CompareScreen
from trainwatch.screens.config import ConfigScreen
from trainwatch.screens.export import ExportPrompt
from trainwatch.screens.gallery import GalleryScreen
from trainwatch.screens.runs import RunsScreen


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    run = make_run(tmp_path / "runs")
    append(run.metrics, [*steps(100), evaluation(100, 0.5, 0.25)])
    append(run.system, memory(20))
    set_status(run, State.DONE, step=100, total=100)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return run


async def export(app: TrainwatchApp, pilot: Pilot[None], name: str) -> Path:
    await pilot.press("E")
    await until(pilot, lambda: isinstance(app.screen, ExportPrompt))
    app.screen.query_one(Input).value = name
    await pilot.press("enter")
    await until(pilot, lambda: Path(name).exists() and Path(name).stat().st_size > 0)
    return Path(name)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def words_in(picture: str) -> str:
    root = ET.parse(picture).getroot()  # noqa: S314 - our own
    return " ".join(text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text"))


def files() -> list[str]:
    return [path.name for path in Path().iterdir()]


def write(name: str, text: str) -> None:
    Path(name).write_text(text, encoding="utf-8")


def read(name: str) -> str:
    return Path(name).read_text(encoding="utf-8")


async def test_the_data_of_a_runs_charts_are_all_that_was_recorded(run: RunDir) -> None:
    app = TrainwatchApp(run, read_only=True)  # which is about the run, not about files elsewhere
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        rows = {row["step"]: row for row in rows_of(await export(app, pilot, "a.csv")) if row["loss"]}
        assert len(rows) == 100
        assert float(rows["7"]["loss"]) == 10 / 7
        assert set(rows["7"]) >= {"step", "loss", "grad_norm", "lr", "system/rss", "eval/f1"}
        assert rows["100"]["eval/f1"] == "0.25"
        await until(pilot, lambda: "exported: a.csv" in shown(app, "status"))
        await pilot.press("plus", "plus")
        seen = [float(row["step"]) for row in rows_of(await export(app, pilot, "zoomed.csv"))]
        assert 20 < min(seen) < max(seen) < 80
        assert len([step for step in seen if step.is_integer()]) >= 40


async def test_the_name_has_run_and_time_and_tab_changes_the_form(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("E")
        await until(pilot, lambda: isinstance(app.screen, ExportPrompt))
        line = app.screen.query_one(Input)
        assert line.value.startswith(run.id)
        endings = []
        for _ in range(4):
            endings.append(line.value.rpartition(".")[2])
            await pilot.press("tab")
        assert endings == ["svg", "csv", "png", "html"]
        assert line.value.endswith(".svg")
        await pilot.press("enter")
        await until(pilot, lambda: [name.startswith(run.id) for name in files()] == [True])
        words = words_in(files()[0])
        assert "done" in words
        assert "grad norm" in words


@pytest.mark.parametrize("yes", [False, True])
async def test_what_is_there_is_replaced_only_when_asked(run: RunDir, yes: bool) -> None:
    write("a.csv", "mine")
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("E")
        await until(pilot, lambda: isinstance(app.screen, ExportPrompt))
        app.screen.query_one(Input).value = "a.csv"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y" if yes else "n")
        said = "exported: a.csv" if yes else "not exported"
        await until(pilot, lambda: said in shown(app, "status"))
        assert (read("a.csv") == "mine") is not yes


async def test_a_wrong_name_is_said_in_the_question(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("E")
        await until(pilot, lambda: isinstance(app.screen, ExportPrompt))
        for bad in ("x.txt", "no/where.svg", ""):
            app.screen.query_one(Input).value = bad
            await pilot.press("enter")
            await until(pilot, lambda: bool(app.screen.query(".fault")))
        await pilot.press("escape")
        assert not files()


async def test_a_browser_writes_no_file_here(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainwatchApp, "is_web", True)
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("E")
        await until(pilot, lambda: "not from a browser" in shown(app, "status"))
        assert len(app.screen_stack) == 1


async def test_a_table_that_cannot_be_written_is_said(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("trainwatch.screens.export.write_new", full)
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("E")
        await until(pilot, lambda: isinstance(app.screen, ExportPrompt))
        await pilot.press("enter")
        await until(pilot, lambda: "No space left" in shown(app, "status"))


async def test_every_screen_has_its_export(run: RunDir) -> None:
    other = make_run(run.path.parent, "20261120-080000-older")
    append(other.metrics, [*steps(29), step(30, -0.5)])
    write_remarks(other.remarks_json, Remarks(note="=1+1"))
    set_status(other, State.FAILED, step=30, total=300)
    app = TrainwatchApp(run.path.parent)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and len(app.screen.roster.shown) == 2)
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and not app.screen.roster.num_shallow)
        listed = rows_of(await export(app, pilot, "runs.csv"))
        assert [(row["run"], row["state"], row["step"]) for row in listed] == [
            (run.id, "done", "100"), (other.id, "failed", "30"),
        ]  # fmt: skip
        assert (listed[1]["loss"], listed[1]["note"]) == ("-0.5", "'=1+1")
        await pilot.press("space", "space", "c")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen.board.is_read)
        compared = rows_of(await export(app, pilot, "compared.csv"))
        assert (len(compared), compared[50][run.id], compared[50][other.id]) == (100, repr(10 / 51), "")
        await pilot.press("escape")
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, RunsScreen))
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, GalleryScreen) and app.screen.gallery.lines.store.caught_up)
        page = await export(app, pilot, "metrics.html")
        assert "<svg" in page.read_text(encoding="utf-8")


async def test_the_clipboard_gets_the_path_or_what_the_crosshair_reads(run: RunDir) -> None:
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, caught_up(app, 100))
        await pilot.press("Y")
        assert app.clipboard == str(run.path.resolve())
        await pilot.press("full_stop", "Y")
        assert app.clipboard.startswith("step 50: loss 0.2, grad_norm 1.5, lr 0.005")
        assert "copied: step 50" in shown(app, "status")
        await pilot.press("escape", "g")
        await until(pilot, lambda: isinstance(app.screen, GalleryScreen) and app.screen.gallery.lines.store.caught_up)
        await pilot.press("full_stop", "Y")
        await until(pilot, lambda: "tokens_per_s 4000" in app.clipboard)


async def test_the_name_of_a_run_in_data_steers_no_terminal_and_begins_no_formula(tmp_path: Path) -> None:
    run = make_run(tmp_path, "=1\x9b31m")
    run.config_toml.write_text("[train]\nlr = 1e-3\n", encoding="utf-8")
    app = TrainwatchApp(run)
    async with app.run_test(size=(120, 32)) as pilot:
        await until(pilot, lambda: app.run_screen.store.caught_up)
        await pilot.press("7")
        await until(pilot, lambda: isinstance(app.screen, ConfigScreen))
        assert isinstance(app.screen, ConfigScreen)
        first, *_ = app.screen.data().lines()
        assert first.startswith("key,'=1")
        assert "\x9b" not in first
