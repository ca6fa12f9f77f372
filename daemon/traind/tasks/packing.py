"""Documents end to end as one stream of tokens, cut into windows whose every token predicts the next. Knows no model.

The stream begins as if a document had ended before it, so that the first token, too, is predicted. Neighbouring windows
share tokens; in training these are learnt in both of them, at evaluation each is scored once: in the first window that
has it, where most of its past stands before it.
"""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Dataset

from traind.data.labels import IGNORED
from traind.tasks.features import Batch, Collator, Feature
from traind.tasks.window import Ints, Windows, cut_windows


def causal_windows(num_targets: int, capacity: int, overlap: int) -> Windows:
    """Windows over the targets of a stream; each owns what no window before it has. Raises what `cut_windows` does."""
    cut = cut_windows(np.array([0, num_targets], dtype=np.int64), capacity, overlap)
    return Windows(cut.start, cut.end, np.concatenate([cut.start[:1], cut.end[:-1]]), cut.end)


class PackedDataset(Dataset[Feature]):
    """The windows of a stream; an example is made when it is asked for. Picklable: loader workers get it."""

    def __init__(self, ids: Ints, first: int, windows: Windows, *, own_only: bool) -> None:
        """`ids` are the targets; `first` stands before them. `own_only`: what an earlier window has is not scored."""
        self._ids, self._first = ids, first
        self._windows, self._own_only = windows, own_only

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> Feature:
        """Inputs and labels, [tokens] each: `labels[t]` is the token after `inputs[t]`, or −100."""
        start, end = int(self._windows.start[index]), int(self._windows.end[index])
        labels = self._ids[start:end].copy()
        inputs = np.empty_like(labels)
        inputs[0] = self._ids[start - 1] if start else self._first
        inputs[1:] = labels[:-1]
        if self._own_only:
            labels[: int(self._windows.own_start[index]) - start] = IGNORED
        return inputs, labels


def packed_batches(dataset: PackedDataset, collate: Collator, batch_size: int) -> Iterator[Batch]:
    """All windows in their order, without a DataLoader: nothing here draws a random number."""
    for begin in range(0, len(dataset), batch_size):
        yield collate([dataset[index] for index in range(begin, min(begin + batch_size, len(dataset)))])
