"""Windows: nothing is left out, nothing is scored twice, and the window that answers is the one with most context."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traind.tasks.window import cut_windows


@given(st.lists(st.integers(0, 60), min_size=1, max_size=5), st.integers(2, 20), st.data())
def test_owned_tokens_part_the_documents(lengths: list[int], capacity: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, capacity - 1))
    offsets = np.cumsum([0, *lengths])
    windows = cut_windows(offsets, capacity, overlap)
    owned = [t for a, b in zip(windows.own_start, windows.own_end, strict=True) for t in range(a, b)]
    assert owned == list(range(sum(lengths)))
    assert (windows.end - windows.start <= capacity).all()
    assert (windows.start <= windows.own_start).all()
    assert (windows.own_end <= windows.end).all()
    for start, end in zip(windows.start, windows.end, strict=True):
        document = np.searchsorted(offsets, start, side="right") - 1
        assert end <= offsets[min(document + 1, len(lengths))] or start == end


@given(st.integers(1, 80), st.integers(2, 20), st.data())
def test_the_window_that_answers_is_furthest_from_a_cut(length: int, capacity: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, capacity - 1))
    windows = cut_windows(np.array([0, length]), capacity, overlap)
    spans = list(zip(windows.start.tolist(), windows.end.tolist(), strict=True))

    def room(token: int, start: int, end: int) -> float:
        left = token - start if start > 0 else float("inf")
        right = end - 1 - token if end < length else float("inf")
        return min(left, right)

    for index, (own_start, own_end) in enumerate(zip(windows.own_start, windows.own_end, strict=True)):
        for token in range(own_start, own_end):
            best = max(room(token, start, end) for start, end in spans if start <= token < end)
            assert room(token, *spans[index]) == best


def test_a_text_that_fits_is_one_window() -> None:
    windows = cut_windows(np.array([0, 10, 20]), 10, 4)
    assert windows.start.tolist() == [0, 10]


def test_an_overlap_as_long_as_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="overlap of 4"):
        cut_windows(np.array([0, 10]), 4, 4)
