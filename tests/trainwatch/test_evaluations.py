"""The page of evaluations: which is chosen, what of it is shown, and how it is painted."""

import math

import pytest

from rundir.records import EvalRecord, Sample
from tests.trainwatch.runs import evaluation
from trainwatch.evaluations.board import EvalBoard, Part, arrange_evaluations
from trainwatch.paint import Row, row_width, text_of
from trainwatch.panes.evaluations import label_lines, num_metrics, paint_evaluations, paint_part
from trainwatch.panes.heat import heat_lines, level_of, num_columns
from trainwatch.scores import Scores
from trainwatch.theme import HEAT_LEVELS, PALETTES, contrast
from trainwatch.widgets import pane


def labelled(step: int, f1: float, num_labels: int = 3, **fields: object) -> EvalRecord:
    labels = {
        f"label_{i}": {"precision": 0.5, "recall": 0.25, "f1": f1 + i / 100, "support": 10.0 * i}
        for i in range(num_labels)
    }
    confusion = [[100 if i == j else i for j in range(num_labels)] for i in range(num_labels)]
    return evaluation(step, 1.0 / step, f1, labels=labels, confusion=confusion, **fields)


@pytest.fixture
def board() -> EvalBoard:
    scores = Scores()
    scores.add(labelled(100, 0.5, best=True))
    scores.add(labelled(200, 0.75, best=True, samples=[Sample(prompt="[/]Once\x1b[2J", text="a time")]))
    scores.add(labelled(300, 0.625, trigger="order", epoch=1.5))
    return EvalBoard(scores)


def test_the_newest_is_chosen_until_another_is(board: EvalBoard) -> None:
    assert board.record is board.scores.latest
    board.scores.add(labelled(400, 0.5))
    assert board.record is board.scores.latest
    board.move(2)
    assert board.record is not None
    assert board.record.step == 200
    assert board.before is not None
    assert board.before.step == 100
    board.scores.add(labelled(500, 0.5))
    assert board.record.step == 200
    board.move(-99)
    board.scores.add(labelled(600, 0.5))
    assert board.index == 0
    board.move(99)
    assert board.record.step == 100
    assert board.before is None
    best = board.scores.best_record
    assert best is not None
    board.choose(best)
    assert board.record is best


def test_the_parts_of_the_chosen_one_go_round(board: EvalBoard) -> None:
    assert board.details == [Part.LABELS, Part.CONFUSION]
    assert board.shown_detail is Part.LABELS
    board.next_part(2)
    assert (board.part, board.shown_detail) == (Part.CONFUSION, Part.CONFUSION)
    board.next_part(1)
    assert (board.part, board.shown_detail) == (Part.TABLE, Part.CONFUSION)
    board.move(1)
    assert Part.SAMPLES in board.details
    board.next_part(-1)
    assert board.shown_detail is Part.SAMPLES
    board.move(-1)  # which has none
    assert board.shown_detail is Part.LABELS
    board.next_part(1)
    assert board.part is Part.TABLE


def test_the_picture(board: EvalBoard) -> None:
    lines = text_of(paint_evaluations(board, {"f1": 0.125}, 90, 7)).splitlines()
    assert lines[2].startswith("│❯        300    1.50 by order    0.003333▲-0.002      0.6250 -0.125")
    assert "best" in lines[3]
    assert "0.7500▲+0.250" in lines[3]
    assert "baseline" in lines[5]
    assert "0.1250" in lines[5]


def test_metrics_that_have_no_room_are_moved_to(board: EvalBoard) -> None:
    assert num_metrics(60) == 1
    assert "metrics 1 to 1 of 4" in text_of(paint_evaluations(board, {}, 60, 8))
    board.move_sideways(3, 3)
    assert "recall" in text_of(paint_evaluations(board, {}, 60, 8))
    board.move_sideways(9, 3)
    assert board.shift[Part.TABLE] == 3


def test_labels_with_most_examples_first_and_their_change(board: EvalBoard) -> None:
    head, lines = label_lines(labelled(300, 0.625), labelled(200, 0.75), 80)
    assert "f1 change" in text_of(head)
    assert text_of(lines[:1]).split() == ["label", "2", "0.500", "0.250", "0.645", "20", "-0.125"]
    assert "change" not in text_of(label_lines(labelled(300, 0.625), None, 80)[0])
    assert label_lines(evaluation(1, 1.0, 1.0), None, 80)[1] == []


def styles(rows: list[Row]) -> set[str]:
    return {style for row in rows for _, style in row}


def test_the_heat_map() -> None:
    head, lines = heat_lines(labelled(300, 0.625), 60)
    assert text_of([*head, *lines]) == (
        " true ↓          label 0   label 1   label 2\n"
        " label 0              100         ·         ·\n"
        " label 1                1       100         1\n"
        " label 2                2         2       100"
    )
    assert {"hit6", "miss1", "faint"} <= styles(lines)


@pytest.mark.parametrize(("num_labels", "width", "num_shown"), [(3, 60, 3), (20, 70, 20), (77, 190, 77), (77, 80, 9)])
def test_many_labels_are_colours_alone_or_moved_along(num_labels: int, width: int, num_shown: int) -> None:
    record = labelled(300, 0.5, num_labels)
    assert num_columns(record, width) == num_shown
    head, lines = heat_lines(record, width, shift=10**6)
    assert len(lines) == num_labels
    assert max(map(row_width, lines)) <= width
    assert ("for the others" in text_of(head)) == (num_shown < num_labels)
    if num_shown < num_labels:
        assert f"{num_labels - num_shown + 1} to {num_labels} of" in text_of(head)


@pytest.mark.parametrize(
    ("value", "total", "level"), [(0, 5, 0), (-1, 5, 0), (1, 0, 0), (1, 1000, 1), (5, 5, 6), (9, 5, 6)]
)
def test_levels(value: int, total: int, level: int) -> None:
    assert level_of(value, total) == level


def test_a_matrix_that_does_not_fit_its_labels_is_said() -> None:
    record = labelled(300, 0.5)
    record.confusion = [[1, 2], [3]]
    assert "do not fit" in text_of(heat_lines(record, 60)[0])


def test_every_palette_has_every_level_with_something_to_read_on_it() -> None:
    for palette in PALETTES.values():
        for level in range(1, HEAT_LEVELS + 1):
            for name in (f"hit{level}", f"miss{level}"):
                ink, _, ground = palette.styles[name].partition(" on ")
                assert contrast(ink, ground) >= 3.0, (palette.name, name, ink, ground)


def test_a_cell_with_a_ground_does_not_run_on_into_blanks() -> None:
    row: Row = [("a", ""), ("  ", "hit3"), ("   ", ""), (" ", "hit3"), ("b", "dim")]
    assert [text for text, _ in pane._merged(row)] == ["a", "  ", "   ", " ", "b"]
    assert pane._differences([(" ", "")], [(" ", "hit3")], 1) == [(0, 1)]


@pytest.mark.parametrize("size", [(1, 1), (4, 3), (9, 40), (160, 3), (80, 24)])
def test_any_size_is_filled_exactly(board: EvalBoard, size: tuple[int, int]) -> None:
    width, height = size
    odd = labelled(400, math.nan, 5, samples=[Sample(prompt="\x1b[2J", text="")])
    board.scores.add(odd)
    for part in Part:
        board.part = board.detail = part
        for painted in (
            paint_evaluations(board, {"f1": 0.1}, width, height),
            paint_part(board, width, height),
            paint_evaluations(EvalBoard(Scores()), {}, width, height),
            paint_part(EvalBoard(Scores()), width, height),
        ):
            assert [row_width(row) for row in painted] == [width] * height
            assert "\x1b" not in text_of(painted)


@pytest.mark.parametrize("size", [(160, 48), (80, 24), (40, 10), (5, 4), (1, 1)])
@pytest.mark.parametrize("alone", [False, True])
def test_a_page_covers_the_screen(board: EvalBoard, size: tuple[int, int], *, alone: bool) -> None:
    width, height = size
    board.alone = alone
    for part in Part:
        board.part = part
        assert sum(place.height for place in arrange_evaluations(board, width, height).values()) == height
