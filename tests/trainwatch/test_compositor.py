"""Only changed cells go to the terminal: a span of a row is cut on both sides."""

import re
from pathlib import Path

from rich.console import Console
from rich.segment import Segment
from textual.strip import Strip

from rundir.layout import RunDir
from trainwatch.screens.run import RunScreen
from trainwatch.widgets.compositor import NarrowCompositor, _NarrowUpdate
from trainwatch.widgets.pane import _differences, _merged


def rendered(spans: list[tuple[int, int, int]]) -> str:
    chops = [{0: Strip([Segment("abcdefghij")]), 10: Strip([Segment("klmnopqrst")])}]
    return _NarrowUpdate(chops, spans, [[10, 20]]).render_segments(Console())


def test_a_span_inside_a_widget_is_cut_on_both_sides() -> None:
    assert rendered([(0, 3, 5)]) == "\x1b[1;4Hde"


def test_a_span_over_two_widgets_is_cut_at_its_ends() -> None:
    assert re.sub(r"\x1b\[[\d;]*H", "|", rendered([(0, 8, 12)])) == "|ij|kl"


def test_a_span_outside_shows_nothing() -> None:
    assert rendered([(0, 20, 25)]) == ""


def test_the_screen_uses_it(tmp_path: Path) -> None:
    assert isinstance(RunScreen(RunDir(tmp_path))._compositor, NarrowCompositor)


def test_differences_join_when_near_and_ignore_the_style_of_blanks() -> None:
    old = [("aaaa" + " " * 30 + "b", "x")]
    assert _differences(old, [("aaaa" + " " * 30 + "c", "x")], 35) == [(34, 35)]
    assert _differences(old, [("zaaz", "x"), (" " * 30, "y"), ("c", "x")], 35) == [(0, 4), (34, 35)]
    assert _differences(old, old, 35) == []


def test_a_wide_character_sends_the_whole_row() -> None:
    assert _differences([("日 ", "x")], [("本 ", "x")], 3) == [(0, 3)]


def test_blanks_join_the_span_before_them() -> None:
    assert _merged([("a", "x"), ("  ", ""), ("b", "y"), ("c", "y")]) == [("a  ", "x"), ("bc", "y")]
