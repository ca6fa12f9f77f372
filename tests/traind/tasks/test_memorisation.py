"""What counts as learnt by heart."""

import math

import pytest

from traind.tasks.memorisation import share_memorised

TRAINING = ["I lost my card in Madrid, can you\nblock it?", "Where is my money?"]


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("lost my card in madrid , can you block it ?", True),
        ("I lost my card in Mad", True),
        ("i lost my card in Oslo", False),
        ("block it? Where is", False),
        ("my card lost", False),
    ],
)
def test_case_white_space_and_cuts_do_not_count(text: str, *, is_found: bool) -> None:
    assert share_memorised([text], TRAINING) == float(is_found)


def test_the_share_is_of_texts_with_words() -> None:
    assert share_memorised(["Where is my money", "my money is where", "", " \n"], TRAINING) == 0.5
    assert math.isnan(share_memorised([" ", ""], TRAINING))
    assert share_memorised(["anything"], []) == 0.0
