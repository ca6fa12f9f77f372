"""The baseline without a model: mark every longest stretch of words that was a span somewhere in training."""

from collections import Counter, defaultdict

import numpy as np

from traind.tasks.window import EncodedSet, Ints

Word = tuple[int, ...]


def lexicon_predictions(train: EncodedSet, evaluation: EncodedSet) -> Ints:
    """The predicted label of every scored token of `evaluation`, in order. Left to right, the longest match wins.

    A stretch that had several types in training gets its most frequent one, of equal ones that of the lower id.
    """
    lexicon: dict[tuple[Word, ...], Counter[int]] = defaultdict(Counter)
    for words, labels in _documents(train):
        for begin, end in _entities(labels):
            lexicon[tuple(words[begin:end])][(labels[begin] + 1) // 2] += 1
    types = {key: min(counts, key=lambda t: (-counts[t], t)) for key, counts in lexicon.items()}
    longest: dict[Word, int] = defaultdict(int)
    for key in types:
        longest[key[0]] = max(longest[key[0]], len(key))
    predicted: list[int] = []
    for words, _ in _documents(evaluation):
        predicted += _match(words, types, longest)
    return np.array(predicted, dtype=np.int64)


def _match(words: list[Word], types: dict[tuple[Word, ...], int], longest: dict[Word, int]) -> list[int]:
    labels = [0] * len(words)
    position = 0
    while position < len(words):
        reach = min(longest.get(words[position], 0), len(words) - position)
        for length in range(reach, 0, -1):
            kind = types.get(tuple(words[position : position + length]))
            if kind is not None:
                labels[position] = 2 * kind - 1
                labels[position + 1 : position + length] = [2 * kind] * (length - 1)
                position += length
                break
        else:
            position += 1
    return labels


def _documents(encoded: EncodedSet) -> list[tuple[list[Word], list[int]]]:
    """Each document's scored tokens, with the unscored ones that follow joined to them, and their labels."""
    documents = []
    for first, last in zip(encoded.offsets[:-1].tolist(), encoded.offsets[1:].tolist(), strict=True):
        labels = encoded.labels[first:last]
        ids = encoded.ids[first:last].tolist()
        scored = np.flatnonzero(labels >= 0).tolist()
        words = (
            [tuple(ids[begin:end]) for begin, end in zip(scored, [*scored[1:], len(ids)], strict=True)]
            if scored
            else []
        )
        documents.append((words, labels[scored].tolist()))
    return documents


def _entities(labels: list[int]) -> list[tuple[int, int]]:
    entities = []
    begin = None
    for position, label in enumerate([*labels, 0]):
        goes_on = begin is not None and label > 0 and label % 2 == 0 and label == (labels[begin] + 1) // 2 * 2
        if goes_on:
            continue
        if begin is not None:
            entities.append((begin, position))
        begin = position if label > 0 else None
    return entities
