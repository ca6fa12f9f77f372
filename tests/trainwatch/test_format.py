"""Text and numbers: nothing that can steer a terminal survives, and a width is kept to the cell."""

import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from rundir.text import plain
from trainwatch import format as fmt

any_text = st.text(st.characters(exclude_categories=()), max_size=60)


@given(any_text)
def test_no_control_character_survives(text: str) -> None:
    shown = plain(text)
    assert shown.isprintable()
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for c in shown)


@given(any_text)
def test_plain_is_stable(text: str) -> None:
    assert plain(plain(text)) == plain(text)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_stays(text: str) -> None:
    assert plain(text) == text


@given(any_text, st.integers(-2, 40))
def test_fit_has_exactly_the_width(text: str, width: int) -> None:
    assert cell_len(fmt.fit(plain(text), width)) == max(0, width)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "␛[2J"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("a\tb\r", "a    b␍"),
        ("\x9b31m\x7f\x00", "�31m␡␀"),
        ("\u202eevil\u2066", "�evil�"),
        ("\ud800", "�"),
        ("日本", "日本"),
        ("[bold]x[/]", "[bold]x[/]"),
    ],
)
def test_stand_ins(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"), (0.123456, "0.1235"), (12.345, "12.35"), (1234.5, "1,234"), (5e-5, "5e-5"), (3.1416e-7, "3.142e-7"),
        (2.5e7, "2.5e7"), (-0.5, "-0.5000"), (math.nan, "nan"), (-math.inf, "-inf"), (None, "–"), (1e300, "1e300"),
    ],
)  # fmt: skip
def test_number(value: float | None, shown: str) -> None:
    assert fmt.number(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (59.9, "59s"), (200, "3m 20s"), (14700, "4h 05m"), (183_600, "2d 03h"), (None, "–")],
)
def test_duration(seconds: float | None, shown: str) -> None:
    assert fmt.duration(seconds) == shown


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_float_has_a_form(value: float) -> None:
    for shown in (fmt.number(value), fmt.duration(value), fmt.count(value), fmt.short_count(value)):
        assert shown.isprintable()
        assert shown


@pytest.mark.parametrize(
    ("value", "step", "shown"),
    [
        (0.25, 0.25, "0.25"),
        (1.0, 0.5, "1.0"),
        (5e-4, 5e-4, "5e-4"),
        (1e-3, 5e-4, "1e-3"),
        (0.0, 1e-5, "0"),
        (20, 10, "20"),
    ],
)
def test_tick(value: float, step: float, shown: str) -> None:
    assert fmt.tick(value, step) == shown


@pytest.mark.parametrize(
    ("value", "counted", "short"),
    [
        (1234, "1,234", "1.23k"),
        (10**400, "inf", "inf"),
        (-(10**400), "-inf", "-inf"),
        (10**20, "1e20", "1e+11G"),
        (math.nan, "nan", "nan"),
    ],
)
def test_an_integer_of_any_size_has_a_form(value: float, counted: str, short: str) -> None:
    assert (fmt.count(value), fmt.short_count(value)) == (counted, short)


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 5, []),
        ("  \n ", 5, []),
        ("one two  three", 7, ["one two", "three"]),
        ("abcdefgh ij", 3, ["abc", "def", "gh", "ij"]),
        ("日本語 a", 4, ["日本", "語 a"]),
        ("a 日本語", 5, ["a", "日本", "語"]),
    ],
)
def test_wrap(text: str, width: int, lines: list[str]) -> None:
    assert fmt.wrap(text, width) == lines
