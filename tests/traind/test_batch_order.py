"""The order of training: every example once an epoch, the same from any position."""

from hypothesis import given
from hypothesis import strategies as st

from traind.batch_order import BatchOrder, dropout_seed

orders = st.builds(
    BatchOrder,
    num_examples=st.integers(1, 200),
    batch_size=st.integers(1, 17),
    accumulation=st.integers(1, 5),
    seed=st.integers(0, 2**63 - 1),
)


@given(orders, st.integers(0, 5))
def test_an_epoch_holds_every_example_once(order: BatchOrder, epoch: int) -> None:
    steps = order.micro_batches(epoch, 0)
    assert len(steps) == order.steps_per_epoch
    assert sorted(index for step in steps for batch in step for index in batch) == list(range(order.num_examples))
    assert all(len(batch) <= order.batch_size for step in steps for batch in step)
    assert all(1 <= len(step) <= order.accumulation for step in steps)


@given(orders, st.integers(0, 5), st.integers(0, 50))
def test_the_rest_of_an_epoch_does_not_depend_on_where_one_begins(order: BatchOrder, epoch: int, position: int) -> None:
    assert order.micro_batches(epoch, position) == order.micro_batches(epoch, 0)[position:]


def test_epochs_and_seeds_differ() -> None:
    order = BatchOrder(100, 4, 2, seed=1)
    assert order.micro_batches(0, 0) != order.micro_batches(1, 0)
    assert order.micro_batches(0, 0) != BatchOrder(100, 4, 2, seed=2).micro_batches(0, 0)


def test_the_permutation_is_frozen() -> None:
    """A change here would break the exact resume of runs begun before it."""
    assert BatchOrder(10, 3, 1, seed=42).permutation(0).tolist() == FROZEN
    assert dropout_seed(42, 7, 1) == FROZEN_SEED


FROZEN = [5, 6, 0, 7, 3, 2, 4, 9, 1, 8]
FROZEN_SEED = 4914442648729745993
