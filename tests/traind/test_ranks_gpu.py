"""What ranks do between GPUs, with the one GPU there is: a group of one over NCCL, and `auto` that sees it."""

import os
import socket
import subprocess
import sys

import pytest
import torch

from traind import config, rank_launch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]

PROGRAM = """
import torch
from traind.ranks import Point, Ranks, Seat

class Group(Ranks):
    is_alone = False  # takes every path of several, one though it is

ranks, device = Group(Seat()), torch.device("cuda", 0)
ranks.join()
ranks.join_device(device)
assert ranks.meet(Point.WEIGH, 2.5, 3) == [[2.5, 3.0]]
assert ranks.share(b"said") == b"said"
used, unused = (torch.nn.Parameter(torch.zeros(3, device=device)) for _ in range(2))
half = torch.nn.Parameter(torch.zeros(2, device=device, dtype=torch.bfloat16))
used.grad, half.grad = torch.ones(3, device=device), torch.ones(2, device=device, dtype=torch.bfloat16)
torch.cuda.set_sync_debug_mode("error")  # no step waits for the device
loss, counts = ranks.sum_step(
    [used, half, unused],
    torch.full((), 1.5, dtype=torch.float64, device=device),
    torch.ones(2, dtype=torch.int64, device=device),
)
ranks.take_leaders([used, half])
torch.cuda.set_sync_debug_mode("default")
assert (loss.item(), counts.tolist()) == (1.5, [1, 1])
assert used.grad.tolist() == [1.0, 1.0, 1.0] and half.grad.tolist() == [1.0, 1.0] and unused.grad is None
ranks.leave()
"""


def test_a_group_over_nccl_sums_without_waiting_for_the_device() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "1", "RANK": "0"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **place, "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_auto_is_a_process_for_each_gpu_that_torch_sees() -> None:
    raw = {"data": {"train": "sample:propaganda"}, "model": {"init": "scratch"}, "distributed": {"nproc": "auto"}}
    assert rank_launch.num_ranks(config.check(raw, "test")) == torch.cuda.device_count()
