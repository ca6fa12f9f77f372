"""Hostile run directories on every screen: nothing raises, and nothing of them steers the terminal."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.segment import Segment
from textual.pilot import Pilot
from textual.widget import Widget

from rundir.layout import RunDir
from rundir.records import AlertEvent
from rundir.text import plain
from tests.fuzz.hostile import hostile_run, num_runs
from tests.pilot.test_runs import looks_often
from trainwatch.app import TrainwatchApp
from trainwatch.listing.entry import Entry
from trainwatch.screens.compare import CompareScreen
from trainwatch.screens.events import EventsScreen
from trainwatch.screens.evidence import EvidenceScreen
from trainwatch.screens.gallery import GalleryScreen
from trainwatch.screens.run import RunScreen
from trainwatch.screens.runs import RunsScreen
from trainwatch.screens.system import SystemScreen
from trainwatch.widgets.pane import Pane

__all__ = ["looks_often"]
WIDE, SMALL = (150, 40), (40, 10)
RUNS = 12
"""`make fuzz` tries 200."""


async def until(pilot: Pilot[None], condition: Callable[[], bool], deadline_s: float = 20.0) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        await pilot.pause(0.005)


def segments(widget: Widget) -> Iterator[Segment]:
    """What of a widget goes to the terminal."""
    for y in range(widget.size.height):
        strip = widget.render_line(y)
        assert strip.cell_length == widget.size.width, (widget, y)
        yield from strip


def check(app: TrainwatchApp, seed: object) -> None:
    """Every line of the screen: no control character, and none that turns the direction of writing."""
    for widget in app.screen.walk_children(Widget):
        if not widget.display or not isinstance(widget, Pane):
            continue
        for segment in segments(widget):
            assert segment.control is None
            assert plain(segment.text) == segment.text, (seed, widget.id, segment.text)
            assert segment.text.isprintable(), (seed, widget.id, segment.text)
            assert segment.style is None or segment.style.link is None


async def opened(app: TrainwatchApp, pilot: Pilot[None], run: RunDir) -> None:
    """The page of a run, once all of it was read, or it was said why it cannot be."""
    app.open_run(run, run.id)
    await until(pilot, lambda: isinstance(app.screen, RunScreen))
    page = app.run_screen
    await until(pilot, lambda: page.store.caught_up or "cannot read" in page.view.notice)


async def look_at_run(app: TrainwatchApp, pilot: Pilot[None], run: RunDir, *, resizes: bool) -> None:
    await opened(app, pilot, run)
    check(app, run.id)
    for key in ("2", "3", "4", "z", "z", "full_stop", "1", "up", "p"):
        await pilot.press(key)
        check(app, run.id)
    for size in (SMALL, (80, 24), WIDE) if resizes else ():
        await pilot.resize_terminal(*size)
        check(app, run.id)
    for command in app.get_system_commands(app.screen):
        assert plain(command.help) == command.help


async def look_at_metrics(app: TrainwatchApp, pilot: Pilot[None], run: RunDir) -> None:
    app.open_gallery(run)
    await until(pilot, lambda: isinstance(app.screen, GalleryScreen))
    screen = app.screen
    assert isinstance(screen, GalleryScreen)
    await until(pilot, lambda: screen.gallery.lines.store.caught_up or "cannot read" in screen.notice)
    for key in ("x", "x", "x", "y", "o", "m", "pagedown"):
        await pilot.press(key)
        check(app, run.id)


async def look_at_pages(app: TrainwatchApp, pilot: Pilot[None], run: RunDir) -> None:
    """Events, the evidence of the alerts among the newest of them, and the machine."""
    await pilot.press("3", "enter")
    await until(pilot, lambda: isinstance(app.screen, EventsScreen))
    events = app.screen
    assert isinstance(events, EventsScreen)
    for _ in range(min(8, len(events.timeline.views))):
        check(app, run.id)
        view = events.timeline.view
        if view is not None and isinstance(view.event, AlertEvent):
            await look_at_evidence(app, pilot, run)
        await pilot.press("down")
    await app.pop_screen()
    await pilot.press("8")
    await until(pilot, lambda: isinstance(app.screen, SystemScreen))
    system = app.screen
    assert isinstance(system, SystemScreen)
    await until(pilot, lambda: system.store.caught_up or "cannot read" in app.run_screen.view.notice)
    for key in ("down", "pagedown", "tab", "plus"):
        await pilot.press(key)
        check(app, run.id)
    await app.pop_screen()


async def look_at_evidence(app: TrainwatchApp, pilot: Pilot[None], run: RunDir) -> None:
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, EvidenceScreen))
    page = app.screen
    assert isinstance(page, EvidenceScreen)
    await until(pilot, lambda: page.is_read or "cannot read" in app.run_screen.view.notice)
    for key in ("plus", "down", "0"):
        await pilot.press(key)
        check(app, run.id)
    await app.pop_screen()


async def look_at_several(app: TrainwatchApp, pilot: Pilot[None], entries: list[Entry]) -> None:
    app.open_comparison(entries)
    await until(pilot, lambda: isinstance(app.screen, CompareScreen))
    screen = app.screen
    assert isinstance(screen, CompareScreen)
    await until(pilot, lambda: screen.board.is_read or "cannot read" in screen.notice)
    for key in ("down", "x", "x", "tab", "down"):
        await pilot.press(key)
        check(app, [entry.id for entry in entries])
    for size in (SMALL, WIDE):
        await pilot.resize_terminal(*size)
        check(app, [entry.id for entry in entries])


@pytest.mark.slow
async def test_no_directory_breaks_a_screen_or_gets_through_to_the_terminal(tmp_path: Path) -> None:
    count = num_runs(RUNS)
    runs = [hostile_run(tmp_path, seed) for seed in range(count)]
    app = TrainwatchApp(tmp_path)
    async with app.run_test(size=WIDE) as pilot:
        table = app.root
        assert isinstance(table, RunsScreen)
        await until(pilot, lambda: table.roster.has_listed and not table.roster.num_shallow, 60.0)
        for _ in range(count):
            check(app, "the table")
            await pilot.press("down")
        for seed, run in enumerate(runs):
            await look_at_run(app, pilot, run, resizes=seed % 4 == 0)
            if seed % 3 == 0:
                await look_at_pages(app, pilot, run)
            await look_at_metrics(app, pilot, run)
            await app.pop_screen()
            await app.pop_screen()
        entries = list(table.roster.entries.values())
        for start in range(0, len(entries), 6):
            await look_at_several(app, pilot, entries[start : start + 6])
            await app.pop_screen()
    assert not app.return_code
