"""Labels of spans and tags; those of whole texts are in the table of planted faults."""

import random
from collections.abc import Hashable, Sequence

import pytest

from traind.check.finding import Level
from traind.check.rows import examine_rows
from traind.check.targets import examine_targets
from traind.data.document import Span
from traind.data.survey import Split, Survey

_WORDS = "alpha beta gamma delta epsilon zeta eta theta".split()  # noqa: SIM905


def _split(texts: Sequence[str], targets: Sequence[Hashable]) -> Split:
    return Split(texts, targets, [f"row {index}" for index in range(len(texts))])


def _spans(count: int, *, shifted: bool = False, seed: int = 0) -> Split:
    """`foul …` is a span of one type, `vile …` of the other; shifted ones lie on whatever words."""
    draw = random.Random(seed)
    texts, targets = [], []
    for _ in range(count):
        text, spans = "", []
        for _ in range(15):
            word = draw.choice([*_WORDS, "foul play", "vile trick"])
            if word[0] in "fv":
                spans.append(Span(len(text), len(text) + len(word), word.split()[0]))
            text += word + " "
        texts.append(text + str(draw.random()))
        targets.append(tuple(spans))
    if shifted:
        draw.shuffle(targets)
    return _split(texts, targets)


def _tags(count: int, *, shuffled: bool = False, seed: int = 0) -> Split:
    draw = random.Random(seed)
    texts, targets = [], []
    for _ in range(count):
        tokens = [draw.choice([*_WORDS, "Rome", "Anna"]) for _ in range(12)]
        tags = [{"Rome": "B-LOC", "Anna": "B-PER"}.get(token, "O") for token in tokens]
        if shuffled:
            draw.shuffle(tags)
        texts.append(" ".join(tokens))
        targets.append(tuple(tags))
    return _split(texts, targets)


BIO = ("O", "B-foul", "I-foul", "B-vile", "I-vile")
NER = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")


def _levels(survey: Survey) -> dict[str, Level]:
    return {finding.check: finding.level for finding in examine_targets(survey, is_weighted=False)}


@pytest.mark.parametrize(
    "survey",
    [Survey(_spans(60), _spans(30, seed=1), BIO), Survey(_tags(150), _tags(40, seed=1), NER)],
    ids=["spans", "tags"],
)
def test_sound_spans_and_tags_are_left_alone(survey: Survey) -> None:
    levels = _levels(survey)
    assert set(levels.values()) == {Level.OK}
    assert levels["labels fit texts"] is Level.OK


def test_tags_on_the_wrong_words_are_noticed() -> None:
    survey = Survey(_tags(200, shuffled=True), _tags(40, seed=1), NER)
    assert _levels(survey)["labels fit texts"] is Level.WARN


def test_spans_counted_in_another_text_are_noticed() -> None:
    survey = Survey(_spans(150, shifted=True), _spans(30, seed=1), BIO)
    assert _levels(survey)["span ends"] is Level.WARN


def test_labels_that_only_one_of_the_sets_has_are_named() -> None:
    survey = Survey(
        _split(["a b"] * 40, [("B-LOC", "O")] * 40), _split(["a b"] * 40, [("B-PER", "O")] * 40), (*NER, "B-X", "I-X")
    )
    texts = [finding.text for finding in examine_targets(survey, is_weighted=False) if finding.level is Level.WARN]
    assert any("PER · X" in text and "no train spans" in text for text in texts)
    assert any("training has no example of: PER" in text for text in texts)
    assert any("no example of 1 of 1 labels: LOC" in text for text in texts)


def test_an_eval_set_without_a_span_is_a_fault() -> None:
    survey = Survey(_tags(40), _split(["a b"] * 40, [("O", "O")] * 40), NER)
    assert _levels(survey)["eval set"] is Level.FAULT


def test_texts_that_are_their_own_target_and_ids_without_text_have_nothing_wrong() -> None:
    plain = Survey(_split(["once upon a time"], [None]), _split(["the end"], [None]), ())
    encoded = Survey(_split([""] * 40, [(0, 1, 2)] * 40), _split([""] * 40, [(0, 1)] * 40), NER)
    assert list(examine_targets(plain, is_weighted=False)) == []
    for survey in (plain, encoded):
        assert {finding.level for finding in examine_rows(survey)} == {Level.OK}
    assert "labels fit texts" not in _levels(encoded)
