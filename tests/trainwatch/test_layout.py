"""Places of panes: inside the screen, side by side, at any size."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwatch.actions import PANES
from trainwatch.layout import arrange


@given(
    st.integers(-1, 400),
    st.integers(-1, 200),
    st.sampled_from(list(PANES.values())),
    st.booleans(),
    st.frozensets(st.sampled_from(["grad_norm", "lr", "memory", "evals", "events", "orders", "console"])),
)
def test_panes_cover_the_screen_without_overlap(
    width: int, height: int, chosen: str, zoomed: bool, absent: frozenset[str]
) -> None:
    places = arrange(width, height, chosen, zoomed=zoomed, absent=absent)
    assert not absent & places.keys()
    covered = [(x, y) for p in places.values() for y in range(p.y, p.y + p.height) for x in (p.x, p.x + p.width - 1)]
    assert all(p.width > 0 and p.height > 0 for p in places.values())
    assert all(0 <= x < width and 0 <= y < height for x, y in covered)
    assert sum(p.width * p.height for p in places.values()) == max(0, width) * max(0, height)
    rows: dict[int, list[tuple[int, int]]] = {}
    for p in places.values():
        for y in range(p.y, p.y + p.height):
            rows.setdefault(y, []).append((p.x, p.x + p.width))
    for spans in rows.values():
        spans.sort()
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))


@pytest.mark.parametrize("size", [(160, 48), (110, 30)])
def test_a_wide_screen_shows_all(size: tuple[int, int]) -> None:
    assert {"loss", "grad_norm", "lr", "memory", "evals", "events", "orders", "console", "keys"} <= set(arrange(*size))


def test_a_small_screen_shows_the_loss_and_what_was_chosen() -> None:
    assert set(arrange(80, 24)) == {"header", "loss", "grad_norm", "lr", "memory", "status", "keys"}
    assert set(arrange(80, 24, "events")) == {"header", "loss", "events", "status", "keys"}
    assert set(arrange(40, 10)) == {"header", "loss", "status"}
    assert set(arrange(40, 10, "orders")) == {"header", "orders", "status"}


def test_zoom_shows_the_chosen_pane_alone() -> None:
    assert set(arrange(160, 48, "console", zoomed=True)) == {"header", "console", "status", "keys"}
