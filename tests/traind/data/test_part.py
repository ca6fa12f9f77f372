"""A part of a corpus: how much, which, and that it is told."""

from traind.data.classes import ClassSet
from traind.data.part import CHARACTERS_A_TEXT, part_of
from traind.data.plain_corpus import PlainCorpus, PlainText
from traind.data.text_corpus import LabelledText, TextCorpus


def _texts(count: int) -> list[LabelledText]:
    return [LabelledText(f"text {index}", index * 2 // count, f"line {index}") for index in range(count)]


def test_a_corpus_sorted_by_label_is_drawn_from_all_over_and_stays_in_order() -> None:
    corpus = TextCorpus(_texts(400), _texts(20), ClassSet(("a", "b")), {}, {"train": "f00"})
    part, share = part_of(corpus, 100)
    assert isinstance(part, TextCorpus)
    assert share == {"train": 0.25, "eval": 1.0}
    assert (len(part.train), part.eval) == (100, corpus.eval)
    assert {30 < sum(one.label == label for one in part.train) < 70 for label in (0, 1)} == {True}
    assert part.train == sorted(part.train, key=corpus.train.index)
    assert part == part_of(corpus, 100)[0]
    assert (part.labels, part.hashes) == (corpus.labels, corpus.hashes)


def test_plain_texts_count_by_their_characters_be_it_one_or_many() -> None:
    most = 10 * CHARACTERS_A_TEXT
    one, many = PlainText("x" * (4 * most), "one"), [PlainText("y" * 100, f"line {index}") for index in range(200)]
    part, share = part_of(PlainCorpus([one], many, {}, {}), 10)
    assert isinstance(part, PlainCorpus)
    assert share == {"train": 0.25, "eval": most / 20_000}
    assert [text.text for text in part.train] == ["x" * most]
    assert sum(len(text.text) for text in part.eval) == most
    small = PlainCorpus([PlainText("a few words", "")], [PlainText("", "")], {}, {})
    assert part_of(small, 10) == (small, {"train": 1.0, "eval": 1.0})
