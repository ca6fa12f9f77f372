"""A loader worker that ends is named as such, whatever its parent was doing; one that does not start is replaced."""

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor
from torch.utils.data import _utils as torch_loader

from tests.conftest import eventually
from traind import loader
from traind.batch_order import BatchOrder
from traind.loader import WorkerStart, _naming_workers, epoch_steps


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


class Drawn:
    """Examples that differ by the seed of the worker which makes them."""

    train_data = range(16)  # type: ignore[assignment]

    def collate(self, features: Sequence[int]) -> dict[str, Tensor]:
        return {"x": torch.tensor(features) + torch.rand(1)}


def numbers(worker_start: WorkerStart) -> list[list[float]]:
    steps = epoch_steps(
        Drawn(),
        BatchOrder(16, 4, 2, 0),
        epoch=0,
        position=0,
        num_workers=2,
        pin_memory=False,
        worker_start=worker_start,
    )
    return [batch["x"].tolist() for step in steps for batch in step]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "START_S", 1)
    monkeypatch.setattr(torch_loader, "MP_STATUS_CHECK_INTERVAL", 0.1)


@pytest.mark.usefixtures("soon")
def test_a_lock_held_at_the_fork_delays_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """As one of the interpreter's does: the second worker waits for it before any code of ours can run in it."""
    unhindered = numbers(WorkerStart([]))
    caplog.clear()
    lock, is_held, may_go = threading.Lock(), threading.Event(), threading.Event()
    num_forks, is_under_way = 0, False

    def hold() -> None:
        with lock:
            is_held.set()
            may_go.wait()

    def count() -> None:
        nonlocal num_forks
        num_forks += is_under_way

    def wait_for_lock() -> None:
        if is_under_way and num_forks == 2:
            lock.acquire(timeout=20.0)  # else this test would never fail

    os.register_at_fork(before=count, after_in_child=wait_for_lock)  # for good, but nothing once not under way
    threading.Thread(target=hold, daemon=True).start()
    is_held.wait()
    is_under_way = True
    try:
        found = numbers(WorkerStart([]))
    finally:
        is_under_way = False
        may_go.set()
    assert found == unhindered
    assert "loader workers do not start: all are started anew" in caplog.text
    eventually(lambda: not multiprocessing.active_children())


@pytest.mark.usefixtures("soon")
def test_what_fails_in_a_worker_at_its_start_is_told() -> None:
    closed = os.open(os.devnull, os.O_RDONLY)
    os.close(closed)
    with pytest.raises(OSError, match="Bad file descriptor"):
        numbers(WorkerStart([closed]))
