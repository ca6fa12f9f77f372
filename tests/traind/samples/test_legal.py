"""The generated clauses: the same everywhere, in the proportions asked for, none of them in both sets."""

import hashlib
from collections import Counter

import pytest

from traind.samples.legal import COUNTS, NUM_EVAL, NUM_TRAIN, OTHERS, SIGNERS, eval_texts, train_texts, true_score


def test_clauses_are_the_same_on_every_machine() -> None:
    assert hashlib.sha256(repr([train_texts(), eval_texts()]).encode()).hexdigest() == GOLDEN


def test_no_clause_comes_twice() -> None:
    train, evaluation = train_texts(), eval_texts()
    assert (len(train), len(evaluation)) == (NUM_TRAIN, NUM_EVAL)
    assert len({text for text, _ in train + evaluation}) == NUM_TRAIN + NUM_EVAL


def test_scores_are_skewed_as_asked_for() -> None:
    found = Counter(score for _, score in train_texts())
    assert sorted(found) == list(range(len(COUNTS)))
    for score, count in enumerate(COUNTS):
        assert found[score] / NUM_TRAIN == pytest.approx(count / sum(COUNTS), abs=0.03)


def test_every_slot_is_filled() -> None:
    assert not any(set(text) & set("{}") for text, _ in train_texts())


def test_who_is_bound_decides_where_the_words_are_the_same() -> None:
    """Clauses that demand something of the other side are no risk, but for the slips."""
    scores = [score for text, score in train_texts() if text.startswith(tuple(f"The {name[4:]}" for name in OTHERS))]
    assert len(scores) > 100
    assert sum(score == 0 for score in scores) / len(scores) > 0.9
    bound = [score for text, score in train_texts() if text.startswith(tuple(f"The {name[4:]}" for name in SIGNERS))]
    assert sum(score >= 3 for score in bound) / len(bound) > 0.5


@pytest.mark.parametrize(
    ("parts", "score"), [((0, 0, 0), 0), ((3, 2, 0), 5), ((3, 2, 2), 3), ((0, 0, 2), 0), ((2, 1, 1), 2)]
)
def test_a_score_adds_up(parts: tuple[int, int, int], score: int) -> None:
    assert true_score(*parts) == score


GOLDEN = "6d49129a48114a8b3e4f60507c7ab74c144d29e094e4246c0318f4c75fbf52b4"
