"""The order of training: every example once an epoch, the same from any position and for any number of processes."""

from dataclasses import replace

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


@given(orders, st.integers(0, 3), st.integers(0, 10), st.integers(1, 9))
def test_ranks_share_the_steps_of_a_single_process(
    order: BatchOrder, epoch: int, position: int, num_ranks: int
) -> None:
    """The same examples in the same steps, also where a step has fewer of them than there are ranks."""
    alone = order.micro_batches(epoch, position)
    parts = [replace(order, rank=rank, num_ranks=num_ranks).micro_batches(epoch, position) for rank in range(num_ranks)]
    for step, mine in enumerate(alone):
        shares = [part[step] for part in parts]
        assert [i for share in shares for batch in share for i in batch] == [i for batch in mine for i in batch]
        sizes = [sum(len(batch) for batch in share) for share in shares]
        assert max(sizes) - min(sizes) <= 1
        assert all(1 <= len(batch) <= order.batch_size for share in shares for batch in share)


def test_whole_micro_batches_are_shared_where_they_divide() -> None:
    order = BatchOrder(64, 4, 4, seed=1)
    halves = [replace(order, rank=rank, num_ranks=2).micro_batches(0, 0) for rank in (0, 1)]
    assert [a + b for a, b in zip(*halves, strict=True)] == order.micro_batches(0, 0)


def test_ranks_draw_dropout_of_their_own() -> None:
    assert dropout_seed(42, 7, 1, rank=0) == FROZEN_SEED
    assert len({dropout_seed(42, 7, 1, rank) for rank in range(8)}) == 8


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
