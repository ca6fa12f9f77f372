"""The generated reviews: the same everywhere, nothing of the eval set seen in training, words alone do not tell."""

import hashlib
from collections import Counter

from traind.samples.reviews import (
    NUM_EVAL,
    NUM_TRAIN,
    PATTERNS,
    QUALITIES,
    SUBJECTS,
    eval_texts,
    is_reserved,
    train_texts,
)

POLARITY = {word: side for side, words in enumerate(QUALITIES) for word in words}


def _pairs(text: str) -> set[tuple[str, str]]:
    """Subject and quality that stand beside each other in the plainest pattern of all."""
    return {(s, word) for s in SUBJECTS for word in POLARITY if f"{s} was {word}" in text}


def test_sentences_are_the_same_on_every_machine() -> None:
    assert hashlib.sha256(repr([train_texts(), eval_texts()]).encode()).hexdigest() == GOLDEN


def test_both_sets_have_their_size_and_both_verdicts() -> None:
    train, evaluation = train_texts(), eval_texts()
    assert (len(train), len(evaluation)) == (NUM_TRAIN, NUM_EVAL)
    for texts in (train, evaluation):
        share = sum(label for _, label in texts) / len(texts)
        assert 0.45 < share < 0.6
    assert not any(set(text) & set("{}") for text, _ in train + evaluation)


def test_no_eval_sentence_and_no_pair_of_one_was_trained_on() -> None:
    train, evaluation = train_texts(), eval_texts()
    assert not {text for text, _ in train} & {text for text, _ in evaluation}
    trained = set().union(*(_pairs(text) for text, _ in train))
    tested = set().union(*(_pairs(text) for text, _ in evaluation))
    assert trained
    assert tested
    assert not trained & tested
    assert all(is_reserved(*pair) for pair in tested)


def test_counting_good_and_bad_words_is_not_enough() -> None:
    """The verdict that the words speak is the writer's in fewer than three of four sentences."""
    right = Counter[bool]()
    for text, label in eval_texts():
        spoken = Counter(
            POLARITY[word] for word in text.replace(".", " ").replace(",", " ").split() if word in POLARITY
        )
        right[(spoken[1] > spoken[0]) == bool(label)] += 1
    assert 0.5 < right[True] / NUM_EVAL < 0.75


def test_every_pattern_names_its_subject_and_its_quality() -> None:
    assert all("{subject}" in pattern and "{x}" in pattern for patterns in PATTERNS.values() for pattern in patterns)
    assert not set(QUALITIES[0]) & set(QUALITIES[1])


GOLDEN = "d4d9357e1b5b91a82a5a3aa2d3039af13ec7521b6ce62ed3e98456a5f0834cec"
