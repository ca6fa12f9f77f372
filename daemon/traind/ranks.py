"""One process's place among those that train one model, and all that passes between them.

What decides the course (orders, weights of the loss, the state) goes over a gloo group on the CPU and never waits for
a device; gradients go over the device's own group. Every method is called by all ranks in the same order.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

BUCKET_BYTES = 25 * 2**20
_PATIENCE = dt.timedelta(days=30)
"""Others wait through an evaluation or a hold of any length; a process that is gone is noticed by its connection."""


class RankLostError(Exception):
    """Another rank is gone, or nothing can be said to it any more."""


class RanksApartError(Exception):
    """The ranks are at different places of the program: a fault in it."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Which of how many processes this is."""

    rank: int = 0
    num_ranks: int = 1
    local_rank: int = 0
    """Among those of this machine: which GPU is its own."""


class Point(IntEnum):
    """Where in the program ranks meet; all must be at the same."""

    HEAR = 1
    SHARE = 2
    WEIGH = 3
    COUNTS = 4
    GRADIENTS = 5
    ANSWER = 6


class Ranks:
    """Owns the process groups. Alone, every method returns what it was given."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self._device_group: Any = None
        self._num_counts: int | None = None

    @property
    def is_leader(self) -> bool:
        """Whether this rank hears orders and writes: records, events, checkpoints."""
        return self.seat.rank == 0

    @property
    def is_alone(self) -> bool:
        return self.seat.num_ranks == 1

    def join(self) -> None:
        """Meet the others. Returns when all have come."""
        if not self.is_alone:
            with _listening():
                dist.init_process_group("gloo", timeout=_PATIENCE)

    def join_device(self, device: torch.device) -> None:
        """The group for gradients: NCCL between GPUs; between CPUs it is the same one."""
        if not self.is_alone and device.type == "cuda":
            self._device_group = dist.new_group(backend="nccl")

    def leave(self) -> None:
        """Take leave of the others in order, after the last word was said."""
        if not self.is_alone and dist.is_initialized():
            dist.destroy_process_group()

    # --- on the CPU ----------------------------------------------------------------------------------------------

    def meet(self, point: Point, *numbers: float) -> list[list[float]]:
        """Everybody's numbers, by rank. As many for all ranks."""
        if self.is_alone:
            return [list(numbers)]
        mine = torch.tensor([point, *numbers], dtype=torch.float64)
        rows = [torch.empty_like(mine) for _ in range(self.seat.num_ranks)]
        with _listening():
            dist.all_gather(rows, mine)
        values = [row.tolist() for row in rows]
        if any(row[0] != point for row in values):
            raise RanksApartError(f"ranks have met at different points: {[Point(int(row[0])).name for row in values]}")
        return [row[1:] for row in values]

    def share(self, data: bytes) -> bytes:
        """The leader's bytes."""
        if self.is_alone:
            return data
        length = int(self.meet(Point.SHARE, len(data))[0][0])
        buffer = torch.zeros(length, dtype=torch.uint8)
        if self.is_leader and length:
            buffer = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        if length:
            with _listening():
                dist.broadcast(buffer, src=0)
        return bytes(buffer.numpy())

    def leaders(self, answer: bool) -> bool:
        """The leader's answer to what it alone knows: it alone writes, so that a full disk stops it and no other."""
        return bool(self.meet(Point.ANSWER, answer)[0][0])

    # --- on the device -------------------------------------------------------------------------------------------

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Leave in every rank the sum of all ranks' gradients; none where no rank has one.

        A rank that had no example takes part with zeros.
        """
        if self.is_alone:
            return
        self.meet(Point.GRADIENTS)
        has_gradient = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.uint8)
        with _listening():
            dist.all_reduce(has_gradient, op=dist.ReduceOp.MAX)
        gradients = []
        for parameter, somewhere in zip(parameters, has_gradient.tolist(), strict=True):
            if somewhere and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            if parameter.grad is not None:
                gradients.append(parameter.grad)
        self._in_buckets(gradients, lambda flat: dist.all_reduce(flat, group=self._device_group, async_op=True))

    def sum_step(self, parameters: Sequence[nn.Parameter], loss_sum: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """After the backward passes of a step: gradients, loss and counts summed over all ranks.

        Waits for no device. A rank without an example in the step has no shape for its counts: then `counts` is 0.
        """
        if self.is_alone:
            return loss_sum, counts
        if self._num_counts is None:
            self._num_counts = int(
                max(row[0] for row in self.meet(Point.COUNTS, counts.numel() if counts.dim() else 0))
            )
        self.sum_gradients(parameters)
        own = counts if counts.dim() else torch.zeros(self._num_counts, dtype=torch.int64, device=loss_sum.device)
        numbers = torch.cat([loss_sum.reshape(1), own.to(loss_sum.dtype)])  # exact below 2^53
        with _listening():
            dist.all_reduce(numbers, group=self._device_group)
        return numbers[0], numbers[1:].to(torch.int64)

    def take_leaders(self, tensors: Iterable[Tensor]) -> None:
        """Put the leader's values into tensors of the same shapes everywhere."""
        if not self.is_alone:
            here = [tensor.detach() for tensor in tensors if tensor.numel()]
            self._in_buckets(here, lambda flat: dist.broadcast(flat, src=0, group=self._device_group, async_op=True))

    def _in_buckets(self, tensors: Sequence[Tensor], start: Callable[[Tensor], Any]) -> None:
        """Few large messages instead of many small ones, all on their way before the first is waited for."""
        under_way = []
        with _listening():
            for bucket in _buckets(tensors):
                flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
                under_way.append((start(flat), flat, bucket))
            for work, flat, bucket in under_way:
                work.wait()
                for tensor, part in zip(bucket, torch.split(flat, [tensor.numel() for tensor in bucket]), strict=True):
                    tensor.copy_(part.view_as(tensor))


def _buckets(tensors: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Neighbours of one type, together no larger than a bucket unless a single one is."""
    bucket: list[Tensor] = []
    size_bytes = 0
    for tensor in tensors:
        its_bytes = tensor.numel() * tensor.element_size()
        if bucket and (tensor.dtype is not bucket[0].dtype or size_bytes + its_bytes > BUCKET_BYTES):
            yield bucket
            bucket, size_bytes = [], 0
        bucket.append(tensor)
        size_bytes += its_bytes
    if bucket:
        yield bucket


@contextmanager
def _listening() -> Iterator[None]:
    """What torch raises when a connection breaks has many types, all of them RuntimeErrors."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise RankLostError(str(error)) from error
