"""The course of a run's loss in a few bins: what holds still while a run goes on, and what a rollback takes away."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rundir.status import State
from tests.trainwatch.entries import entry
from trainwatch.listing.column import sparkline
from trainwatch.listing.course import MOST_BINS, Course, robust_range
from trainwatch.listing.glance import Figures


def course(*losses: float) -> Course:
    return Course().extended([(step, loss) for step, loss in enumerate(losses, 1)])


def sparks(made: Course, width: int, state: State = State.RUNNING) -> str:
    return "".join(text for text, _ in sparkline(entry("1-a", state, figures=Figures(course=made)), width))


def test_what_is_drawn_holds_still_as_a_run_goes_on() -> None:
    """Between two doublings of the bins only the newest cell may change, and one may come."""
    made, before, num_redrawn = Course(), [], 0
    for step in range(1, 20_000):
        made = made.extended([(step, 100.0 / step)])
        drawn = made.drawn(16, ended=False)
        if drawn[: len(before) - 1] != before[:-1]:
            num_redrawn += 1
            assert len(drawn) <= 9, "where it is drawn anew, it is half as wide"
        before = drawn
    assert num_redrawn <= math.log2(20_000)


@given(
    st.lists(st.integers(0, 300), min_size=1, max_size=80, unique=True).map(sorted),
    st.lists(st.integers(1, 79), max_size=6),
)
def test_however_the_records_come_it_is_the_same(at: list[int], cuts: list[int]) -> None:
    records = [(step, float(step % 7)) for step in at]
    whole, parts = Course().extended(records), Course()
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), len(records)], strict=True):
        parts = parts.extended(records[max(0, start - 3) : stop])  # what is known comes again
    assert parts == whole
    assert len(whole.counts) <= MOST_BINS
    assert sum(whole.counts) == len(records)


def test_a_rollback_takes_back_what_lay_behind_it() -> None:
    made = course(*(1.0 for _ in range(10)), *(9.0 for _ in range(10)))
    back = made.extended([(step, 1.0) for step in range(8, 14)])
    assert set(back.drawn(32, ended=False)) == {1.0}
    assert back.last == 13


def test_the_first_losses_do_not_make_all_others_one_line() -> None:
    losses = [11.0, 9.0, *(2.0 - 0.1 * i for i in range(14))]
    drawn = sparks(course(*losses), 16, State.DONE)
    assert drawn[:2] == "██"
    assert len(set(drawn)) == 8
    assert robust_range(losses)[1] < 3
    assert robust_range([1.0, 1.0, 1.0, 1.0, 5.0]) == (1.0, 5.0)  # nothing to tell outliers by
    huge = course(*(0.001 + 1e-6 * i for i in range(31)), 1e306)  # so far out that its level overflows
    assert sparks(huge, 32, State.DONE)[-1] == "█"
    assert robust_range([]) == robust_range([math.nan]) == (0.0, 0.0)


def test_what_is_not_finite_is_a_cross_and_what_ended_fills_the_width() -> None:
    assert sparks(course(3.0, math.nan, 1.0, math.inf), 8) == "█×▁×"
    assert len(sparks(course(*(1.0 for _ in range(100))), 16, State.DONE)) == 16
    assert len(sparks(course(*(1.0 for _ in range(100))), 16)) == 13
    assert sparks(Course(), 8) == ""


@pytest.mark.parametrize("cells", [1, 2, 8, 16])
@pytest.mark.parametrize("ended", [True, False])
def test_there_is_room_for_it(cells: int, ended: bool) -> None:
    for count in (1, 5, 31, 32, 33, 1000):
        assert 0 < len(course(*(1.0 for _ in range(count))).drawn(cells, ended=ended)) <= cells
