"""Hostile run directories on every screen: nothing raises, and nothing of them steers the terminal."""

import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

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
from trainwatch.screens.checkpoints import CheckpointsScreen
from trainwatch.screens.compare import CompareScreen
from trainwatch.screens.config import ConfigScreen
from trainwatch.screens.console import ConsoleScreen
from trainwatch.screens.evaluations import EvaluationsScreen
from trainwatch.screens.events import EventsScreen
from trainwatch.screens.evidence import EvidenceScreen
from trainwatch.screens.export import Seen
from trainwatch.screens.gallery import GalleryScreen
from trainwatch.screens.panes import PaneScreen
from trainwatch.screens.run import RunScreen
from trainwatch.screens.runs import RunsScreen
from trainwatch.screens.system import SystemScreen
from trainwatch.widgets.pane import Pane

__all__ = ["looks_often"]
WIDE, SMALL = (150, 40), (40, 10)
PAGES: tuple[tuple[tuple[str, ...], type[PaneScreen], tuple[str, ...]], ...] = (
    (("3", "enter"), EventsScreen, ("home", "r")),
    (("8",), SystemScreen, ("down", "pagedown", "tab", "plus", "y")),
    (("6",), CheckpointsScreen, ("down", "end", "K", "D", "b", "V", "up")),
    (("7",), ConfigScreen, ("down", "enter", "minus", "plus", "a", "pagedown")),
    (("5", "enter"), ConsoleScreen, ("home", "w", "right", "pagedown", "c", "n", "end")),
    (("2", "enter"), EvaluationsScreen, ("down", "tab", "right", "tab", "pagedown", "b", "z")),
)
"""How each page of a run is opened, what it is, and what is pressed there."""
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


async def look_at_pages(app: TrainwatchApp, pilot: Pilot[None], run: RunDir, *, resizes: bool) -> None:
    """Every page of the run, with the keys that are its own."""
    for keys, kind, pressed in PAGES:
        if kind is CheckpointsScreen and app.run_screen.playhead is not None:
            continue
        await pilot.press(*keys)
        await until(pilot, lambda kind=kind: isinstance(app.screen, kind))  # type: ignore[misc]
        page = app.screen
        if isinstance(page, EventsScreen):
            await look_at_alerts(app, pilot, run, page)
        if isinstance(page, SystemScreen):
            await until(pilot, lambda: system_is_read(app, page))  # noqa: B023
        if isinstance(page, CheckpointsScreen):
            await until(pilot, lambda: page.shelf is not None)  # noqa: B023
        check(app, run.id)
        for key in pressed:
            await pilot.press(key)
            await close_questions(app, page, run)
        for size in (SMALL, (80, 24), WIDE) if resizes else ():
            await pilot.resize_terminal(*size)
            check(app, run.id)
        check_export(app, run.id)
        await app.pop_screen()
        assert isinstance(app.screen, RunScreen)


async def close_questions(app: TrainwatchApp, page: PaneScreen, run: RunDir) -> None:
    """Look at the page, and at what is asked above it, which is answered by nothing."""
    while app.screen is not page:
        check(app, run.id)
        await app.pop_screen()
    check(app, run.id)


def system_is_read(app: TrainwatchApp, page: PaneScreen) -> bool:
    front = app.run_screen
    assert isinstance(page, SystemScreen)
    is_there = page.store.caught_up and (front.as_of is None or page.store.now == front.as_of)
    return is_there or "cannot read" in front.view.notice


async def look_at_alerts(app: TrainwatchApp, pilot: Pilot[None], run: RunDir, events: EventsScreen) -> None:
    """The evidence of those among the newest events."""
    for _ in range(min(8, len(events.timeline.views))):
        check(app, run.id)
        view = events.timeline.view
        if view is not None and isinstance(view.event, AlertEvent):
            await look_at_evidence(app, pilot, run)
        await pilot.press("down")


async def look_at_evidence(app: TrainwatchApp, pilot: Pilot[None], run: RunDir) -> None:
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, EvidenceScreen))
    page = app.screen
    assert isinstance(page, EvidenceScreen)
    await until(pilot, lambda: page.is_read or "cannot read" in app.run_screen.view.notice)
    for key in ("plus", "down", "0", "1", "2"):
        await pilot.press(key)
        await close_questions(app, page, run)
    check_export(app, run.id)
    await app.pop_screen()


async def look_at_past(app: TrainwatchApp, pilot: Pilot[None], run: RunDir) -> None:
    """The run as it stood, and its pages there; then played to the end."""
    front = app.run_screen
    await pilot.press("left_curly_bracket")
    refused = ("nothing was recorded", "cannot read")
    await until(pilot, lambda: front.playhead is not None or any(words in front.view.notice for words in refused))
    if front.playhead is None:
        return
    for key in ("left_square_bracket", "left_curly_bracket", "left_curly_bracket", "g", "escape"):
        await pilot.press(key)
        check(app, run.id)
    await until(pilot, lambda: app.screen is front)
    if front.playhead is not None:
        await look_at_pages(app, pilot, run, resizes=False)
    for key in ("space", "greater_than_sign", "greater_than_sign", "right_square_bracket", "p", "end"):
        await pilot.press(key)
        check(app, run.id)
    front.leave_past()


def check_export(app: TrainwatchApp, seed: object) -> None:
    """What is seen as a picture and as data: a picture that can be read, and no control character in either."""
    screen = app.screen
    if not isinstance(screen, PaneScreen):
        return
    seen = Seen(screen.picture(), screen.size.width, screen.data(), f"trainwatch: {screen.subject}", screen.subject)
    for form in ("svg", "html", *(["csv"] if seen.data is not None else [])):
        parts = seen.parts(form)
        content = "".join(part if isinstance(part, str) else part.decode() for part in parts)
        odd = {c for c in content if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\r\t"}
        assert not odd, (seed, form, odd)
        if form == "svg":
            ET.fromstring(content)  # noqa: S314 - our own


async def look_at_several(app: TrainwatchApp, pilot: Pilot[None], entries: list[Entry]) -> None:
    app.open_comparison(entries)
    await until(pilot, lambda: isinstance(app.screen, CompareScreen))
    screen = app.screen
    assert isinstance(screen, CompareScreen)
    await until(pilot, lambda: screen.board.is_read or "cannot read" in screen.notice)
    for key in ("down", "x", "x", "tab", "down"):
        await pilot.press(key)
        check(app, [entry.id for entry in entries])
    check_export(app, [entry.id for entry in entries])
    for size in (SMALL, WIDE):
        await pilot.resize_terminal(*size)
        check(app, [entry.id for entry in entries])


@pytest.mark.slow
async def test_no_directory_breaks_a_screen_or_gets_through_to_the_terminal(tmp_path: Path) -> None:
    count = num_runs(RUNS)
    every = 3 if count > RUNS else 6  # which pages take long: of few runs fewer are looked at so
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
            check_export(app, run.id)
            if seed % every == 0:
                await look_at_pages(app, pilot, run, resizes=seed % (2 * every) == 0)
            if seed % every == 1:
                await look_at_past(app, pilot, run)
            await look_at_metrics(app, pilot, run)
            await app.pop_screen()
            await app.pop_screen()
        entries = list(table.roster.entries.values())
        for start in range(0, len(entries), 6):
            await look_at_several(app, pilot, entries[start : start + 6])
            await app.pop_screen()
    assert not app.return_code
