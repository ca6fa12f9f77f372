"""Cutting long documents into overlapping windows, and which window answers for which token. Knows no model.

In training every window is an example with the labels of all its tokens: tokens in an overlap are learnt in each of
their windows, and a span that a cut goes through begins with I- in the second one, which counts as an entity start.
At evaluation each token is scored once, in the window where it stands furthest from a cut, and entities are counted
on whole documents.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class EncodedSet:
    """Documents as token ids without special tokens, end to end.

    `labels` has the label id of each token (−100: not scored), or one of each document, or none, as the task has it.
    """

    ids: Ints
    labels: Ints
    offsets: Ints
    """Where each document begins, and the end of the last: [documents + 1]."""

    @property
    def num_documents(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows over an EncodedSet in document order, as positions in its flat arrays; all of shape [windows].

    The `own_…` ranges of all windows part the documents' tokens: without overlap, nothing left out.
    """

    start: Ints
    end: Ints
    own_start: Ints
    own_end: Ints

    def __len__(self) -> int:
        return len(self.start)


def cut_windows(offsets: Ints, capacity: int, overlap: int) -> Windows:
    """Windows of at most `capacity` tokens, neighbours sharing `overlap` of them; an empty document has one, empty.

    Raises ValueError when `overlap` leaves no way forward.
    """
    if overlap >= capacity:
        raise ValueError(f"an overlap of {overlap} in windows of {capacity} tokens")
    bounds: list[tuple[int, int, int, int]] = []
    for first, last in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        bounds += _document_windows(first, last, capacity, overlap)
    columns = np.array(bounds, dtype=np.int64).reshape(-1, 4).T
    return Windows(*columns)


def _document_windows(first: int, last: int, capacity: int, overlap: int) -> list[tuple[int, int, int, int]]:
    starts = [first]
    while starts[-1] + capacity < last:
        starts.append(starts[-1] + capacity - overlap)
    ends = [min(start + capacity, last) for start in starts]
    # Halfway between the next window's left cut and this one's right cut both are equally far away.
    borders = [(start + end + 1) // 2 for start, end in zip(starts[1:], ends[:-1], strict=True)]
    return list(zip(starts, ends, [first, *borders], [*borders, last], strict=True))
