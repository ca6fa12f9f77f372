"""A loader worker that ends is named as such, whatever its parent was doing."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from traind.loader import _naming_workers


def batches(error: BaseException | None) -> Iterator[dict[str, Tensor]]:
    yield {"x": torch.zeros(1)}
    if error is not None:
        raise error


@pytest.mark.parametrize("error", [EOFError(), ConnectionResetError(104, "reset by peer")])
def test_a_batch_that_is_cut_off_is_the_end_of_a_worker(error: BaseException) -> None:
    found = _naming_workers(batches(error))
    next(found)
    with pytest.raises(RuntimeError, match=f"DataLoader worker has ended .*{type(error).__name__}"):
        next(found)


def test_all_else_passes() -> None:
    assert len(list(_naming_workers(batches(None)))) == 1
    with pytest.raises(KeyError):
        list(_naming_workers(batches(KeyError("a fault of the user's data set"))))
