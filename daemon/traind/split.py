"""Batches cut into smaller ones, in the same order. Pure."""

from collections.abc import Sequence

from traind.task import Batch


def size_of(batch: Batch) -> int:
    """Its examples: the first dimension of its tensors."""
    return len(next(iter(batch.values())))


def widest(batches: Sequence[Batch]) -> int:
    """Examples of the largest one."""
    return max(map(size_of, batches))


def split_all(batches: Sequence[Batch], size: int | None) -> list[Batch]:
    """The same examples in the same order, at most `size` a batch; None leaves them as they are."""
    if size is None:
        return list(batches)
    return [
        {name: tensor[start : start + size] for name, tensor in batch.items()}
        for batch in batches
        for start in range(0, size_of(batch), size)
    ]
