"""Windows as training examples and as padded batches. Small picklable objects: loader workers get nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from traind.data.labels import IGNORED
from traind.tasks.window import EncodedSet, Ints, Windows

Feature = tuple[Ints, Ints]
"""Token ids and label ids of one window, special tokens included."""
Batch = dict[str, Tensor]


class WindowDataset(Dataset[Feature]):
    """The windows of a set of documents; an example is made when it is asked for."""

    def __init__(self, encoded: EncodedSet, windows: Windows, prefix: Sequence[int], suffix: Sequence[int]) -> None:
        self._encoded, self._windows = encoded, windows
        self._prefix, self._suffix = np.array(prefix, dtype=np.int64), np.array(suffix, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> Feature:
        content = slice(int(self._windows.start[index]), int(self._windows.end[index]))
        ids = np.concatenate([self._prefix, self._encoded.ids[content], self._suffix])
        labels = np.full(len(ids), IGNORED, dtype=np.int64)
        labels[len(self._prefix) : len(ids) - len(self._suffix)] = self._encoded.labels[content]
        return ids, labels


@dataclass(frozen=True, slots=True)
class Collator:
    """Pads windows to the longest of them: the padding token, attention 0, labels −100."""

    pad_token_id: int

    def __call__(self, features: Sequence[Feature]) -> Batch:
        """`input_ids`, `attention_mask`, `labels`: int64, [windows, tokens]."""
        shape = (len(features), max(len(ids) for ids, _ in features))
        input_ids = np.full(shape, self.pad_token_id, dtype=np.int64)
        attention = np.zeros(shape, dtype=np.int64)
        labels = np.full(shape, IGNORED, dtype=np.int64)
        for row, (ids, label_ids) in enumerate(features):
            input_ids[row, : len(ids)] = ids
            attention[row, : len(ids)] = 1
            labels[row, : len(ids)] = label_ids
        arrays = {"input_ids": input_ids, "attention_mask": attention, "labels": labels}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def ordered_batches(dataset: WindowDataset, collate: Collator, batch_size: int) -> Iterator[Batch]:
    """All windows in their order, without a DataLoader: nothing here draws a random number."""
    for begin in range(0, len(dataset), batch_size):
        yield collate([dataset[index] for index in range(begin, min(begin + batch_size, len(dataset)))])
