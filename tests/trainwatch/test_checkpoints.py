"""The table of checkpoints: what the directory and the records say, and how it is painted."""

from pathlib import Path

import pytest

from rundir import checkpoint_dir
from rundir.layout import RunDir
from tests.trainwatch.checkpoints import damage, put_checkpoint
from tests.trainwatch.runs import append, evaluation, make_run
from trainwatch.checkpoints.row import Check, CheckpointRow, Health, metric_names, rows_of
from trainwatch.checkpoints.shelf import look
from trainwatch.feed import Feed, read_opened
from trainwatch.paint import row_width, text_of
from trainwatch.panes.checkpoints import paint_checkpoint, paint_checkpoints
from trainwatch.panes.page import arrange_page, window
from trainwatch.store import Store

NOW = 1_760_100_000.0


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = make_run(tmp_path)
    run.config_toml.write_text("[checkpoint]\nkeep_last = 2\n", encoding="utf-8")
    saved = [
        put_checkpoint(run, step, best_step=best, reason=reason)
        for step, best, reason in ((100, 100, "order"), (200, 200, "best"), (300, 300, "best"), (400, 200, "schedule"),
                                   (500, 300, "schedule"))
    ]  # fmt: skip
    put_checkpoint(run, 450, put_aside=1)
    (run.checkpoints / "best").symlink_to("step-00000300")
    append(run.metrics, [evaluation(500, 0.5, 0.25)])
    append(run.events, saved)
    return run


def store_of(run: RunDir) -> Store:
    store, feed = Store(run, read_opened(run)), Feed(run)
    while not store.caught_up:
        store.apply(feed.poll())
    return store


def rows(run: RunDir, **checks: Check) -> tuple[CheckpointRow, ...]:
    store = store_of(run)
    named = {event.path: event.step or 0 for event in store.checkpoints}
    shelf = look(run, named)
    by_stamp = {found.stamp: checks[f"at_{found.step}"] for found in shelf.found if f"at_{found.step}" in checks}
    return rows_of(store, shelf, by_stamp)


def test_why_each_is_kept(run: RunDir) -> None:
    checkpoint_dir.mark(run, 100, kept=True, at=1.0, by="ann")
    assert [(row.step, row.kept_for) for row in rows(run)] == [
        (500, ("last 2",)), (400, ("last 2",)), (300, ("best",)), (200, ("was best",)), (100, ("kept", "asked for")),
        (450, ()),
    ]  # fmt: skip
    assert [row.step for row in rows(run) if row.is_best] == [300]
    assert [row.step for row in rows(run) if not row.is_current] == [450]


def test_a_damaged_one_is_not_among_the_last(run: RunDir) -> None:
    (run.checkpoint(500) / "model.safetensors").unlink()
    newest, before, *_ = rows(run)
    assert newest.check == Check(Health.DAMAGED, fault="model.safetensors is missing")
    assert newest.kept_for == ()
    assert before.kept_for == ("last 2",)


def test_bytes_are_not_looked_at_until_asked(run: RunDir) -> None:
    damage(run, 500)
    assert rows(run)[0].check.health is Health.UNKNOWN


def test_where_the_files_say_nothing_the_records_do(run: RunDir) -> None:
    for name in ("state.json", "metrics.json", "manifest.json"):
        (run.checkpoint(500) / name).write_text("[]", encoding="utf-8")
    newest = rows(run)[0]
    assert (newest.size_bytes, newest.at) == (5000, 1_760_000_500.0)
    assert newest.metrics["f1"] == 0.25
    assert "manifest unreadable" in newest.check.fault


def test_what_a_script_has_written_anywhere(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run.path / "model.pt").write_bytes(b"x")
    (found,) = look(run, {"model.pt": 7, "gone.pt": 8, "bad\0name": 9}).found
    assert (found.step, found.path) == (7, "model.pt")


def test_the_picture(run: RunDir) -> None:
    all_rows = rows(run, at_400=Check(Health.WHOLE), at_300=Check(Health.CHECKING, 0.5))
    text = text_of(paint_checkpoints(all_rows, 2, 0, 90, 10, NOW, ["f1", "loss"]))
    assert "❯         300" in text
    assert "checking 50%" in text
    assert "aside, attempt 1" in text
    assert "2.00" in text


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (9, 40), (40, 8), (80, 3), (160, 40)])
def test_any_size_is_filled_exactly(run: RunDir, size: tuple[int, int]) -> None:
    width, height = size
    all_rows = rows(run)
    for painted in (
        paint_checkpoints(all_rows, 0, 0, width, height, NOW, ["f1", "loss", "weird"]),
        paint_checkpoints((), 0, 0, width, height, NOW),
        paint_checkpoint(all_rows[0], "/somewhere", width, height),
        paint_checkpoint(None, "", width, height),
    ):
        assert [row_width(row) for row in painted] == [width] * height


def test_the_metric_that_chooses_the_best_comes_first(run: RunDir) -> None:
    assert metric_names(rows(run), {}) == ["loss", "f1", "weird"]
    assert metric_names(rows(run), {"eval": {"metric": "eval_f1"}}) == ["f1", "loss", "weird"]
    assert metric_names(rows(run), {"eval": 7}) == ["loss", "f1", "weird"]
    narrow = text_of(paint_checkpoints(rows(run), 0, 0, 80, 10, NOW, ["f1", "loss"]))
    assert "f1" in narrow
    assert "loss" not in narrow


def test_more_of_one(run: RunDir) -> None:
    row = rows(run, at_300=Check(Health.DAMAGED, fault="model.safetensors does not match its checksum"))[2]
    text = text_of(paint_checkpoint(row, "/runs/x/checkpoints/step-00000300", 100, 7))
    for words in ("best", "does not match its checksum", "saved for: best", "weird nan", "/runs/x/checkpoints"):
        assert words in text


@pytest.mark.parametrize(
    ("chosen", "top", "num_lines", "room", "expected"),
    [(0, 0, 0, 5, 0), (7, 0, 10, 5, 3), (2, 4, 10, 5, 2), (5, 4, 10, 5, 4), (9, 9, 10, 5, 5), (0, 0, 3, 0, 0)],
)
def test_the_chosen_line_is_on_screen(chosen: int, top: int, num_lines: int, room: int, expected: int) -> None:
    assert window(chosen, top, num_lines, room) == expected


@pytest.mark.parametrize("size", [(160, 48), (80, 24), (40, 10), (1, 1), (200, 3)])
def test_a_page_covers_the_screen(size: tuple[int, int]) -> None:
    width, height = size
    places = arrange_page(width, height, has_detail=True)
    assert sum(place.height for place in places.values()) == height
    assert {place.width for place in places.values()} == {width}
