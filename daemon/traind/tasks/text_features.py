"""Texts as training examples and as padded batches, and how they become token ids. Small picklable objects."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import Dataset

from traind.data.text_corpus import LabelledText
from traind.tasks.window import EncodedSet, Ints

TEXTS_A_BEAT = 256
Feature = tuple[Ints, int]
"""The token ids of a text, special tokens included, and its class."""
Batch = dict[str, Tensor]


def encode_texts(texts: Sequence[LabelledText], tokenizer: Tokenizer, alive: Callable[[], None]) -> EncodedSet:
    """Token ids of whole texts, without special tokens, and one class each. Calls `alive` every `TEXTS_A_BEAT`."""
    ids: list[NDArray[np.int64]] = []
    for begin in range(0, len(texts), TEXTS_A_BEAT):
        alive()
        batch = [one.text for one in texts[begin : begin + TEXTS_A_BEAT]]
        encodings = tokenizer.encode_batch(batch, add_special_tokens=False)
        ids += [np.asarray(encoding.ids, dtype=np.int64) for encoding in encodings]
    offsets = np.cumsum([0, *(len(of_text) for of_text in ids)], dtype=np.int64)
    labels = np.array([one.label for one in texts], dtype=np.int64)
    return EncodedSet(np.concatenate(ids), labels, offsets)


class TextDataset(Dataset[Feature]):
    """The texts of a set in its order, each cut at its end to `capacity` tokens; special tokens come on top."""

    def __init__(self, encoded: EncodedSet, capacity: int, prefix: Sequence[int], suffix: Sequence[int]) -> None:
        self._encoded, self._capacity = encoded, capacity
        self._prefix, self._suffix = np.array(prefix, dtype=np.int64), np.array(suffix, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._encoded.labels)

    def __getitem__(self, index: int) -> Feature:
        start, end = self._encoded.offsets[index : index + 2].tolist()
        content = self._encoded.ids[start : min(end, start + self._capacity)]
        return np.concatenate([self._prefix, content, self._suffix]), int(self._encoded.labels[index])

    @property
    def num_truncated(self) -> int:
        """Texts that lost their end."""
        return int((np.diff(self._encoded.offsets) > self._capacity).sum())


@dataclass(frozen=True, slots=True)
class TextCollator:
    """Pads texts to the longest of them: the padding token, attention 0."""

    pad_token_id: int

    def __call__(self, features: Sequence[Feature]) -> Batch:
        """`input_ids`, `attention_mask`: int64, [texts, tokens]; `labels`: int64, [texts]."""
        # Where a tokenizer frames nothing, an empty text has no token at all; one padding token stands for it.
        rows = [ids if len(ids) else np.array([self.pad_token_id], dtype=np.int64) for ids, _ in features]
        shape = (len(rows), max(map(len, rows)))
        input_ids = np.full(shape, self.pad_token_id, dtype=np.int64)
        attention = np.zeros(shape, dtype=np.int64)
        for row, ids in enumerate(rows):
            input_ids[row, : len(ids)] = ids
            attention[row, : len(ids)] = 1
        arrays = {"input_ids": input_ids, "attention_mask": attention}
        batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return {**batch, "labels": torch.tensor([label for _, label in features], dtype=torch.int64)}


def ordered_batches(dataset: TextDataset, collate: TextCollator, batch_size: int) -> Iterator[Batch]:
    """All texts in their order, without a DataLoader: nothing here draws a random number."""
    for begin in range(0, len(dataset), batch_size):
        yield collate([dataset[index] for index in range(begin, min(begin + batch_size, len(dataset)))])
