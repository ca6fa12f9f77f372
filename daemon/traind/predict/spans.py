"""Spans of texts: windows as at evaluation, each token answered for by one of them, labels joined to spans."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from traind.predict.model import Ready
from traind.predict.result import Span, Spans, readable
from traind.tasks.features import Collator, WindowDataset, ordered_batches
from traind.tasks.tokenizer import bare
from traind.tasks.window import EncodedSet, Windows, cut_windows

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one text in order, and what the model says of each."""

    label_ids: Sequence[int]
    scores: Sequence[float]
    offsets: Sequence[tuple[int, int]]
    """Characters [start, end)."""
    counts: Sequence[bool]
    """Whether a token's label is listened to; the others belong to the word of the one before."""


class SpanFinder:
    """Token classification of texts."""

    def __init__(self, ready: Ready, *, first_of_word: bool, batch_size: int) -> None:
        """`first_of_word`: the model learnt a label for the first token of each word alone (CoNLL and the like)."""
        self._ready = ready
        self._core = bare(ready.tokenizer)
        self._first_of_word = first_of_word
        self._batch_size = batch_size
        self._names = ready.labels

    def predict(self, texts: Sequence[str]) -> list[Spans]:
        encodings = self._core.encode_batch(list(texts), add_special_tokens=False)
        offsets = np.cumsum([0, *(len(encoding.ids) for encoding in encodings)], dtype=np.int64)
        flat = np.array([token for encoding in encodings for token in encoding.ids], dtype=np.int64)
        label_ids, scores = self._answers(EncodedSet(flat, np.zeros(len(flat), dtype=np.int64), offsets))
        results = []
        for index, (text, encoding) in enumerate(zip(texts, encodings, strict=True)):
            part = slice(int(offsets[index]), int(offsets[index + 1]))
            words = encoding.word_ids
            counts = [
                not self._first_of_word or place == 0 or words[place] != words[place - 1]
                for place in range(len(encoding.ids))
            ]
            tokens = Tokens(label_ids[part].tolist(), scores[part].tolist(), encoding.offsets, counts)
            results.append(Spans(text, spans_of(text, tokens, self._names)))
        return results

    def _answers(self, encoded: EncodedSet) -> tuple[Ints, Floats]:
        """Label id and its probability for each token, from the window in which it stands furthest from a cut."""
        ready = self._ready
        windows = cut_windows(encoded.offsets, ready.capacity, ready.stride)
        data = WindowDataset(encoded, windows, ready.prefix, ready.suffix)
        label_ids, scores = np.zeros(len(encoded.ids), dtype=np.int64), np.zeros(len(encoded.ids), dtype=np.float32)
        position = 0
        collate = Collator(ready.pad_token_id)
        for batch in ordered_batches(data, collate, self._batch_size):
            best = ready.logits(batch).softmax(dim=-1).max(dim=-1)
            of_window = zip(best.indices.cpu().numpy(), best.values.cpu().numpy(), strict=True)
            for index, (ids, values) in enumerate(of_window, start=position):
                own, columns = _own(windows, index, len(ready.prefix))
                label_ids[own], scores[own] = ids[columns], values[columns]
            position += len(batch["input_ids"])
        return label_ids, scores


def _own(windows: Windows, index: int, num_prefix: int) -> tuple[slice, slice]:
    """The tokens that a window answers for: in the flat arrays, and in the window's row."""
    start, own_start, own_end = (int(column[index]) for column in (windows.start, windows.own_start, windows.own_end))
    return slice(own_start, own_end), slice(own_start - start + num_prefix, own_end - start + num_prefix)


def spans_of(text: str, tokens: Tokens, names: Sequence[str]) -> list[Span]:
    """Labels joined as they are counted at evaluation: an I- that continues nothing of its type begins a span."""
    found: list[tuple[str, int, int, list[float]]] = []
    is_open = False
    for label_id, score, (start, end), counts in zip(
        tokens.label_ids, tokens.scores, tokens.offsets, tokens.counts, strict=True
    ):
        prefix, type_name = _parts(names[label_id])
        if not counts:
            if is_open:
                name, first, _, scores = found[-1]
                found[-1] = (name, first, end, scores)
        elif not type_name:
            is_open = False
        elif is_open and prefix == "I" and found[-1][0] == type_name:
            name, first, _, scores = found[-1]
            found[-1] = (name, first, end, [*scores, score])
        else:
            found.append((type_name, start, end, [score]))
            is_open = True
    spans = (_span(text, *parts) for parts in found)
    return [span for span in spans if span.text]  # white space alone can be a token, and labelled


def _parts(label: str) -> tuple[str, str]:
    """B- or I- and the type; of a model without them every label continues itself."""
    if label == "O":
        return "", ""
    prefix, dash, type_name = label.partition("-")
    return (prefix, type_name) if dash and prefix in ("B", "I") else ("I", label)


def _span(text: str, label: str, start: int, end: int, scores: Sequence[float]) -> Span:
    inside = text[start:end]
    # Some tokenizers count the space before a word as the word's.
    start, end = end - len(inside.lstrip()), start + len(inside.rstrip())
    return Span(text[start : max(start, end)], label, readable(float(np.mean(scores))), start, max(start, end))
