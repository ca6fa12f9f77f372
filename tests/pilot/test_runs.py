"""The table of runs on real run directories: keys and pointer in; screen, files and pages out."""

import gc
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.events import Key
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widgets import Input

from rundir.layout import RunDir
from rundir.records import encode
from rundir.remarks import Remarks, read_remarks, write_remarks
from rundir.status import RunInfo, State
from tests.pilot.test_dashboard import until
from tests.trainwatch.runs import append, evaluation, make_run, set_status, steps
from trainwatch import app as app_module
from trainwatch import theme
from trainwatch.app import TrainwatchApp
from trainwatch.screens.ask import Confirm, Help, Prompt
from trainwatch.screens.gallery import GalleryScreen
from trainwatch.screens.run import RunScreen
from trainwatch.screens.runs import RunsScreen
from trainwatch.widgets.pane import Pane


def make(
    parent: Path, name: str, state: State = State.DONE, *, lr: float = 1e-4, f1: float = 0.5, count: int = 20
) -> RunDir:
    run = make_run(parent, name)
    info = RunInfo(id=name, name=name.partition("-")[2], task="token-classification", created_at=time.time() - 7200)
    run.run_json.write_bytes(encode(info))
    run.config_toml.write_text(f"[train]\nlr = {lr}\n", encoding="utf-8")
    append(run.metrics, [*steps(count), evaluation(count, 0.5, f1, best=True)])
    set_status(run, state, step=count, total=40)
    return run


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    make(tmp_path, "1-old", f1=0.3)
    make(tmp_path, "2-wide", lr=3e-3, f1=0.7, count=30)
    make(tmp_path, "3-live", State.RUNNING, f1=0.6, count=10)
    return tmp_path


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the time between two looks: the tests wait for them."""
    for name in ("trainwatch.listing.scan.LIVE_S", "trainwatch.screens.runs.LIVE_S"):
        monkeypatch.setattr(name, 0.1)
    monkeypatch.setattr("trainwatch.screens.compare.POLL_S", 0.1)
    monkeypatch.setattr("trainwatch.screens.gallery.POLL_S", 0.1)


def stamps(directory: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.stat().st_mtime_ns) for path in directory.rglob("*"))


def table_of(app: TrainwatchApp) -> RunsScreen:
    assert isinstance(app.root, RunsScreen)
    return app.root


def shown(app: TrainwatchApp, name: str) -> str:
    pane = app.root.query_one(f"#{name}", Pane)
    return "\n".join(pane.render_line(y).text for y in range(pane.size.height))


def order(app: TrainwatchApp) -> list[str]:
    return [entry.id for entry in table_of(app).roster.shown]


def listed(app: TrainwatchApp, count: int = 3) -> Callable[[], bool]:
    return lambda: f" {count} run" in shown(app, "status") and "closer" not in shown(app, "status")


@pytest.mark.parametrize("size", [(160, 48), (100, 30), (80, 24), (40, 10)])
async def test_lists_the_runs_at_every_size(runs_dir: Path, size: tuple[int, int]) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=size) as pilot:
        await until(pilot, listed(app))
        assert order(app) == ["3-live", "2-wide", "1-old"]
        assert "3-live" in shown(app, "table")
        assert "running" in shown(app, "table")
        if size[0] >= 80:
            assert {"━━━━──", "30/40", "0.3333", "alerts"} <= set(shown(app, "table").split())
            assert "1 live" in shown(app, "header")
        if size[0] >= 100:
            assert "f1 0.7000" in shown(app, "table")


async def test_enter_opens_a_run_and_escape_comes_back(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, listed(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.run_screen.store.last_step == 30)
        assert app.run_screen.store.run.id == "2-wide"
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.root)
        assert table_of(app).roster.selected == "2-wide"
        await pilot.press("escape")
        assert app.screen is app.root


async def test_a_page_that_was_left_goes_without_waiting_for_the_collector(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "GIVE_BACK_S", 0.05)
    thresholds = gc.get_threshold()
    gc.set_threshold(0)
    try:
        app = TrainwatchApp(runs_dir)
        async with app.run_test() as pilot:
            await until(pilot, listed(app))
            left: list[weakref.ref[object]] = []
            for _ in range(2):  # Textual holds on to the last one
                await pilot.press("enter")
                await until(pilot, lambda: isinstance(app.screen, RunScreen))
                left += [weakref.ref(app.screen), weakref.ref(app.screen.query_one("#loss")._styles_cache)]
                await pilot.press("escape")
                await until(pilot, lambda: app.screen is app.root)
            await until(pilot, lambda: (left[0](), left[1]()) == (None, None))
    finally:
        gc.set_threshold(*thresholds)


async def test_escape_in_a_run_that_was_opened_alone_goes_to_the_table_beside_it(runs_dir: Path) -> None:
    app = TrainwatchApp(RunDir(runs_dir / "1-old"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.run_screen.store.caught_up)
        assert "esc back" in shown(app, "keys")
        await pilot.press("plus", "escape")  # first what was looked at
        assert isinstance(app.screen, RunScreen)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and listed(app)())
        assert table_of(app).roster.selected == "1-old"
        await pilot.press("up", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.run_screen.store.last_step == 30)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.root)
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)


async def test_keys_and_titles_sort(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, listed(app))
        await pilot.press("r")
        assert order(app) == ["1-old", "2-wide", "3-live"]
        while table_of(app).roster.sort.name != "best":
            await pilot.press("right")
        assert order(app) == ["2-wide", "3-live", "1-old"]
        await pilot.press("left")
        assert table_of(app).roster.sort.name == "curve"
        await pilot.resize_terminal(100, 48)
        await pilot.press("right", "right", "right", "right")
        assert "by host ▲" in shown(app, "header")
        at = shown(app, "table").split("\n")[0].index("progress")
        await pilot.click("#table", offset=(at, 0))
        assert order(app) == ["2-wide", "1-old", "3-live"]
        await pilot.click("#table", offset=(at, 0))
        assert order(app) == ["3-live", "1-old", "2-wide"]


async def test_the_pointer_chooses_opens_and_is_named(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, listed(app))
        await pilot.click("#table", offset=(20, 3))
        assert table_of(app).roster.selected == "1-old"
        assert "1-old" in shown(app, "detail")
        await pilot.hover("#table", offset=(20, 2))
        await until(pilot, lambda: "2-wide · done" in shown(app, "status"))
        at = shown(app, "table").split("\n")[0].index("ETA")
        await pilot.hover("#table", offset=(at, 0))
        await until(pilot, lambda: "ETA: time left" in shown(app, "status"))
        await pilot.click("#table", offset=(1, 2))
        assert "● done" in shown(app, "table")
        assert "1 marked" in shown(app, "header")
        await pilot.hover("#table", offset=(2, 2))
        await until(pilot, lambda: "marks the run" in shown(app, "status"))
        await pilot.click("#table", offset=(1, 2))
        await until(pilot, lambda: "marked" not in shown(app, "header"))
        await pilot.click("#table", offset=(20, 2), times=2)
        await until(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_the_filter_follows_what_is_typed(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, listed(app))
        await pilot.press("slash", *"cfg.lr>1e-3")
        await until(pilot, lambda: order(app) == ["2-wide"])
        await pilot.press("enter")
        await until(pilot, lambda: not app.screen.query(Input))
        assert "1 of 3 runs" in shown(app, "status")
        assert "filter cfg.lr>1e-3" in shown(app, "header")
        await pilot.press("slash")
        app.screen.query_one(Input).value = "loss>x"
        await until(pilot, lambda: table_of(app).notice == "loss: 'x' is no number; write it like 0.8 or 1e-4")
        assert order(app) == ["2-wide"]
        await pilot.press("escape")
        await until(pilot, lambda: not app.screen.query(Input))
        assert order(app) == ["2-wide"]
        await pilot.press("escape")
        await until(pilot, lambda: len(order(app)) == 3)


async def test_what_is_typed_faster_than_the_line_opens_is_not_taken_for_orders(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, listed(app))
        for character in "/-tag:dare":
            app.post_message(Key("slash" if character == "/" else character, character))
        await until(pilot, lambda: table_of(app).roster.query.text == "-tag:dare")
        assert table_of(app).roster.descending
        assert app.screen is app.root


async def test_a_filter_keeps_the_run_that_was_chosen(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, listed(app))
        await pilot.press("down", "down")
        for typed, closing in (("name:nothing", ["escape", "escape"]), ("task:tok", ["escape", "escape"])):
            await pilot.press("slash", *typed, *closing)  # on the way to the whole word none passes, or another one
            await until(pilot, lambda: len(order(app)) == 3)
            assert table_of(app).roster.selected == "1-old"
        await pilot.press("slash", *"live", "enter", "escape")
        await until(pilot, lambda: len(order(app)) == 3)
        assert table_of(app).roster.selected == "3-live"  # it was under the cursor


async def test_a_filter_tells_of_archived_runs_that_it_leaves_out(runs_dir: Path) -> None:
    write_remarks(RunDir(runs_dir / "2-wide").remarks_json, Remarks(tags=["keep"], archived=True))
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "2 of 3 runs" in shown(app, "status"))
        assert "1 archived: A" in shown(app, "header")
        await pilot.press("slash", *"tag:keep", "enter")
        await until(pilot, lambda: order(app) == [])
        assert "esc clears it; 1 archived would: A shows it" in shown(app, "table")
        assert "1 archived would: A shows it" in shown(app, "status")
        await pilot.press("A")
        await until(pilot, lambda: order(app) == ["2-wide"])
        assert "archived would" not in shown(app, "status")


async def answer(pilot: Pilot[None], key: str, text: str) -> None:
    """Open a question and answer it."""
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, Prompt))
    pilot.app.screen.query_one(Input).value = text
    await pilot.press("enter")


async def test_tags_notes_and_archive_are_kept_in_the_run(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(200, 48)) as pilot:
        await until(pilot, listed(app))
        await answer(pilot, "t", "good fast")
        await until(pilot, lambda: "good fast" in shown(app, "table"))
        await answer(pilot, "n", "look at this")
        await until(pilot, lambda: "✎ look at this" in shown(app, "detail"))
        path = runs_dir / "3-live" / "remarks.json"
        assert read_remarks(path) == Remarks(tags=["good", "fast"], note="look at this")
        await pilot.press("a")
        await until(pilot, lambda: order(app) == ["2-wide", "1-old"])
        assert "1 archived" in shown(app, "header")
        await pilot.press("A")
        await until(pilot, lambda: order(app) == ["3-live"])
        await pilot.press("a")
        await until(pilot, lambda: not read_remarks(path).archived and order(app) == [])
        await pilot.press("A")
        await until(pilot, lambda: len(order(app)) == 3)


async def test_what_another_viewer_wrote_is_kept(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    path = runs_dir / "3-live" / "remarks.json"
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, listed(app))
        await pilot.press("t", *"mine")
        write_remarks(path, Remarks(note="theirs"))
        await pilot.press("enter")
        await until(pilot, lambda: read_remarks(path) == Remarks(tags=["mine"], note="theirs"))
        path.write_bytes(b"{")
        await pilot.press("t", "enter")
        await until(pilot, lambda: "left as it is" in shown(app, "status"))
        assert path.read_bytes() == b"{"


async def test_delete_is_asked_twice_and_never_of_a_live_run(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, listed(app))
        await pilot.press("D")
        assert "while the run lives" in shown(app, "status")
        await pilot.press("down", "D")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("escape")
        await until(pilot, lambda: "not deleted" in shown(app, "status"))
        await pilot.press("D", "y")
        await until(pilot, lambda: isinstance(app.screen, Prompt))
        await pilot.press(*"wrong", "enter")
        assert isinstance(app.screen, Prompt)
        assert (runs_dir / "2-wide").exists()
        app.screen.query_one(Input).value = "wide"  # its name, which others may have
        await pilot.press("enter")
        assert isinstance(app.screen, Prompt)
        app.screen.query_one(Input).value = "2-wide"
        await pilot.press("enter")
        await until(pilot, lambda: not (runs_dir / "2-wide").exists() and order(app) == ["3-live", "1-old"])
        assert "2-wide was deleted" in shown(app, "status")


async def test_names_and_remarks_cannot_steer_the_terminal(runs_dir: Path) -> None:
    name = "9-\x1b[2J[red]"
    run = make(runs_dir, name)
    write_remarks(run.remarks_json, Remarks(tags=["\x1b[5m"], note="\x07[blink]\x9b31m"))
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, listed(app, 4))
        text = "".join(shown(app, pane.id or "") for pane in app.root.query(Pane))
        assert "9-␛[2J[red]" in text
        assert all(character.isprintable() or character == "\n" for character in text)
        for key in ("D", "n", "t"):
            await pilot.press(key)
            await until(pilot, lambda: app.screen is not app.root and bool(app.screen.query("Static")))
            await pilot.pause()
            pieces = [segment.text for strip in screen_strips(app) for segment in strip]
            assert all(piece.isprintable() for piece in pieces), key
            await pilot.press("escape")
            await until(pilot, lambda: app.screen is app.root)


def screen_strips(app: TrainwatchApp) -> list[Strip]:
    return [widget.render_line(y) for widget in app.screen.query("Static, Input") for y in range(widget.size.height)]


async def test_a_covered_screen_is_not_painted(runs_dir: Path) -> None:
    run = RunDir(runs_dir / "3-live")
    app = TrainwatchApp(run)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, lambda: app.run_screen.store.caught_up)
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, GalleryScreen))
        painted_at = app.run_screen.painted_at
        append(run.metrics, steps(5, first=11))
        await until(pilot, lambda: app.run_screen.store.last_step == 15)
        await pilot.pause()
        assert app.run_screen.painted_at == painted_at
        await pilot.press("escape")
        await until(pilot, lambda: "15 steps" in shown(app, "status"))


async def test_a_run_that_came_to_life_meanwhile_is_not_deleted(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, listed(app))
        await pilot.press("down", "D", "y")
        await until(pilot, lambda: isinstance(app.screen, Prompt))
        set_status(RunDir(runs_dir / "2-wide"), State.RUNNING, step=31, total=40)
        await pilot.press(*"2-wide", "enter")
        await until(pilot, lambda: "was not deleted: it lives" in shown(app, "status"))
        assert (runs_dir / "2-wide" / "metrics.jsonl").exists()


async def test_read_only_never_writes(runs_dir: Path) -> None:
    before = stamps(runs_dir)
    app = TrainwatchApp(runs_dir, read_only=True)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, listed(app))
        await pilot.press("down", "t", "n", "a", "D", "y")
        assert app.screen is app.root
        assert "read-only" in shown(app, "status")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.run_screen.store.caught_up)
        assert app.run_screen.view.read_only
    assert stamps(runs_dir) == before


async def test_runs_come_change_and_go_by_themselves(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, listed(app))
        make(runs_dir, "4-new")
        append(RunDir(runs_dir / "3-live").metrics, steps(5, first=11))
        await until(pilot, lambda: order(app)[0] == "4-new" and table_of(app).roster.entries["3-live"].step == 15)
        (runs_dir / "1-old").rename(runs_dir.parent / "elsewhere")
        await until(pilot, lambda: "1-old" not in order(app))


async def test_marks_keep_their_colour_on_the_run_s_page(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, listed(app))
        await pilot.press("c")
        assert "mark runs first" in shown(app, "status")
        await pilot.press("down", "space")
        assert table_of(app).roster.selected == "1-old"
        assert "1 marked" in shown(app, "header")
        await pilot.press("up", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        assert app.run_screen.view.colour == app.root.roster.marks.style("2-wide") == "run0"  # type: ignore[attr-defined]


async def test_themes_go_round_and_repaint(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir, palette="light")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, listed(app))
        pane = app.root.query_one("#table", Pane)

        def backgrounds() -> set[str]:
            styles = [segment.style for segment in pane.render_line(1)]
            return {style.bgcolor.name for style in styles if style is not None and style.bgcolor is not None}

        seen = []
        for _ in theme.PALETTES:
            seen.append(theme.current().name)
            assert backgrounds() == {theme.current().background}
            await pilot.press("T")
            assert f"theme: {theme.current().name}" in shown(app, "status")
        assert seen == ["light", "dark-safe", "light-safe", "dark"]


async def test_help_and_palette_come_from_the_table(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(120, 48)) as pilot:
        await until(pilot, listed(app))
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, Help))
        await pilot.press("escape")
        commands = {c.title: c.help for c in app.get_system_commands(app.screen)}
        assert commands["delete"].startswith("not now: delete is not possible while")
        assert "tag:x" in commands["filter"]
        await pilot.press("ctrl+c")
        assert "press q to quit" in shown(app, "status")


async def test_survives_any_size(runs_dir: Path) -> None:
    app = TrainwatchApp(runs_dir)
    async with app.run_test(size=(160, 48)) as pilot:
        await until(pilot, listed(app))
        for size in [(1, 1), (5, 2), (20, 5), (9, 40), (40, 10)]:
            await pilot.resize_terminal(*size)
            await pilot.press("down")
            for pane in app.root.query(Pane):
                if pane.display:
                    assert all(pane.render_line(y).cell_length == pane.size.width for y in range(pane.size.height))
