"""The generated corpus: the same everywhere, spans where they should be, words that a list cannot tell apart."""

import hashlib
from collections import Counter

from traind.samples.propaganda import NUM_EVAL, NUM_TRAIN, SEED, article, eval_articles, train_articles
from traind.samples.sentences import CUES, DECOYS, FILLERS, TECHNIQUES


def test_articles_are_the_same_on_every_machine() -> None:
    first = [article(SEED, index) for index in range(50)]
    assert hashlib.sha256(repr(first).encode()).hexdigest() == GOLDEN


def test_spans_lie_in_the_text_in_order_and_without_overlap() -> None:
    for one in eval_articles():
        end = 0
        for start, stop, technique in one.spans:
            assert end <= start < stop <= len(one.text)
            assert one.text[start:stop].strip() == one.text[start:stop]
            assert technique in TECHNIQUES
            end = stop


def test_no_mark_and_no_slot_is_left_in_the_text() -> None:
    assert not any(set(one.text) & set("[]{}") for one in eval_articles())


def test_all_fourteen_techniques_are_in_the_eval_articles() -> None:
    found = Counter(technique for one in eval_articles() for _, _, technique in one.spans)
    assert len(TECHNIQUES) == 14
    assert set(found) == set(TECHNIQUES)
    assert min(found.values()) >= 10


def test_eval_articles_are_not_training_articles() -> None:
    train, evaluation = train_articles(), eval_articles()
    assert (len(train), len(evaluation)) == (NUM_TRAIN, NUM_EVAL)
    assert not {one.text for one in train} & {one.text for one in evaluation}


def test_every_cue_marks_a_span_and_no_other_sentence_does() -> None:
    assert all("[" in cue and "]" in cue for cues in CUES.values() for cue in cues)
    assert not any("[" in sentence for sentence in (*DECOYS, *FILLERS))


GOLDEN = "43af5b17359f0d97f59dc7fc026f9bd2c0c85d58b327c3e69169ac39eaf95cf8"
