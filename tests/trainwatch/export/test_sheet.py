"""Data behind charts as CSV: all of it, in full, and only what is seen."""

import csv
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rundir.column import Column
from trainwatch.export.sheet import Texts, harmless, sheet_of
from trainwatch.lens import Extent, XAxis
from trainwatch.metric import Line


def line(x: list[float], values: list[float], marks: list[int] | None = None) -> Line:
    column = Column()
    column.append(np.array(values, dtype=np.float64), np.array(marks or [], dtype=np.int64))
    return Line(np.array(x, dtype=np.float64), column)


def rows(sheet: object) -> list[list[str]]:
    return list(csv.reader("".join(sheet.lines()).splitlines()))  # type: ignore[attr-defined]


def test_series_share_the_rows_of_the_same_place() -> None:
    sheet = sheet_of(
        {"loss": line([1, 2, 3], [0.1, 1 / 3, 3]), "eval/f1": line([2, 2.5], [0.5, 0.25])}, XAxis.STEP, None
    )
    assert rows(sheet) == [
        ["step", "loss", "eval/f1"],
        ["1", "0.1", ""], ["2", "0.3333333333333333", "0.5"], ["2.5", "", "0.25"], ["3", "3", ""],
    ]  # fmt: skip


def test_only_what_is_seen_is_exported() -> None:
    sheet = sheet_of({"loss": line([1, 2, 3, 4], [1, 2, 3, 4], [])}, XAxis.STEP, Extent(2.0, 3.5))
    assert rows(sheet)[1:] == [["2", "2"], ["3", "3"]]


def test_what_is_not_finite_is_told_from_what_is_not_there() -> None:
    values = [1.0, math.nan, math.nan, math.inf, -math.inf]
    sheet = sheet_of({"loss": line([1, 2, 3, 4, 5], values, [2, 3, 4])}, XAxis.STEP, Extent(2, 9))
    assert [row[1] for row in rows(sheet)[1:]] == ["", "nan", "inf", "-inf"]


def test_several_values_at_one_place_have_a_row_each() -> None:
    sheet = sheet_of({"a": line([1, 1, 1], [1, 2, 3]), "b": line([1, 2], [4, 5])}, XAxis.TIME, None)
    assert rows(sheet) == [["time", "a", "b"], ["1", "1", "4"], ["1", "2", ""], ["1", "3", ""], ["2", "", "5"]]


def test_nothing_is_a_header_alone() -> None:
    assert rows(sheet_of({}, XAxis.STEP, None)) == [["step"]]
    assert rows(sheet_of({"a": line([], [])}, XAxis.STEP, None)) == [["step", "a"]]


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=50))
def test_numbers_come_back_as_they_were(values: list[float]) -> None:
    sheet = sheet_of({"loss": line(list(range(len(values))), values)}, XAxis.STEP, None)
    assert [float(row[1]) for row in rows(sheet)[1:]] == values


def test_many_rows_are_written_in_pieces() -> None:
    sheet = sheet_of({"loss": line(list(range(10_000)), [0.5] * 10_000)}, XAxis.STEP, None)
    pieces = list(sheet.lines())
    assert len(pieces) > 3
    assert len(rows(sheet)) == 10_001


def test_no_name_is_worked_out_by_a_spreadsheet() -> None:
    evil = '=HYPERLINK("http://x")'
    assert rows(sheet_of({evil: line([1], [-0.5])}, XAxis.STEP, None)) == [["step", "'" + evil], ["1", "-0.5"]]
    assert [harmless(text) for text in ("@x", "+1", "-x", "a\x1b[2J", "f1")] == ["'@x", "'+1", "'-x", "a␛[2J", "f1"]


@pytest.mark.parametrize("odd", ["a,b", 'a"b', "a\nb", "ä"])
def test_texts_are_quoted_where_they_have_to_be(odd: str) -> None:
    lines = "".join(Texts(["run", odd], [[odd, "x"]]).lines())
    assert list(csv.reader(iter(lines.splitlines(keepends=True)))) == [["run", odd], [odd, "x"]]
