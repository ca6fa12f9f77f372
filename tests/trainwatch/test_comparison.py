"""Runs side by side: what differs, who is best, and pictures of any size."""

import math
import re
from pathlib import Path

import pytest

from rundir.records import OutcomeEvent, encode
from rundir.series import STEP_FIELDS
from rundir.status import RunInfo, State
from tests.trainwatch.runs import append, evaluation, make_run, set_status, steps
from trainwatch.comparison.board import LETTERS, Board, Compared
from trainwatch.comparison.difference import config_facts, differing, environment_facts
from trainwatch.feed import Feed, read_opened
from trainwatch.lens import Lens, XAxis
from trainwatch.listing.entry import Entry
from trainwatch.listing.roster import Marks
from trainwatch.metric import Lines
from trainwatch.paint import row_width, text_of
from trainwatch.panes.compare import (
    arrange_comparison,
    difference_lines,
    legend_lines,
    paint_comparison_chart,
    paint_comparison_header,
    paint_comparison_status,
    paint_differences,
    paint_metrics,
    room_in_differences,
    room_in_metrics,
)
from trainwatch.store import OrderView, Store


def compared(parent: Path, marks: Marks, number: int, f1: float, name: str = "") -> Compared:
    run = make_run(parent, name or f"{number}-run")
    info = RunInfo(
        id=run.id, name="run", task="ner", created_at=1.0, host="gpu1", git_commit=f"{number}" * 20, git_dirty=True,
        versions={"torch": f"2.{number}", "numpy": "2.1"}, seed=3,
    )  # fmt: skip
    run.run_json.write_bytes(encode(info))
    lr = 10.0**-number
    run.config_toml.write_text(f'[train]\nlr = {lr}\nepochs = 4\n[model]\ninit = "x"\n', encoding="utf-8")
    last = evaluation(10, 2.0, 0.1, metrics={"f1": 0.1, "precision": 0.5, "recall": 0.25, "label_top_share": 0.5})
    append(run.metrics, [*steps(10 * number), evaluation(5, 1.0 / number, f1), last])
    set_status(run, State.DONE, step=10 * number, total=50)
    store = Store(run, read_opened(run))
    feed = Feed(run, STEP_FIELDS)
    while not store.caught_up:
        store.apply(feed.poll())
    marks.toggle(run.id)
    return Compared(
        Entry(run, info=info, status=store.status), store, Lines(store), marks.style(run.id), LETTERS[number - 1]
    )


@pytest.fixture
def board(tmp_path: Path) -> Board:
    marks = Marks()
    return Board([compared(tmp_path, marks, number, f1) for number, f1 in ((1, 0.5), (2, 0.8), (3, 0.6))])


def test_only_what_differs_is_listed(board: Board) -> None:
    (_, config), (_, environment) = board.differences()
    assert config == [("train.lr", ["0.1", "0.01", "0.001"])]
    assert [key for key, _ in environment] == ["git", "torch"]
    assert environment[0][1][0] == "111111111111 + changes"
    assert differing([{"a": "1"}, {"a": "1"}]) == []
    assert differing([{"a": "1"}, {}]) == [("a", ["1", None])]
    assert config_facts({"a": {"b": True, "c": [1, 2]}, "d": 3e-5}) == {"a.b": "true", "a.c": "[1, 2]", "d": "3e-05"}
    assert environment_facts(Entry(board.runs[0].entry.run), ["H100"]) == {"gpu": "H100"}


def test_what_was_ordered_while_a_run_went_on_is_told(board: Board) -> None:
    """Else two runs whose configurations are alike differ for no reason."""
    set_lr = {"lr": 0.001}
    said = OutcomeEvent(
        at=1.0, attempt=1, writer="trainer", order="a", verb="set", result="applied", step=250, args=set_lr
    )
    no = OutcomeEvent(
        at=1.0, attempt=1, writer="trainer", order="b", verb="set", result="refused", step=260, args={"lr": 5.0}
    )
    orders = board.runs[0].store.orders
    orders["a"] = OrderView("a", "set", set_lr, 1.0, outcome=said)
    orders["b"] = OrderView("b", "set", {"lr": 5.0}, 1.0, outcome=no)
    assert dict(board.differences())["orders"] == [("set lr", ["0.001 @ 250", None, None])]


def test_last_best_and_winner_go_by_the_direction(board: Board) -> None:
    a = board.runs[0]
    assert (a.last("eval/f1"), a.best("eval/f1"), a.last("loss"), a.best("loss")) == (0.1, 0.5, 1.0, 1.0)
    assert math.isnan(a.best("lr"))
    assert math.isnan(a.best("eval/label_top_share"))
    assert (board.winner("eval/f1"), board.winner("eval/loss"), board.winner("lr")) == (1, 2, None)
    assert board.winner("eval/precision") is None  # all alike
    wide, narrow = (text_of(paint_metrics(board, width, 20)) for width in (100, 60))
    assert "best" in wide
    assert "best" not in narrow
    for shown in (wide, narrow):
        assert "▲" in shown
        assert all(f"{letter} " in shown.split("\n")[1] for letter in "abc")
    assert "a – a of 3 runs, > <" in text_of(paint_metrics(board, 40, 20))


def test_names_of_metrics_have_the_room_that_figures_leave(board: Board) -> None:
    shown = text_of(paint_metrics(board, 90, 20))
    assert "eval/label_top_share " in shown
    assert "eval/label_top_sha… " in text_of(paint_metrics(board, 80, 20))
    heading, first = shown.split("\n")[1:3]
    figure = re.search(r" [\d.]+ ", first)
    assert figure is not None
    assert heading.index("last") + 4 == figure.end() - 1  # it stands below its title


def test_each_run_is_drawn_in_its_colour_to_its_own_end(board: Board) -> None:
    board.metric = "eval/loss"
    rows = paint_comparison_chart(board, 80, 16)
    assert {"run0", "run1", "run2"} <= {style for row in rows for _, style in row}
    board.metric, board.lens = "loss", Lens(cursor=30.0)
    assert "loss @ 30" in text_of(paint_comparison_chart(board, 80, 16))
    header = text_of(paint_comparison_header(board, 120, 4))
    assert "3-run done 0.3333" in header
    board.metric = "nothing"
    assert "none of the runs has it" in text_of(paint_comparison_chart(board, 80, 16))


def test_metrics_are_gone_through_and_stay_on_screen(board: Board) -> None:
    names = board.metrics
    assert names[:3] == ["loss", "eval/loss", "eval/f1"]
    for name in names[1:]:
        board.choose(1)
        assert board.metric == name
        assert f"❯{name}"[:12] in text_of(paint_metrics(board, 100, 6))
    board.choose(1)
    assert board.metric == names[-1]
    board.choose(-1000)
    assert board.metric == names[0]


@pytest.mark.parametrize("size", [(200, 60), (110, 24), (80, 24), (40, 10), (20, 5), (7, 3), (1, 1)])
@pytest.mark.parametrize("axis", list(XAxis))
def test_every_pane_fills_its_place(board: Board, size: tuple[int, int], axis: XAxis) -> None:
    board.lens = Lens(axis=axis, cursor=3.0)
    for pane in ("metrics", "differences"):
        places = arrange_comparison(*size, pane, legend_lines(board, size[0]), alone=False)
        assert sum(p.width * p.height for p in places.values()) == size[0] * size[1]
        for width, height in {(p.width, p.height) for p in places.values()}:
            for rows in (
                paint_comparison_header(board, width, height), paint_comparison_chart(board, width, height),
                paint_metrics(board, width, height), paint_differences(board, width, height),
            ):  # fmt: skip
                assert [row_width(row) for row in rows] == [width] * height
            assert row_width(paint_comparison_status(board, width, "said", "pointed")[0]) == width


def test_text_of_a_configuration_cannot_steer_the_terminal(board: Board) -> None:
    board.runs[0].store.opened.config["train"]["note"] = "\x1b[2J"  # type: ignore[index]
    shown = text_of(difference_lines(board, 100))
    assert "␛[2J" in shown
    assert "\x1b" not in shown


@pytest.fixture
def twelve(tmp_path: Path) -> Board:
    """More runs than there are colours, and than a table has room for."""
    marks = Marks()
    runs = [compared(tmp_path, marks, number, 0.5, f"20261126-1015{number:02d}-a-name") for number in range(1, 13)]
    return Board(runs)


@pytest.mark.parametrize("size", [(160, 48), (80, 24), (200, 60)])
def test_each_of_many_runs_is_named_and_can_be_told_apart_on_the_chart(twelve: Board, size: tuple[int, int]) -> None:
    places = arrange_comparison(*size, "metrics", legend_lines(twelve, size[0]), alone=False)
    header = text_of(paint_comparison_header(twelve, places["header"].width, places["header"].height))
    rows = paint_comparison_chart(twelve, places["chart"].width, places["chart"].height)
    for run in twelve.runs:
        assert f"● {run.letter} " in header
        assert any(run.letter in text and style == run.style for row in rows for text, style in row)
    assert not any(style.endswith("-faint") for row in rows for _, style in row)


def test_names_take_no_more_lines_than_they_need(board: Board) -> None:
    assert [legend_lines(board, width) for width in (160, 80, 40, 20)] == [1, 1, 2, 3]
    board.lens = Lens(cursor=5.0)  # what they are at the crosshair moves no pane
    assert legend_lines(board, 80) == 1


def test_what_was_measured_lies_below_all_smoothed_curves(board: Board) -> None:
    styles = {style for row in paint_comparison_chart(board, 80, 16) for _, style in row}
    assert {"run0", "run1", "run2"} <= styles
    assert any(style.endswith("-faint") for style in styles)


@pytest.mark.parametrize("width", [80, 60])
def test_tables_without_room_for_all_runs_can_be_moved_along(twelve: Board, width: int) -> None:
    seen: set[str] = set()
    most, _ = room_in_metrics(width, 12)
    for twelve.first in range(13 - min(most, room_in_differences(width))):
        for shown in (text_of(paint_metrics(twelve, width, 20)), text_of(paint_differences(twelve, width, 20))):
            assert "of 12 runs, > <" in shown
        seen |= set(text_of(paint_metrics(twelve, width, 20)).split("\n")[1].split())
    assert set("abcdefghijkl") <= seen
    assert [run.letter for run in twelve.columns(5)] == list("hijkl")


def test_what_differs_from_the_first_run_stands_out(board: Board) -> None:
    board.runs[1].store.opened.config["train"]["lr"] = 0.1  # type: ignore[index]
    row = next(line for line in difference_lines(board, 100) if line[0][0].startswith(" train.lr"))
    assert [style for _, style in row[1:]] == ["value", "dim", "value"]
    board.runs[2].store.opened.config["train"]["data"] = "/a/long/path/to/the/third.csv"  # type: ignore[index]
    assert "third.csv" in text_of(difference_lines(board, 70))
