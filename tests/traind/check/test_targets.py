"""Labels of spans and tags; those of whole texts are in the table of planted faults."""

import json
import random
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import pytest

from traind.check.connection import MAX_CLASSES, examine_connection
from traind.check.data import examine_early
from traind.check.finding import Finding, Level
from traind.check.probe import MAX_ROWS
from traind.check.rows import examine_rows
from traind.check.spans import examine_boundaries, span_labels
from traind.check.targets import examine_targets
from traind.config import Config, Data, Model
from traind.data import load_corpus
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


def _findings(survey: Survey, *, is_held_out: bool = False) -> list[Finding]:
    return list(examine_targets(survey, is_weighted=False, is_held_out=is_held_out))


def _levels(survey: Survey) -> dict[str, Level]:
    """The worst of each check."""
    order = list(Level)
    levels: dict[str, Level] = {}
    for finding in _findings(survey):
        levels[finding.check] = max(finding.level, levels.get(finding.check, Level.OK), key=order.index)
    return levels


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
    texts = [finding.text for finding in _findings(survey) if finding.level is Level.WARN]
    assert any("PER · X" in text and "no train spans" in text for text in texts)
    assert any("training has no example of: PER" in text for text in texts)
    assert any("no example of 1 of 1 labels: LOC" in text for text in texts)


def test_labels_that_differ_only_in_case_are_noticed() -> None:
    train = _split([f"text {i}" for i in range(40)], ["Happy", "happy", "sad", "Sad", "calm"] * 8)
    evaluation = _split([f"other {i}" for i in range(40)], ["Happy", "happy", "sad", "CALM"] * 10)
    survey = Survey(train, evaluation, ("CALM", "Happy", "Sad", "calm", "happy", "sad"))
    (found,) = [finding for finding in _findings(survey) if finding.check == "label names"]
    assert found.level is Level.WARN
    assert "CALM 10 / calm 8 · Happy 18 / happy 18 · Sad 8 / sad 18" in found.text
    assert "write each label in one way" in found.cure


def test_an_eval_set_without_a_span_is_a_fault() -> None:
    survey = Survey(_tags(40), _split(["a b"] * 40, [("O", "O")] * 40), NER)
    assert _levels(survey)["eval set"] is Level.FAULT


def test_texts_that_are_their_own_target_and_ids_without_text_have_nothing_wrong() -> None:
    plain = Survey(_split(["once upon a time"], [None]), _split(["the end"], [None]), ())
    ids = [(-100, 0, 1, 2, -100), (3, 0, 4, -100)] * 20
    encoded = Survey(_split([""] * 40, ids), _split([""] * 40, ids), NER)
    assert _findings(plain) == []
    for survey in (plain, encoded):
        assert {finding.level for finding in examine_rows(survey)} == {Level.OK}
    assert set(_levels(encoded).values()) == {Level.OK}
    assert "labels fit texts" not in _levels(encoded)


@pytest.mark.parametrize(
    ("target", "labels"),
    [
        (("I-LOC", "I-LOC", "O", "I-PER"), ["LOC", "PER"]),  # IOB1
        (("I-LOC", "B-LOC", "I-PER", "O", "I-PER"), ["LOC", "LOC", "PER", "PER"]),
        (("B-LOC", "I-LOC", "B-LOC", "O"), ["LOC", "LOC"]),
        ((-100, 1, -100, 2, 0, 4, -100, 4, -100), ["LOC", "PER"]),
        ((Span(0, 3, "X"), Span(4, 5, "Y")), ["X", "Y"]),
        (("O", "O"), []),
        ((), []),
    ],
)
def test_spans_are_counted_in_every_form_they_come_in(target: tuple[Hashable, ...], labels: list[str]) -> None:
    assert list(span_labels(target, NER)) == labels


def test_tags_that_begin_with_i_are_as_good_as_others() -> None:
    train, evaluation = _tags(150), _tags(40, seed=1)
    of = [
        _split(split.texts, [tuple(tag.replace("B-", "I-") for tag in tags) for tags in split.targets])  # type: ignore[attr-defined]
        for split in (train, evaluation)
    ]
    assert set(_levels(Survey(*of, NER)).values()) == {Level.OK}


def test_a_train_set_without_a_span_is_a_fault() -> None:
    for target in (("O", "O"), (0, -100), ()):
        survey = Survey(_split(["a b"] * 40, [target] * 40), _tags(40), NER)
        assert [(f.check, f.level) for f in _findings(survey)] == [("labels", Level.FAULT)]


@pytest.mark.parametrize(
    ("evaluation", "level", "said"),
    [
        (_split(["a b"] * 40, [("B-LOC", "O")] * 40), Level.WARN, "no example of 1 of 2 labels: PER"),
        (_split(["a b"], [("O", "O")]), Level.WARN, "1 texts without a span"),
        (_split(["a b"] * 40, [("O", "O")] * 40), Level.FAULT, "40 texts without a span"),
    ],
)
def test_an_eval_set_of_spans_is_refused_only_where_there_are_many_texts_and_none(
    evaluation: Split, level: Level, said: str
) -> None:
    found = [f for f in _findings(Survey(_tags(40), evaluation, NER)) if f.check == "eval set"]
    assert {f.level for f in found} == {level}
    assert said in found[0].text
    assert "always scores 100%" not in found[0].text


@pytest.mark.parametrize(
    ("count", "level", "is_held_out", "cure"),
    [
        (2, Level.WARN, True, "raise data.eval_fraction"),
        (2, Level.WARN, False, "larger data.eval"),
        (30, Level.FAULT, True, "raise data.eval_fraction"),
        (30, Level.FAULT, False, "mix the rows"),
    ],
)
def test_an_eval_set_of_one_label_is_a_fault_from_thirty_rows_on(
    count: int, level: Level, is_held_out: bool, cure: str
) -> None:
    train = _split([f"text {index}" for index in range(20)], ["food", "sea"] * 10)
    survey = Survey(train, _split(["other text"] * count, ["sea"] * count), ("food", "sea"))
    found = [f for f in _findings(survey, is_held_out=is_held_out) if f.check == "eval set"]
    assert {f.level for f in found} == {level}
    assert all(cure in f.cure for f in found)


def test_spans_of_scripts_that_do_not_part_words_are_left_alone() -> None:
    for text in ("ฉันไปกรุงเทพเมื่อวาน", "ຂ້ອຍຢູ່ວຽງຈັນ", "ကျွန်တော်ရန်ကုန်မှာ", "ខ្ញុំនៅភ្នំពេញ", "東京都に行く", "서울에서"):
        spans = (Span(1, 3, "LOC"), Span(4, len(text) - 1, "LOC"))
        assert [f.level for f in examine_boundaries(_split([text], [spans]))] == [Level.OK], text
    assert [f.level for f in examine_boundaries(_split(["seaside"], [(Span(1, 3, "LOC"),)]))] == [Level.WARN]


class _Counted(Sequence[str]):
    """Texts that count how often one is looked into."""

    def __init__(self, num_texts: int) -> None:
        self.num_texts, self.num_reads = num_texts, 0

    def __len__(self) -> int:
        return self.num_texts

    def __getitem__(self, index: Any) -> Any:
        self.num_reads += 1
        return f"Rome saw word{index % 50}"


@pytest.mark.parametrize("targets", [["a", "b"], [("B-LOC", "O", "O"), ("O", "O", "B-PER")]], ids=["rows", "tags"])
def test_no_more_texts_are_split_than_the_probe_takes(targets: list[Hashable]) -> None:
    texts = _Counted(40_000)
    train = Split(texts, targets * 20_000, range(40_000))  # type: ignore[arg-type]  # places that nobody reads
    assert len(list(examine_connection(Survey(train, train, NER)))) == 1
    assert texts.num_reads <= MAX_ROWS


def test_many_labels_are_not_looked_at_in_a_matrix_of_gigabytes() -> None:
    rows = 4 * MAX_CLASSES
    many = _split([f"text {index % 7}" for index in range(rows)], [f"label {index // 2}" for index in range(rows)])
    (finding,) = examine_connection(Survey(many, many, ()))
    assert finding.level is Level.OK
    assert "not looked at" in finding.text


@pytest.mark.parametrize(
    "record",
    [
        {"input_ids": [101, 7, 8, 9, 102], "labels": [-100, 1, 2, 0, -100]},
        {"tokens": ["Rome", "is", "Rome"], "ner_tags": ["I-LOC", "O", "I-LOC"]},
    ],
    ids=["ids", "IOB1"],
)
def test_no_form_of_spans_that_the_loader_takes_is_refused_at_the_start(
    tmp_path: Path, record: dict[str, object]
) -> None:
    data = tmp_path / "train.jsonl"
    data.write_text(f"{json.dumps(record)}\n" * 400, encoding="utf-8")
    config = Config(data=Data(train=str(data)), model=Model(pretrained="x"))
    findings = examine_early(config, load_corpus(config).survey())
    faults = {finding.check for finding in findings if finding.level is Level.FAULT}
    assert faults <= {"leakage"}  # all are alike
    (counts,) = (finding.text for finding in findings if finding.check == "labels")
    assert not counts.startswith("0 ")
