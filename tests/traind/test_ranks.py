"""What passes between ranks: two real processes over gloo, and one alone, for which nothing changes."""

import os
import socket
import subprocess
import sys

import pytest
import torch

from traind.ranks import BUCKET_BYTES, Point, Ranks, Seat, _buckets

PROGRAM = """
import os, sys, torch
from traind.ranks import Point, Ranks, RanksApartError, Seat
rank = int(os.environ["RANK"])
ranks = Ranks(Seat(rank, 2, rank))
ranks.join()
assert ranks.meet(Point.HEAR, rank, 0.5) == [[0.0, 0.5], [1.0, 0.5]]
assert ranks.share(b"the leader's" if rank == 0 else b"another's, longer") == b"the leader's"
assert ranks.share(b"") == b""
assert ranks.meet(Point.WEIGH, 3.5) == [[3.5], [3.5]]
used, unused = torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(3))
half_used = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
used.grad = torch.tensor([1.0, 2.0, 3.0]) * (rank + 1)
if rank == 1:
    half_used.grad = torch.ones(3, dtype=torch.float64)
counts = torch.tensor([1, 2]) if rank else torch.tensor(0)
loss, counts = ranks.sum_step([used, half_used, unused], torch.tensor(1.5, dtype=torch.float64), counts)
assert loss.item() == 3.0 and counts.tolist() == [1, 2]
assert used.grad.tolist() == [3.0, 6.0, 9.0] and half_used.grad.tolist() == [1.0, 1.0, 1.0]
assert unused.grad is None
buffer = torch.full((2,), float(rank))
ranks.take_leaders([buffer])
assert buffer.tolist() == [0.0, 0.0]
try:
    ranks.meet(Point.HEAR if rank else Point.WEIGH, 0)
except RanksApartError as error:
    assert "WEIGH" in str(error) and "HEAR" in str(error)
else:
    sys.exit("no error")
ranks.leave()
"""


@pytest.mark.slow
def test_two_processes_agree() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "GLOO_SOCKET_IFNAME": "lo"}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM], env={**os.environ, **place, "RANK": str(rank)}, stderr=subprocess.PIPE
        )
        for rank in (0, 1)
    ]
    ends = [process.communicate(timeout=120)[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], "\n".join(ends)


def test_alone_nothing_changes() -> None:
    ranks = Ranks(Seat())
    ranks.join()
    assert ranks.meet(Point.HEAR, 1, 2) == [[1, 2]]
    assert ranks.share(b"as it is") == b"as it is"
    loss, counts = torch.tensor(1.0), torch.tensor([1, 2])
    assert ranks.sum_step([], loss, counts) == (loss, counts)
    ranks.leave()


def test_buckets_keep_the_order_one_type_and_their_size() -> None:
    large = torch.empty(BUCKET_BYTES // 4)
    tensors = [
        torch.empty(3),
        torch.empty(2),
        torch.empty(2, dtype=torch.float64),
        large,
        torch.empty(1),
        torch.empty(1),
    ]
    buckets = list(_buckets(tensors))
    assert [[t.numel() for t in bucket] for bucket in buckets] == [[3, 2], [2], [large.numel()], [1, 1]]
