"""Micro-batches of an epoch from a given position on, by worker processes that never outlive the trainer."""

import ctypes
import logging
import multiprocessing
import os
import select
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from traind.batch_order import BatchOrder

START_S = 10
"""How long the next worker may take to say that it runs; a fork and what torch sets up in it take less than one."""
_PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)


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

    def begin(worker_start: Callable[[int], None] | None = None) -> Iterator[dict[str, Tensor]]:
        return iter(
            DataLoader(
                source.train_data,
                batch_sampler=[micro_batch for step in steps for micro_batch in step],
                collate_fn=source.collate,
                num_workers=num_workers,
                pin_memory=pin_memory,
                worker_init_fn=worker_start,
                # By fork: the data are neither pickled nor copied, and need not be fit for that.
                multiprocessing_context="fork" if num_workers else None,
                # A generator of its own: making an iterator advances the one it is given, even without workers.
                generator=torch.Generator(),
            )
        )

    batches = _naming_workers(_with_workers(begin, num_workers, worker_start)) if num_workers else begin()
    for step in steps:
        yield [next(batches) for _ in step]


def _with_workers(
    begin: Callable[[Callable[[int], None]], Iterator[dict[str, Tensor]]], num_workers: int, worker_start: WorkerStart
) -> Iterator[dict[str, Tensor]]:
    """What `begin` makes, by workers that all run: where one does not, all are ended and begun again.

    A fork copies the locks of all threads, as they are, but only the thread that forks. A worker may so wait for ever
    for a lock whose owner it does not have: in Python before 3.11.10 for one that a thread of gloo takes whenever it
    has done its part, https://github.com/python/cpython/issues/112275.
    """
    start_s = START_S
    while True:
        before = multiprocessing.active_children()
        hear, say = os.pipe()
        with open(hear, "rb", buffering=0), open(say, "wb", buffering=0) as ours:
            batches = begin(_saying(worker_start, hear, say))
            ours.close()
            num_silent = num_workers - _num_heard(hear, num_workers, start_s)
        if num_silent <= 0:
            return batches
        log.warning("%d of %d loader workers do not start: all are started anew", num_silent, num_workers)
        del batches  # those that run leave, and torch no longer takes the end of one for an error
        for worker in multiprocessing.active_children():
            if worker not in before:
                worker.kill()
                worker.join()
        start_s *= 2


def _saying(worker_start: WorkerStart, hear: int, say: int) -> Callable[[int], None]:
    """What a worker runs first, and then says so."""

    def start(worker_id: int) -> None:
        os.close(hear)
        with open(say, "wb", buffering=0) as ours:
            worker_start(worker_id)
            ours.write(b".")

    return start


def _num_heard(fd: int, num_workers: int, start_s: int) -> int:
    """How many workers have spoken, once all have, or the next has not for `start_s` seconds.

    Where one has ended instead it is `num_workers`: what there is to say of that, torch says. Seconds in which this
    process was stopped do not count: the workers may have been as well.
    """
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    num_heard = num_seconds = 0
    while num_seconds < start_s:
        if not poll.poll(1000):
            num_seconds += 1
        elif said := os.read(fd, num_workers):
            num_heard, num_seconds = num_heard + len(said), 0
        else:
            return num_workers
    return num_heard


def _naming_workers(batches: Iterator[dict[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
    """The same batches. Raises RuntimeError for a worker that has ended, also where torch did not notice by itself.

    It notices a dead one by a signal, unless that comes while a batch is being handed over.
    """
    try:
        yield from batches
    except (EOFError, ConnectionError) as error:
        name = type(error).__name__
        raise RuntimeError(f"DataLoader worker has ended while it handed over a batch ({name})") from error
