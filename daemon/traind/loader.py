"""Micro-batches of an epoch from a given position on, by worker processes that never outlive the trainer."""

import ctypes
import os
import signal
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from traind.batch_order import BatchOrder

_PR_SET_PDEATHSIG = 1


class Source(Protocol):
    """What the loader needs of a task."""

    @property
    def train_data(self) -> Dataset[Any]: ...

    def collate(self, features: Sequence[Any]) -> dict[str, Tensor]: ...


class WorkerStart:
    """Runs first in every loader worker: it keeps no lock and no pipe of the trainer, and dies with it."""

    def __init__(self, inherited_fds: Sequence[int]) -> None:
        self._fds = tuple(inherited_fds)

    def __call__(self, worker_id: int) -> None:  # noqa: ARG002
        for fd in self._fds:
            os.close(fd)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):  # meant for the trainer, sent to its whole group
            signal.signal(signum, signal.SIG_IGN)
        if hasattr(ctypes.CDLL(None), "prctl"):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def epoch_steps(
    source: Source,
    order: BatchOrder,
    *,
    epoch: int,
    position: int,
    num_workers: int,
    pin_memory: bool,
    worker_start: WorkerStart,
) -> Iterator[list[dict[str, Tensor]]]:
    """The micro-batches of each remaining optimizer step of an epoch (counts from 0)."""
    steps = order.micro_batches(epoch, position)
    loader = DataLoader(
        source.train_data,
        batch_sampler=[micro_batch for step in steps for micro_batch in step],
        collate_fn=source.collate,
        num_workers=num_workers,
        pin_memory=pin_memory,
        worker_init_fn=worker_start if num_workers else None,
        # A generator of its own: making an iterator advances the one it is given, even without workers.
        generator=torch.Generator(),
    )
    batches = _naming_workers(iter(loader)) if num_workers else iter(loader)
    for step in steps:
        yield [next(batches) for _ in step]


def _naming_workers(batches: Iterator[dict[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
    """The same batches. Raises RuntimeError for a worker that has ended, also where torch did not notice by itself.

    It notices a dead one by a signal, unless that comes while a batch is being handed over.
    """
    try:
        yield from batches
    except (EOFError, ConnectionError) as error:
        name = type(error).__name__
        raise RuntimeError(f"DataLoader worker has ended while it handed over a batch ({name})") from error
