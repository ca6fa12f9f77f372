"""A part of a corpus, to be looked at in seconds where the whole would take minutes. Pure; the whole is not changed."""

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Any

from traind.data.corpus import AnyCorpus
from traind.data.plain_corpus import PlainText

CHARACTERS_A_TEXT = 400
"""What counts as one text where texts are cut from one another anyway."""


def part_of(corpus: AnyCorpus, most_texts: int) -> tuple[AnyCorpus, Mapping[str, float]]:
    """The corpus with at most so many texts a set, and the share of each set (train, eval) that it has.

    They are drawn at random, always the same, and stay in their order: a file may be sorted by label. Plain texts, of
    which there may be one alone, count by their characters.
    """
    sets: Any = corpus
    train, of_train = _part(sets.train, most_texts)
    evaluation, of_eval = _part(sets.eval, most_texts)
    return dataclasses.replace(sets, train=train, eval=evaluation), {"train": of_train, "eval": of_eval}


def _part(documents: Sequence[Any], most_texts: int) -> tuple[list[Any], float]:
    if documents and isinstance(documents[0], PlainText):
        return _first_characters(documents, most_texts * CHARACTERS_A_TEXT)
    if len(documents) <= most_texts:
        return list(documents), 1.0
    chosen = sorted(random.Random(0).sample(range(len(documents)), most_texts))
    return [documents[index] for index in chosen], most_texts / len(documents)


def _first_characters(documents: Sequence[PlainText], most: int) -> tuple[list[PlainText], float]:
    total = sum(len(document.text) for document in documents)
    if total <= most:
        return list(documents), 1.0
    chosen: dict[int, PlainText] = {}
    rest = most
    for index in random.Random(0).sample(range(len(documents)), len(documents)):
        chosen[index] = dataclasses.replace(documents[index], text=documents[index].text[:rest])
        rest -= len(chosen[index].text)
        if not rest:
            break
    return [chosen[index] for index in sorted(chosen)], most / total
