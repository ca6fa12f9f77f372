"""What counts as learnt by heart."""

import pytest

from traind.tasks.memorisation import KnownText

KNOWN = KnownText(["I lost my card in Madrid, can you\nblock it?", "Where is my money?"])


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("lost my card in madrid , can you block it ?", True),
        ("I lost my card in Mad", True),
        ("i lost my card in Oslo", False),
        ("my card lost", False),
    ],
)
def test_case_white_space_and_cuts_do_not_count(text: str, *, is_found: bool) -> None:
    assert KNOWN.has(text) is is_found


def test_a_text_across_two_training_texts_stands_in_neither() -> None:
    assert KNOWN.has("block it? Where is") is False


def test_a_text_without_a_word_cannot_be_compared() -> None:
    assert KNOWN.has("") is None
    assert KNOWN.has(" \n") is None
    assert KnownText([]).has("anything") is False
