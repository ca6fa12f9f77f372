"""All metrics of a run: order, filter, pages, marks; and charts of any size."""

from pathlib import Path

import pytest

from rundir.records import AlertEvent, CheckpointEvent, NoteEvent, ResumeEvent, ResumeRecord, Severity
from rundir.series import STEP_FIELDS
from tests.trainwatch.runs import START_AT, append, evaluation, make_run, memory, outcome, steps
from trainwatch.feed import Feed, read_opened
from trainwatch.gallery import Gallery, arrange_gallery, grid_of, grouped, passes
from trainwatch.lens import Lens, XAxis
from trainwatch.metric import Lines
from trainwatch.paint import row_width, text_of
from trainwatch.panes.charts import event_marks
from trainwatch.panes.gallery import metric_chart, paint_gallery_chart, paint_gallery_header, paint_gallery_status
from trainwatch.store import Store


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    run = make_run(tmp_path)
    append(run.metrics, [*steps(60), evaluation(30, 0.5, 0.25), evaluation(60, "nan", 0.5)])
    append(run.metrics, [ResumeRecord(at=START_AT, attempt=2, step=50, reason="restart"), *steps(20, 51, 2)])
    append(run.system, memory(20))
    told: list[CheckpointEvent | NoteEvent | AlertEvent | ResumeEvent] = [
        CheckpointEvent(at=START_AT, attempt=1, writer="trainer", step=20, path="c", size_bytes=1),
        NoteEvent(at=START_AT, attempt=1, writer="supervisor", step=25, text="look"),
        AlertEvent(
            at=START_AT, attempt=1, writer="supervisor", step=40, onset_step=35, rule="r", change="raised",
            severity=Severity.CRITICAL, message="m",
        ),
        CheckpointEvent(at=START_AT, attempt=1, writer="trainer", step=55, path="c", size_bytes=1),
        ResumeEvent(at=START_AT, attempt=2, writer="trainer", step=50),
    ]  # fmt: skip
    append(run.events, [*told, outcome("a", "set", step=60), outcome("b", "set", "refused", step=61)])
    store = Store(run, read_opened(run))
    feed = Feed(run, STEP_FIELDS)
    while not store.caught_up:
        store.apply(feed.poll())
    return Gallery(Lines(store))


def test_metrics_stand_by_group() -> None:
    names = ["loss", "system/rss", "a/b", "eval/f1", "lr", "a/c", "epoch/loss", "eval/loss"]
    assert grouped(names) == ["loss", "lr", "eval/f1", "eval/loss", "epoch/loss", "a/b", "a/c", "system/rss"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("", "loss eval/f1 eval/loss"), ("LOSS", "loss eval/loss"), ("eval/", "eval/f1 eval/loss"),
     ("loss -eval", "loss"), ("train/", "loss"), ("-loss", "eval/f1"), ("x", ""), ("-", "loss eval/f1 eval/loss")],
)  # fmt: skip
def test_the_filter_looks_at_names(text: str, wanted: str) -> None:
    assert [name for name in ("loss", "eval/f1", "eval/loss") if passes(name, text)] == wanted.split()


def test_pages_follow_the_chosen_chart(gallery: Gallery) -> None:
    names = gallery.names
    assert gallery.page(4) == names[:4]
    gallery.move(5)
    assert gallery.chosen == names[5]
    assert gallery.page(4) == names[4:8]
    gallery.move(100)
    assert gallery.chosen == names[-1]
    gallery.text = "eval/f"
    assert gallery.page(4) == ["eval/f1"]
    gallery.text = "no such"
    assert gallery.page(4) == []


def test_escape_undoes_one_thing_after_another(gallery: Gallery) -> None:
    gallery.lens, gallery.alone, gallery.text = Lens(cursor=1.0), True, "loss"
    assert [gallery.back(), gallery.lens.cursor, gallery.alone] == [True, None, True]
    assert [gallery.back(), gallery.alone, gallery.text] == [True, False, "loss"]
    assert [gallery.back(), gallery.text, gallery.back()] == [True, "", False]


def test_marks_of_what_holds(gallery: Gallery) -> None:
    marks = event_marks(gallery.lines.store)
    assert [(mark.x, mark.character, mark.style) for mark in marks] == [
        (20, "◆", "dim"), (25, "✎", "value"), (35, "▲", "alert"), (60, "▸", "smooth"),
    ]  # fmt: skip
    chart = metric_chart("loss", gallery.lines, Lens(axis=XAxis.EPOCH), marks)
    assert [mark.x for mark in chart.marks] == pytest.approx([0.2, 0.25, 0.35, 0.6])


def test_a_chart_has_its_marks_seam_and_points(gallery: Gallery) -> None:
    gallery.text = "eval/f1"
    shown = text_of(paint_gallery_chart(gallery, 0, 1, 60, 10))
    assert "eval/f1 0.2500" in shown
    assert shown.count("●") == 1
    for mark in "◆✎▲▸┊":
        assert mark in shown
    gallery.shows_events = False
    assert "◆" not in text_of(paint_gallery_chart(gallery, 0, 1, 60, 10))
    assert "filter eval/f1" in text_of(paint_gallery_header(gallery, 1, 100))
    assert "1 metric of 70 steps" in text_of(paint_gallery_status(gallery, 80, "", ""))


@pytest.mark.parametrize("size", [(200, 60), (160, 48), (80, 24), (40, 10), (20, 5), (7, 3), (1, 1)])
@pytest.mark.parametrize("alone", [False, True])
def test_charts_fill_the_screen(gallery: Gallery, size: tuple[int, int], alone: bool) -> None:
    gallery.alone = alone
    places = arrange_gallery(*size, alone=alone)
    assert sum(p.width * p.height for p in places.values()) == size[0] * size[1]
    page = sum(name.startswith("chart-") for name in places)
    assert page <= 16
    for name, place in places.items():
        if name.startswith("chart-"):
            rows = paint_gallery_chart(gallery, int(name[6:]), page, place.width, place.height)
            assert [row_width(row) for row in rows] == [place.width] * place.height
    assert row_width(paint_gallery_header(gallery, page, size[0])[0]) == size[0]


def test_larger_screens_have_more_charts() -> None:
    assert grid_of(80, 21, alone=False) == (1, 1)
    assert grid_of(160, 45, alone=False) == (3, 4)
    assert grid_of(160, 45, alone=True) == (1, 1)
