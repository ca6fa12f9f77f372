"""The probe: connected labels are seen, shuffled ones are not, and few rows are no proof."""

import random

import pytest

from traind.check.probe import MAX_WORDS, probe, words


def _rows(count: int, num_classes: int, hint: float, seed: int = 0) -> tuple[list[list[str]], list[int]]:
    """Word soup; with probability `hint` a row has a word of its class."""
    draw = random.Random(seed)
    classes = [draw.randrange(num_classes) for _ in range(count)]
    rows = []
    for of in classes:
        row = draw.sample([f"w{i}" for i in range(50)], 8)
        rows.append([*row, f"mark{of}"] if draw.random() < hint else row)
    return rows, classes


@pytest.mark.parametrize("num_classes", [2, 10, 77])
def test_a_connection_is_seen(num_classes: int) -> None:
    verdict = probe(*_rows(1500, num_classes, hint=0.3))
    assert verdict is not None
    assert verdict.is_connected
    assert verdict.chance == 1 / num_classes


@pytest.mark.parametrize("seed", range(20))
def test_labels_independent_of_the_words_are_no_connection(seed: int) -> None:
    verdict = probe(*_rows(500, 3, hint=0, seed=seed))
    assert verdict is not None
    assert verdict.is_telling
    assert not verdict.is_connected


@pytest.mark.parametrize("seed", range(10))
def test_a_large_class_is_no_connection(seed: int) -> None:
    draw = random.Random(seed)
    rows, _ = _rows(800, 2, hint=0, seed=seed)
    verdict = probe(rows, [int(draw.random() < 0.05) for _ in rows])
    assert verdict is None or not verdict.is_connected


def test_few_rows_prove_nothing() -> None:
    verdict = probe(*_rows(12, 2, hint=0))
    assert verdict is not None
    assert not verdict.is_telling


@pytest.mark.parametrize(
    ("rows", "classes"), [([], []), ([["a"], ["b"]], [1, 1]), ([[], []], [0, 1]), ([["a"], ["b"]], [0, 1])]
)
def test_nothing_to_compare_is_no_verdict(rows: list[list[str]], classes: list[int]) -> None:
    assert probe(rows, classes) is None


def test_words_of_scripts_without_spaces_are_their_characters() -> None:
    assert words("Ünïted, 日本 united") == ["ünïted", "日", "本", "united"]
    assert words("ไปPattaya日") == ["ไ", "ป", "pattaya", "日"]
    assert len(words(" ".join(map(str, range(1000))))) == MAX_WORDS
