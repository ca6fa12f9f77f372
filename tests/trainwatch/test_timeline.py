"""The time line: newest first, filtered by words, a cursor that stays on its event; painted at any size."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rundir.layout import RunDir
from rundir.records import CheckpointEvent, EventRecord, LifecycleEvent, NoteEvent, ResumeEvent
from tests.protocol.records import event_records
from tests.trainwatch.alerts import alert, divergence
from tests.trainwatch.runs import START_AT, outcome
from trainwatch.feed import Batch, Opened
from trainwatch.findings import EventView
from trainwatch.paint import row_width, text_of
from trainwatch.panes.timeline import (
    arrange_timeline,
    detail_lines,
    paint_detail,
    paint_timeline,
    paint_timeline_header,
)
from trainwatch.store import Store
from trainwatch.timeline import Timeline

SIZES = [(160, 30), (80, 12), (40, 5), (12, 3), (3, 2)]


def told(*events: EventRecord) -> Store:
    store = Store(RunDir(Path("/nowhere/a-run")), Opened("a-run", None, None))
    store.apply(Batch(now=START_AT, events=events))
    return store


def saved(step: int) -> CheckpointEvent:
    return CheckpointEvent(
        at=START_AT + step, attempt=1, writer="trainer", step=step, path=f"checkpoints/step-{step:08d}", size_bytes=10
    )


EVENTS: tuple[EventRecord, ...] = (
    LifecycleEvent(at=START_AT, attempt=1, writer="supervisor", what="crashed", message="exit code 1 " * 30),
    saved(100),
    alert(120, rule="loss-spike"),
    NoteEvent(at=START_AT + 130, attempt=1, writer="supervisor", step=130, text="a look at it", by="ada"),
    outcome("7f3a", "set", step=140, args={"lr": 1e-4}, at=START_AT + 140, by="ada"),
    divergence(150, 130),
    saved(200),
)


def test_the_newest_stands_first_and_the_cursor_stays_on_its_event() -> None:
    store = told(*EVENTS)
    timeline = Timeline(store)
    assert [view.event for view in timeline.views] == list(reversed(EVENTS))
    timeline.move(1)
    assert timeline.view is not None
    assert timeline.view.event is EVENTS[-2]
    store.apply(Batch(now=START_AT, events=(saved(300),)))
    assert timeline.view.event is EVENTS[-2]
    assert timeline.index == 2
    timeline.move(-100)
    store.apply(Batch(now=START_AT, events=(saved(400),)))
    assert timeline.view.event.step == 400  # the first line follows what is new
    timeline.move(100)
    assert timeline.view.event is EVENTS[0]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("alert", [150, 120]),
        ("ALERT critical", [150]),
        ("alert -divergence", [120]),
        ("checkpoint", [200, 100]),
        ("order set", [140]),
        ("note look", [130]),
        ("lifecycle", [None]),
        ("-", [200, 150, 140, 130, 120, 100, None]),
        ("nothing-like-it", []),
    ],
)
def test_words_filter(text: str, steps: list[int | None]) -> None:
    timeline = Timeline(told(*EVENTS), text=text)
    found = [view.event.step for view in timeline.views]
    assert found == steps
    assert (timeline.view is None) == (not steps)


def test_the_list_is_no_shorter_than_the_pane_can_scroll() -> None:
    timeline = Timeline(told(*(saved(i) for i in range(1, 101))))
    timeline.move(100)
    text = text_of(paint_timeline(timeline, 60, 12))
    assert text.splitlines()[-2].startswith("│›")
    assert " 1 ◆ checkpoint" in text.splitlines()[-2]
    assert "100 of 100" in text
    timeline.choose(0)
    assert text_of(paint_timeline(timeline, 60, 12)).splitlines()[1].startswith("│›")


def test_what_a_resume_overtook_is_known_as_such() -> None:
    resume = ResumeEvent(at=START_AT + 300, attempt=2, writer="trainer", step=110, reason="restart")
    store = told(*EVENTS, resume)
    superseded = {view.event.step for view in Timeline(store).views if view.superseded}
    assert superseded == {120, 130, 140, 150, 200}


def test_the_chosen_event_is_said_in_full() -> None:
    crashed = text_of(detail_lines(EventView(EVENTS[0]), 60))
    assert crashed.count("exit code 1") == 30
    assert "by the supervisor" in crashed
    order = text_of(detail_lines(EventView(EVENTS[4], superseded=True), 60))
    assert '{"lr":0.0001}' in order
    assert "7f3a" in order
    assert "superseded" in order
    found = text_of(detail_lines(EventView(EVENTS[5]), 60))
    assert "onset  step 130" in found
    assert "likely  the learning rate is too high" in found


def test_a_filter_over_a_long_time_line_costs_its_words_once() -> None:
    timeline = Timeline(told(*(saved(i) for i in range(20_000))), text="checkpoint")
    assert len(timeline.views) == 20_000
    began = time.process_time()
    timeline.store.revision += 1
    assert len(timeline.views) == 20_000
    assert time.process_time() - began < 1.0
    assert len(timeline._words) == 20_000


@settings(max_examples=40, deadline=None)
@given(
    events=st.lists(event_records, max_size=6), size=st.sampled_from(SIZES), text=st.sampled_from(["", "a", "alert"])
)
def test_any_events_at_any_size(events: list[EventRecord], size: tuple[int, int], text: str) -> None:
    width, height = size
    timeline = Timeline(told(*events), text=text)
    for index in range(len(timeline.views) + 1):
        timeline.choose(index)
        for rows in (paint_timeline(timeline, width, height), paint_detail(timeline, width, height, scroll=2)):
            assert len(rows) == height
            assert {row_width(row) for row in rows} == {width}
            assert all(character.isprintable() for row in rows for text, _ in row for character in text)
    assert row_width(paint_timeline_header(timeline, width)[0]) == width


@pytest.mark.parametrize("size", [(160, 48), (80, 24), (40, 10), (20, 4), (1, 1), (0, 0)])
def test_panes_cover_the_screen(size: tuple[int, int]) -> None:
    places = arrange_timeline(*size)
    assert sum(place.width * place.height for place in places.values()) == size[0] * size[1]


def test_an_order_is_said_in_full_where_there_is_room() -> None:
    args = {"step": 797, "from_step": 821, "lr_before": 5e-4, "lr": 1.7e-4}
    timeline = Timeline(told(outcome("7f3a", "rollback", step=797, args=args, at=START_AT)))
    wide, narrow = (text_of(paint_timeline(timeline, width, 5)) for width in (160, 60))
    assert "…" not in wide
    assert wide.index("lr_before=") < wide.index(" applied")
    assert "rollback step=797" in narrow
    assert "…" in narrow
