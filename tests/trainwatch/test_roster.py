"""The table's state: order, filter, what is chosen, colours of the marked."""

import math
from itertools import pairwise

import pytest

from rundir.records import Severity
from rundir.status import Liveness, State
from tests.trainwatch.entries import NOW, alert, entry, tagged
from trainwatch.listing.column import BY_NAME, COLUMNS, need_of, needs_of, placed
from trainwatch.listing.course import Course
from trainwatch.listing.entry import Entry
from trainwatch.listing.glance import Figures
from trainwatch.listing.query import parse
from trainwatch.listing.roster import NUM_COLOURS, Marks, Roster
from trainwatch.listing.scan import Batch
from trainwatch.paint import row_width, text_of
from trainwatch.panes.runs import paint_detail, paint_runs, paint_runs_header, paint_runs_status

A = entry("1-a", figures=Figures(step=10, loss=0.5, best={"f1": 0.7}, course=Course().extended([(5, 1.0), (10, 0.5)])))
B = entry(
    "2-b", State.RUNNING, figures=Figures(step=150, loss=math.nan, best={"f1": 0.9}), alerts=(alert("overfitting"),)
)
C = entry("3-c", State.RUNNING, Liveness.DEAD, figures=Figures(step=5, loss=0.1, best={"loss": 0.3}))
D = entry("4-d", None, info=None, figures=Figures())


def roster(*entries: Entry) -> Roster:
    made = Roster()
    made.apply(Batch(NOW, entries or (A, B, C, D)))
    return made


def order(made: Roster) -> str:
    """The last letters of what is shown."""
    return "".join(each.id[-1] for each in made.shown)


def test_the_newest_comes_first_and_is_chosen() -> None:
    made = roster()
    assert order(made) == "dcba"
    assert made.selected == "4-d"


@pytest.mark.parametrize(
    ("column", "first", "again"),
    [
        ("loss", "ca", "ac"),
        ("run", "abcd", "dcba"),
        ("progress", "bcad", "cabd"),
        ("state", "bcad", "dacb"),
        ("alerts", "bdca", "dcab"),
        ("best", "bac", "cab"),
        ("age", "cba", "cba"),
    ],
)
def test_a_column_sorts_either_way_and_what_has_no_value_comes_last(column: str, first: str, again: str) -> None:
    made = roster()
    for wanted in (first, again):
        made.sort_by(column)
        assert order(made)[: len(wanted)] == wanted


def test_the_chosen_run_stays_chosen_through_sorting_and_news() -> None:
    made = roster()
    made.move(2)
    assert made.selected == "2-b"
    made.sort_by("loss")
    assert made.selected == "2-b"
    made.apply(Batch(NOW, (entry("5-e"),)))
    assert made.selected == "2-b"
    made.apply(Batch(NOW, (), gone=("2-b",)))
    assert made.selected in {each.id for each in made.shown}


def test_nothing_shown_and_nothing_there() -> None:
    made = roster()
    made.ask(parse("no-such-run"))
    assert (made.chosen, made.selected, order(made)) == (None, "", "")
    made.move(1)
    assert not made.choose(0)
    assert "no run passes" in text_of(paint_runs(made, 80, 5))
    made.ask(parse(""))
    assert order(made) == "dcba"
    assert "no runs here yet" in text_of(paint_runs(roster_of_none(), 80, 5))


def roster_of_none() -> Roster:
    made = Roster()
    made.apply(Batch(NOW))
    return made


def test_a_run_keeps_its_colour_and_the_first_eight_differ() -> None:
    marks = Marks()
    for i in range(NUM_COLOURS):
        marks.toggle(f"run-{i}")
    assert len({marks.style(f"run-{i}") for i in range(NUM_COLOURS)}) == NUM_COLOURS
    before = marks.style("run-3")
    marks.toggle("run-3")
    marks.toggle("other")
    marks.toggle("run-3")
    assert marks.style("run-3") == before
    assert marks.style("other") == before  # the one that was free
    assert marks.chosen[-1] == "run-3"


def test_the_chosen_row_is_on_screen_however_far_it_is() -> None:
    made = roster(*(entry(f"{i:04d}-x") for i in range(100)))
    for rows in (60, -3, 1000, -1000, 7):
        made.move(rows)
        assert made.selected in {each.id for each in made.on_screen(10)}
    assert len(made.on_screen(10)) == 10


@pytest.mark.parametrize("width", [1, 3, 20, 40, 80, 120, 160, 300])
@pytest.mark.parametrize("height", [1, 2, 3, 6])
def test_every_line_fills_its_width(width: int, height: int) -> None:
    made = roster(A, B, C, D, entry("5-\x1b[2J", remarks=tagged("t", note="ünd 漢字 " * 9, archived=False)))
    made.marks.toggle("2-b")
    for rows in (
        paint_runs(made, width, height),
        paint_detail(made.chosen, width, height),
        paint_detail(None, width, height),
    ):
        assert [row_width(row) for row in rows] == [width] * height
        assert "\x1b" not in text_of(rows)
    assert row_width(paint_runs_header(made, "runs", width)[0]) == width
    assert row_width(paint_runs_status(made, width, "said", "pointed", read_only=True)[0]) == width


@pytest.mark.parametrize("width", range(1, 250, 7))
def test_columns_lie_side_by_side(width: int) -> None:
    full = entry(
        "20261126-101500-sentiment", State.RUNNING, alerts=(alert("a-long-name"),), remarks=tagged("x"),
        figures=Figures(step=5, rate=1.0, best={"f1": 0.5}),
    )  # fmt: skip
    places = placed(width, needs_of(map(need_of, [A, B, C, D, full])))
    assert {"state", "run"} <= {column.name for column, _, _ in places}
    for (_, x, cells), (_, after, _) in pairwise(places):
        assert x + cells < after
    shown = {column.name for column, _, _ in places}
    if width >= 76:
        assert {"state", "run", "progress", "loss", "alerts"} <= shown
        assert next(cells for column, _, cells in places if column.name == "run") >= len("101500-sentiment")
    if width >= 156:
        assert shown == {column.name for column in COLUMNS}
    if width >= 40:
        assert places[-1][1] + places[-1][2] <= width


NAMES = ("20261126-055004-tinyshakespeare", "20261126-055004-sst2", "odd")


def test_names_lose_their_dates_together_and_only_where_one_has_no_room() -> None:
    made = roster(*(entry(name, remarks=tagged("sweep")) for name in NAMES))
    wide, narrow = text_of(paint_runs(made, 200, 6)), text_of(paint_runs(made, 80, 6))
    assert all(name in wide for name in NAMES)
    assert "055004-tinyshakespeare" in narrow
    assert "20261126" not in narrow


def test_what_no_run_has_takes_no_room_from_what_one_has() -> None:
    done = [entry(f"2026112{i}-055004-a-long-name", figures=Figures(best={"f1": 0.5})) for i in range(3)]
    assert not {"ETA", "tags"} & {column.name for column, _, _ in placed(130, needs_of(map(need_of, done)))}
    going = [*done, entry("4-b", State.RUNNING, figures=Figures(step=5, rate=1.0), remarks=tagged("x"))]
    assert "ETA" in {column.name for column, _, _ in placed(130, needs_of(map(need_of, going)))}


def test_information_is_no_warning_and_critical_ones_stand_out() -> None:
    info, warning, critical = alert("clipped", Severity.INFO), alert("flat"), alert("nan", Severity.CRITICAL)
    quiet, loud = entry("1-q", alerts=(info,)), entry("2-l", alerts=(critical, warning, warning, info))
    cell = BY_NAME["alerts"].cell
    assert cell(quiet, NOW, 20) == [("–", "faint")]
    assert cell(loud, NOW, 20) == [("!1 ", "alert"), ("▲2 ", "warn"), ("nan", "alert")]
    assert cell(loud, NOW, 6) == [("!1 ", "alert"), ("▲2 ", "warn")]
    assert not parse("alerts>0").matches(quiet, NOW)
    assert parse("alert:clip alerts=3").matches(loud, NOW)
    made = roster(quiet, loud, entry("3-w", alerts=(warning,) * 5))
    made.sort_by("alerts")
    assert order(made) == "lwq"
    assert "with alerts" not in text_of(paint_runs_header(roster(entry("1", State.RUNNING, alerts=(info,))), "", 120))


def test_a_run_that_passes_again_is_chosen_again_while_a_filter_is_typed() -> None:
    made = roster()
    made.move(2)
    made.begin_filter()
    for text, chosen in (("1-a", "1-a"), ("zzz", ""), ("2-b", "2-b"), ("1-a", "1-a")):
        made.ask(parse(text))
        assert made.selected == chosen
    made.end_filter()
    made.ask(parse(""))
    assert made.selected == "1-a"


def test_a_wrong_filter_leaves_the_table_as_it_was() -> None:
    """Not as the half of it that could be understood had left it."""
    made = roster(entry("1-a", State.RUNNING, config={"train": {"lr": 0.1}}), entry("2-b"))
    made.ask(parse("1-a"))
    made.begin_filter()
    assert made.ask_typed("1-a lr") == ""
    assert order(made) == ""
    assert "did you mean cfg.train.lr>=1e-2?" in made.ask_typed("1-a lr>=1e-2")
    assert order(made) == "a"
    assert text_of(paint_runs_header(made, "runs", 120)).rstrip().endswith("filter 1-a")
    assert made.ask_typed("2-b") == ""
    assert order(made) == "b"


def test_counts_in_the_header_and_the_status_line() -> None:
    made = roster()
    assert "1 live  1 with alerts" in text_of(paint_runs_header(made, "runs", 120))
    assert "4 runs" in text_of(paint_runs_status(made, 80, "", "", read_only=False))
    assert text_of(paint_runs_status(roster(entry("1-a")), 80, "", "", read_only=False)).strip() == "1 run"
    made.ask(parse("state:running"))
    assert "2 of 4 runs" in text_of(paint_runs_status(made, 80, "", "", read_only=False))
    assert "filter state:running" in text_of(paint_runs_header(made, "runs", 120))
