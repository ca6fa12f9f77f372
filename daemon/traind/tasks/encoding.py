"""From documents to token ids with a label each. Owns how characters become labels; knows no window and no file.

Of a text every token in a span is labelled, B- first, then I-. Of a word only the first token carries its tag, the
others are −100: the convention of the HF examples.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from traind.data import Document, EncodedDocument, LabelSet, TextDocument, TokenDocument
from traind.data.labels import IGNORED
from traind.tasks.window import EncodedSet

DOCUMENTS_A_BEAT = 64
TOKENLESS = "dropped: no token of its own"
"""A span all of whose tokens belong to the span before it, or that the tokenizer gives no token."""

Labelled = tuple[Sequence[int], Sequence[int]]


def encode_documents(
    documents: Sequence[Document],
    tokenizer: Tokenizer,
    labels: LabelSet,
    framing: tuple[Sequence[int], Sequence[int], int | None],
    alive: Callable[[], None],
) -> tuple[EncodedSet, Counter[str]]:
    """Token and label ids of all documents, and the spans lost by cause.

    `framing` is the special tokens before and after a sequence and the padding token: documents that come as ids
    are stripped of them, as windows put them back. Calls `alive` every `DOCUMENTS_A_BEAT` documents.
    """
    lost: Counter[str] = Counter()
    ids: list[NDArray[np.int64]] = []
    label_ids: list[NDArray[np.int64]] = []
    for begin in range(0, len(documents), DOCUMENTS_A_BEAT):
        alive()
        for of_ids, of_labels in _encode(documents[begin : begin + DOCUMENTS_A_BEAT], tokenizer, labels, framing, lost):
            ids.append(np.asarray(of_ids, dtype=np.int64))
            label_ids.append(np.asarray(of_labels, dtype=np.int64))
    offsets = np.cumsum([0, *(len(of_document) for of_document in ids)], dtype=np.int64)
    return EncodedSet(np.concatenate(ids), np.concatenate(label_ids), offsets), +lost


def _encode(
    documents: Sequence[Document],
    tokenizer: Tokenizer,
    labels: LabelSet,
    framing: tuple[Sequence[int], Sequence[int], int | None],
    lost: Counter[str],
) -> Iterator[Labelled]:
    texts: list[str | list[str]] = []
    for document in documents:
        if isinstance(document, EncodedDocument):
            yield _stripped(document, *framing)
        else:
            texts.append(document.text if isinstance(document, TextDocument) else list(document.tokens))
    if not texts:
        return
    split = isinstance(texts[0], list)
    encodings = tokenizer.encode_batch(texts, is_pretokenized=split, add_special_tokens=False)
    for document, encoding in zip(documents, encodings, strict=True):
        if isinstance(document, TextDocument):
            yield _label_spans(document, encoding, labels, lost)
        elif isinstance(document, TokenDocument):
            yield _label_words(document, encoding, labels, lost)


def _label_spans(document: TextDocument, encoding: Encoding, labels: LabelSet, lost: Counter[str]) -> Labelled:
    label_ids = np.zeros(len(encoding.ids), dtype=np.int64)
    bounds = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
    starts = bounds[:, 0]
    # A token without characters (white space that was trimmed) counts as one, so that it can lie inside a span.
    ends = np.maximum(bounds[:, 1], starts + 1)
    taken = 0
    for span in document.spans:
        first = max(int(np.searchsorted(ends, span.start, side="right")), taken)
        last = int(np.searchsorted(starts, span.end, side="left"))
        if first >= last:
            lost[TOKENLESS] += 1
            continue
        label_ids[first] = labels.begin(span.label)
        label_ids[first + 1 : last] = labels.inside(span.label)
        taken = last
    return encoding.ids, label_ids.tolist()


def _label_words(document: TokenDocument, encoding: Encoding, labels: LabelSet, lost: Counter[str]) -> Labelled:
    label_ids = [IGNORED] * len(encoding.ids)
    seen = -1
    for index, word in enumerate(encoding.word_ids):
        if word is not None and word != seen:
            label_ids[index] = labels.ids[document.tags[word]]
            seen = word
    words = {word for word in encoding.word_ids if word is not None}
    lost[TOKENLESS] += sum(tag != "O" for index, tag in enumerate(document.tags) if index not in words)
    return encoding.ids, label_ids


def _stripped(document: EncodedDocument, prefix: Sequence[int], suffix: Sequence[int], padding: int | None) -> Labelled:
    ids, label_ids = list(document.input_ids), list(document.label_ids)
    while ids and ids[-1] == padding and label_ids[-1] == IGNORED:
        del ids[-1], label_ids[-1]
    if prefix and ids[: len(prefix)] == list(prefix):
        del ids[: len(prefix)], label_ids[: len(prefix)]
    if suffix and ids[-len(suffix) :] == list(suffix):
        del ids[-len(suffix) :], label_ids[-len(suffix) :]
    return ids, label_ids
