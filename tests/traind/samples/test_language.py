"""The generated texts for language models: the same everywhere, nothing unfilled, no question twice."""

import hashlib
import re

from traind.samples.banking import NUM_EVAL, NUM_TRAIN, TOPICS, eval_questions, question, train_questions
from traind.samples.banking import SEED as BANKING_SEED
from traind.samples.text import NUM_SCENES, QUESTIONS, RHYMES, SEED, play, scene


def sha256(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()


def test_questions_and_play_are_the_same_on_every_machine() -> None:
    assert sha256([question(BANKING_SEED, index) for index in range(50)]) == GOLDEN_QUESTIONS
    assert sha256([scene(SEED, index) for index in range(10)]) == GOLDEN_SCENES


def test_no_question_stands_twice_or_in_both_sets() -> None:
    train, evaluation = train_questions(), eval_questions()
    assert (len(train), len(evaluation)) == (NUM_TRAIN, NUM_EVAL)
    assert len({*train, *evaluation}) == NUM_TRAIN + NUM_EVAL


def test_no_slot_is_left_open() -> None:
    assert not set("{}") & set("".join([*train_questions(), *eval_questions()]))
    assert not set("{}") & set(play())


def test_a_question_has_one_value_a_slot() -> None:
    """Who did not make a payment of {amount} wants {amount} back."""
    pairs = re.findall(r"payment of (\d+ \w+) .* my (\d+ \w+) back", "\n".join(train_questions()))
    assert pairs
    assert all(paid == wanted for paid, wanted in pairs)


def test_every_sentence_of_every_topic_occurs() -> None:
    asked = "\n".join(train_questions())
    for firsts, seconds in TOPICS.values():
        for sentence in (*firsts, *seconds):
            assert re.search(re.sub(r"\\\{.*?\\\}", ".+", re.escape(sentence)), asked), sentence


def test_answers_take_up_the_noun_of_the_question() -> None:
    assert all("{noun}" in answer for _, answers in QUESTIONS for answer in answers)
    match = re.search(r"Who has seen the (\w+)\?\n\n[A-Z' ]+:\n(.*)\n", play())
    assert match is not None
    assert match[1] in match[2]


def test_songs_rhyme_in_pairs() -> None:
    songs = re.findall(r"\[Sings\]\n(.*)\n(.*)\n(.*)\n(.*)\n", play())
    assert len(songs) > NUM_SCENES // 10
    for lines in songs:
        ends = [line.rstrip(".,").split()[-1] for line in lines]
        for first, second in (ends[:2], ends[2:]):
            assert first != second
            assert any({first, second} <= set(rhymes) for rhymes in RHYMES)


GOLDEN_QUESTIONS = "7f375031d2a2267354b6e77bb7579664963553dc4c9df844201ec8a263043eb3"
GOLDEN_SCENES = "c0753f71ea68692f7c0d1c181852ebc83ab936b5fe5b2c215180c2d5215ddb83"
