"""No text of a run can steer a terminal."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from rundir.text import plain


@given(st.text())
def test_nothing_that_steers_survives(text: str) -> None:
    shown = plain(text)
    assert all(character.isprintable() for character in shown)
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cf", "Cs"}


def test_what_is_seen_instead() -> None:
    assert plain("\x1b]0;title\x07 \x1b[31mred\x1b[0m\ta\x7f") == "␛]0;title␇ red    a␡"
    assert plain("schön, 日本") == "schön, 日本"
