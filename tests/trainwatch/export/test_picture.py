"""Painted rows as a picture: well-formed whatever a run writes, and drawn without fonts where a font may fail."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rundir.text import plain
from trainwatch import theme
from trainwatch.export.picture import CELL_HEIGHT, CELL_WIDTH, page_of, svg_of
from trainwatch.theme import PALETTES

NAME = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def palette() -> Iterator[None]:
    yield
    theme.use("dark")


def parsed(svg: str) -> Any:
    return ET.fromstring(svg)  # noqa: S314 - our own


def test_letters_are_kept_to_their_cells() -> None:
    root = parsed(svg_of([[("  ab ", "title"), ("日本", "alert")]], 9, "t"))
    first, second = root.iter(f"{NAME}text")
    assert (first.text, first.attrib["x"], first.attrib["textLength"]) == (
        "ab",
        str(2 * CELL_WIDTH),
        str(2 * CELL_WIDTH),
    )
    assert (second.text, second.attrib["x"], second.attrib["textLength"]) == (
        "日本", str(5 * CELL_WIDTH), str(4 * CELL_WIDTH),
    )  # fmt: skip
    assert first.attrib["font-weight"] == "bold"


def test_curves_and_boxes_are_drawn_and_not_written() -> None:
    root = parsed(svg_of([[("╭─╮", "border")], [("│⡀│", "curve")], [("╰┊━▃╯", "ok")]], 5, "t"))
    assert not list(root.iter(f"{NAME}text"))
    (dots,) = [path for path in root.iter(f"{NAME}path") if "stroke-linecap" in path.attrib]
    assert dots.attrib["d"] == f"M{CELL_WIDTH * 1.25:g} {CELL_HEIGHT + CELL_HEIGHT * 7 / 8:g}h0"


@pytest.mark.parametrize(("character", "count"), [("⠀", 0), ("⠁", 1), ("⣿", 8), ("⡇", 4)])
def test_a_braille_character_has_as_many_dots_as_it_says(character: str, count: int) -> None:
    assert len(re.findall("h0", svg_of([[(character, "curve")]], 1, "t"))) == count


@settings(max_examples=40)
@given(st.lists(st.tuples(st.text(max_size=20), st.sampled_from(list(PALETTES["dark"].styles))), max_size=8), st.text())
def test_any_text_is_well_formed(spans: list[tuple[str, str]], title: str) -> None:
    rows = [[(plain(text), style) for text, style in spans]]
    svg = svg_of(rows, 80, title)
    parsed(svg)
    assert "<script" not in page_of(svg, title, title)
    svg.encode("utf-8")


def test_the_palette_in_use_is_drawn() -> None:
    theme.use("light")
    assert PALETTES["light"].background in svg_of([[("x", "")]], 1, "t")


def test_a_page_holds_the_picture_and_asks_for_nothing() -> None:
    page = page_of(svg_of([[("loss", "title")]], 9, "a <run> & more"), "a <run>", "said <b>")
    assert "<svg" in page
    assert "said &lt;b&gt;" in page
    assert "<b>" not in page
    assert not re.search(r"""(src|href)\s*=|@import|url\(""", page)


def test_the_name_of_a_run_steers_no_terminal_that_prints_the_file() -> None:
    svg = svg_of([], 9, "a\x9b31m\x1b[2Jrun\u202e")
    assert not {"\x9b", "\x1b", "\u202e"} & {*svg}
    assert not {"\x9b", "\x1b", "\u202e"} & {*page_of(svg, "a\x9b31m", "said\u202e\x9b")}
