"""Columns of step records: whatever the file holds they ascend, keep their extremes, and say what was not finite."""

import math
import timeit
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rundir.column import BLOCK, Column, block_bounds
from rundir.records import StepRecord
from rundir.series import Block, Series, step_blocks

values = st.floats(allow_nan=True, allow_infinity=True)


def record(step: int, loss: Any = 1.0, attempt: int = 1, **fields: Any) -> StepRecord:
    return StepRecord(at=float(step), attempt=attempt, seq=step, step=step, loss=loss, **fields)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=300), st.data())
def test_a_prefix_is_the_beginning_and_leaves_the_whole_as_it_is(values: list[float], data: st.DataObject) -> None:
    whole = column_of(values)
    size = data.draw(st.integers(0, len(values)))
    cut = data.draw(st.integers(0, size))
    prefix = whole.prefix(size)
    assert prefix.values.tolist() == values[:size]
    prefix.truncate(cut)
    prefix.append(np.array([1.5, 2.5]))
    assert prefix.values.tolist() == [*values[:cut], 1.5, 2.5]
    assert whole.values.tolist() == values
    edges = np.array([0, len(prefix)], dtype=np.int64)
    fresh = column_of([*values[:cut], 1.5, 2.5])
    assert prefix.summarise(edges).low.tolist() == fresh.summarise(edges).low.tolist()
    assert whole.summarise(np.array([0, len(values)])).high.tolist() == [max(values)]


def column_of(data: list[float]) -> Column:
    column = Column()
    array = np.array(data, dtype=np.float64)
    column.append(array, np.flatnonzero(~np.isfinite(array)))
    return column


def series_of(records: list[StepRecord]) -> Series:
    series = Series()
    for block in step_blocks(records):
        series.append(block)
    return series


def test_fields_and_metrics_become_columns() -> None:
    (block,) = step_blocks([record(1, 2.0, lr=0.1, metrics={"acc": 0.5}), record(2, 1.0, lr=0.2, metrics={"kl": 3.0})])
    assert list(block.x) == [1, 2]
    assert list(block.columns["loss"]) == [2.0, 1.0]
    assert list(block.columns["lr"]) == [0.1, 0.2]
    assert block.columns["acc"][0] == 0.5
    assert math.isnan(block.columns["acc"][1])
    assert block.columns["kl"][1] == 3.0
    assert "grad_norm" not in block.columns
    assert not block.marks


def test_a_value_that_is_not_finite_is_marked_and_a_missing_one_is_not() -> None:
    records = [record(1, "nan", grad_norm=None), record(2, 1.0, grad_norm="inf"), record(3, "-inf", grad_norm=2.0)]
    (block,) = step_blocks(records)
    assert list(block.marks["loss"]) == [0, 2]
    assert list(block.marks["grad_norm"]) == [1]
    assert math.isnan(block.columns["grad_norm"][0])
    assert block.columns["loss"][2] == -math.inf


def test_a_metric_of_some_steps_is_marked_where_it_is_not_finite() -> None:
    measured: list[Any] = [None, {"kl": 1.0}, {}, {"kl": "nan", "acc": 0.5}, {"kl": "inf"}, {"acc": 2}]
    (block,) = step_blocks([record(step, metrics=each) for step, each in enumerate(measured)])
    assert list(map(repr, block.columns["kl"].tolist())) == ["nan", "1.0", "nan", "nan", "inf", "nan"]
    assert list(map(repr, block.columns["acc"].tolist())) == ["nan", "nan", "nan", "0.5", "nan", "2.0"]
    assert {name: found.tolist() for name, found in block.marks.items()} == {"kl": [3, 4]}


def test_an_integer_beyond_float_is_infinite() -> None:
    (block,) = step_blocks([record(1, gpu_mem_allocated_bytes=10**400), record(2, gpu_mem_allocated_bytes=7)])
    assert list(block.columns["gpu_mem_allocated_bytes"]) == [math.inf, 7.0]
    assert list(block.marks["gpu_mem_allocated_bytes"]) == [0]


def test_an_impossible_step_is_dropped() -> None:
    assert list(series_of([record(1), record(10**30), record(-5), record(2)]).x) == [1, 2]
    assert list(series_of([record(-1), record(0), record(1)]).x) == [0, 1]


def test_repeats_and_steps_out_of_order_are_dropped() -> None:
    records = [record(1, 1.0), record(2, 2.0), record(2, 9.0), record(1, 9.0), record(3, 3.0)]
    assert list(series_of(records).x) == [1, 2, 3]
    assert list(series_of(records).column("loss").values) == [1, 2, 3]  # type: ignore[union-attr]


def test_each_attempt_has_its_block() -> None:
    blocks = step_blocks([record(1), record(2), record(2, attempt=2), record(3, attempt=2), record(9, attempt=1)])
    assert [(b.attempt, list(b.x)) for b in blocks] == [(1, [1, 2]), (2, [2, 3])]


def test_no_records_no_blocks() -> None:
    assert step_blocks([]) == []


def test_a_column_that_comes_late_or_leaves_is_padded() -> None:
    series = Series()
    series.append(Block(np.array([1.0, 2.0]), {"a": np.array([1.0, 2.0])}))
    series.append(Block(np.array([3.0]), {"b": np.array([5.0])}))
    a, b = series.column("a"), series.column("b")
    assert a is not None
    assert b is not None
    np.testing.assert_array_equal(a.values, [1, 2, math.nan])
    np.testing.assert_array_equal(b.values, [math.nan, math.nan, 5])


def test_overlapping_block_adds_only_what_is_new() -> None:
    series = Series()
    nan = math.nan
    series.append(Block(np.array([1.0, 2.0]), {"a": np.array([1.0, 2.0])}))
    series.append(Block(np.array([2.0, 3.0, 4.0]), {"a": np.array([nan, nan, 4.0])}, {"a": np.array([0, 1])}))
    column = series.column("a")
    assert column is not None
    np.testing.assert_array_equal(column.values, [1, 2, nan, 4])
    assert list(column.marks) == [2]


def test_a_column_of_which_nothing_is_new_is_none() -> None:
    series, nan = Series(), math.nan
    series.append(Block(np.array([1.0, 2.0]), {"a": np.array([1.0, 2.0])}))
    late = {"a": np.array([2.0, 3.0]), "b": np.array([9.0, nan]), "odd": np.array([nan, nan])}
    series.append(Block(np.array([2.0, 3.0]), late, {"odd": np.array([1])}))
    assert series.names == ["a", "odd"]


def test_truncation_drops_values_and_marks_beyond_and_appending_goes_on() -> None:
    series = series_of([record(i, "nan" if i % 100 == 0 else float(i)) for i in range(1, 1001)])
    column = series.column("loss")
    assert column is not None
    column.summarise(np.array([0, 1000]))
    series.truncate(250)
    assert list(series.x[-1:]) == [250]
    assert list(column.marks) == [99, 199]
    for block in step_blocks([record(i, -1.0, 2) for i in range(251, 1001)]):
        series.append(block)
    bounds = column.summarise(np.array([0, 250, 1000]))
    assert list(bounds.low) == [1.0, -1.0]
    assert list(bounds.high) == [250.0, -1.0]


@pytest.mark.parametrize(("data", "last"), [([1.0, math.nan], 1.0), ([math.nan], math.nan), ([], math.nan)])
def test_last_is_the_newest_that_is_there(data: list[float], last: float) -> None:
    series = Series()
    series.append(Block(np.arange(1.0, len(data) + 1), {"a": np.array(data)}))
    assert series.last("a") == pytest.approx(last, nan_ok=True)
    assert math.isnan(series.last("never"))


def test_last_is_not_finite_where_the_file_says_so() -> None:
    series = Series()
    series.append(Block(np.array([1.0, 2.0]), {"a": np.array([1.0, math.nan])}, {"a": np.array([1])}))
    assert math.isnan(series.last("a"))


@given(data=st.lists(values, max_size=600), cuts=st.lists(st.integers(0, 600), max_size=5), repeat=st.integers(1, 30))
def test_summary_is_that_of_the_values(data: list[float], cuts: list[int], repeat: int) -> None:
    data = data * repeat
    edges = np.array([0, *sorted(min(cut * repeat, len(data)) for cut in cuts), len(data)])
    bounds = column_of(data).summarise(edges)
    for i, (start, stop) in enumerate(pairwise(edges)):
        finite = [v for v in data[start:stop] if math.isfinite(v)]
        assert bounds.count[i] == len(finite)
        assert (bounds.low[i] == min(finite)) if finite else math.isnan(bounds.low[i])
        assert (bounds.high[i] == max(finite)) if finite else math.isnan(bounds.high[i])


@given(st.lists(values, min_size=BLOCK, max_size=BLOCK), st.lists(values, min_size=BLOCK, max_size=BLOCK))
def test_what_a_block_comes_to_does_not_depend_on_its_neighbours(first: list[float], second: list[float]) -> None:
    together = block_bounds(np.array([*first, *second]))
    for i, alone in enumerate((first, second)):
        bounds = block_bounds(np.array(alone))
        for name in ("low", "high", "total", "count"):
            assert repr(getattr(bounds, name)[0]) == repr(getattr(together, name)[i])


def test_a_column_whose_length_is_expected_is_copied_once() -> None:
    series = Series()
    for i in range(40):
        series.append(Block(np.arange(100.0) + 100 * i, {"a": np.full(100, float(i))}))
        if i == 0:
            series.expect(4000)
        if i == 15:
            before = series.x, series.column("a").values  # type: ignore[union-attr]
    assert np.shares_memory(before[0], series.x)
    assert np.shares_memory(before[1], series.column("a").values)  # type: ignore[union-attr]


@given(sizes=st.lists(st.integers(0, 3 * BLOCK), max_size=8), cut=st.integers(0, 5 * BLOCK))
def test_blocks_follow_any_growth_and_cut(sizes: list[int], cut: int) -> None:
    column = Column()
    expected: list[float] = []
    for k, size in enumerate(sizes):
        piece = [float((k * 37 + i * 11) % 101) for i in range(size)]
        column.append(np.array(piece))
        expected += piece
        column.summarise(np.array([0, len(column)]))
        if k == len(sizes) // 2:
            column.truncate(cut)
            expected = expected[:cut]
    edges = np.array([0, len(expected)])
    bounds = column.summarise(edges)
    assert bounds.total[0] == pytest.approx(sum(expected))
    if expected:
        assert (bounds.low[0], bounds.high[0]) == (min(expected), max(expected))


def test_a_summary_costs_by_the_width_not_by_the_length() -> None:
    def best_s(size: int) -> float:
        column = column_of([1.0] * size)
        edges = np.linspace(0, size, 201).astype(np.int64)
        return min(timeit.repeat(lambda: column.summarise(edges), number=5, repeat=7))

    assert best_s(1_000_000) < 4 * best_s(100_000)
