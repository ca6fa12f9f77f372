"""Windows over a stream of tokens: each token predicted once at evaluation, from what stands before it."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traind.data.labels import IGNORED
from traind.tasks.features import Collator
from traind.tasks.packing import PackedDataset, causal_windows, packed_batches

FIRST, PAD = 99, 98

SHAPES = st.tuples(st.integers(1, 60), st.integers(1, 12), st.integers(0, 11)).filter(lambda one: one[2] < one[1])
"""Tokens of a stream, tokens a window, tokens shared."""


def dataset(num_tokens: int, capacity: int, overlap: int, *, own_only: bool) -> PackedDataset:
    """Every token of the stream is another one: its own position."""
    windows = causal_windows(num_tokens, capacity, overlap)
    return PackedDataset(np.arange(num_tokens, dtype=np.int64), FIRST, windows, own_only=own_only)


@given(SHAPES)
def test_every_token_is_predicted_exactly_once_at_evaluation(shape: tuple[int, int, int]) -> None:
    packed = dataset(*shape, own_only=True)
    scored = [int(label) for index in range(len(packed)) for label in packed[index][1] if label != IGNORED]
    assert scored == list(range(shape[0]))


@given(SHAPES)
def test_labels_are_the_tokens_after_the_inputs(shape: tuple[int, int, int]) -> None:
    packed = dataset(*shape, own_only=False)
    for index in range(len(packed)):
        inputs, labels = packed[index]
        assert len(inputs) == len(labels) <= shape[1]
        assert inputs[1:].tolist() == labels[:-1].tolist()
        assert inputs[0] == (FIRST if labels[0] == 0 else labels[0] - 1)
        assert labels.tolist() == list(range(labels[0], labels[-1] + 1))


@given(SHAPES)
def test_neighbours_share_the_overlap_and_training_learns_it_twice(shape: tuple[int, int, int]) -> None:
    num_tokens, _, overlap = shape
    packed = dataset(*shape, own_only=False)
    labels = [packed[index][1] for index in range(len(packed))]
    for one, following in pairwise(labels):
        assert len(np.intersect1d(one, following)) == overlap
    assert sum(map(len, labels)) == num_tokens + overlap * (len(labels) - 1)


@given(SHAPES)
def test_a_token_is_scored_with_as_much_past_as_any_window_gives_it(shape: tuple[int, int, int]) -> None:
    packed = dataset(*shape, own_only=True)
    for index in range(1, len(packed)):
        labels = packed[index][1]
        first = int((labels != IGNORED).argmax())
        assert first == shape[2], "what the window before it has is its past"


def test_an_overlap_without_a_way_forward_is_refused() -> None:
    with pytest.raises(ValueError, match="an overlap of 8 in windows of 8 tokens"):
        causal_windows(20, 8, 8)


@given(SHAPES, st.integers(1, 5))
def test_batches_hold_every_window_once_in_order_and_padded(shape: tuple[int, int, int], batch_size: int) -> None:
    packed = dataset(*shape, own_only=True)
    batches = list(packed_batches(packed, Collator(PAD), batch_size))
    scored = [int(label) for batch in batches for label in batch["labels"].flatten() if label != IGNORED]
    assert scored == list(range(shape[0]))
    for batch in batches:
        assert (batch["labels"][batch["attention_mask"] == 0] == IGNORED).all()
        assert ((batch["input_ids"] == PAD) == (batch["attention_mask"] == 0)).all()
