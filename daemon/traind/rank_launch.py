"""How many processes train one model, and the command line that starts them. Torch-free."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pynvml

from traind.config import Config


def num_ranks(config: Config) -> int:
    """Processes of a run on this machine; `auto` is one a visible GPU, and one without any."""
    nproc, device = config.distributed.nproc, config.train.device
    if nproc != "auto":
        return nproc
    if device not in ("auto", "cuda"):
        return 1
    return max(1, visible_gpus(os.environ.get("CUDA_VISIBLE_DEVICES")))


def visible_gpus(visible: str | None) -> int:
    """NVIDIA GPUs that torch will see; `visible` is CUDA_VISIBLE_DEVICES. None where there is no driver."""
    try:
        pynvml.nvmlInit()
        num_here = int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return 0
    if visible is None:
        return num_here
    names = [name.strip() for name in visible.split(",")]
    # CUDA takes the names up to the first that is none.
    shown = next((i for i, name in enumerate(names) if not _is_gpu(name, num_here)), len(names))
    return len(set(names[:shown]))


def _is_gpu(name: str, num_here: int) -> bool:
    return int(name) < num_here if name.isdecimal() else name.startswith(("GPU-", "MIG-"))


@dataclass(frozen=True, slots=True)
class Node:
    """One host's part in a run."""

    rank: int
    """Among the hosts; 0 is the one that has started the run."""
    num_nodes: int
    endpoint: str
    """HOST:PORT where all meet; empty for a single host."""
    attempt_id: str
    """Tells one attempt's meeting from another's at the same place."""


def command(rank_argv: Sequence[str], *, node: Node, num_ranks: int, report_fd: int, grace_s: float) -> list[str]:
    """The agent of torch.distributed.run, which starts `num_ranks` trainers of these arguments, the run first.

    One attempt only: restarts are the supervisor's alone.
    """
    agent = [sys.executable, "-m", "traind.rank_agent", str(os.getpid()), str(report_fd), str(grace_s)]
    place = ["--nproc-per-node", str(num_ranks), "--max-restarts", "0", "--nnodes", str(node.num_nodes)]
    if node.num_nodes == 1:
        place += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1"]
    else:  # static: the first rank must be on the host whose supervisor hears the orders
        host, _, port = node.endpoint.rpartition(":")
        place += ["--rdzv-backend", "static", "--rdzv-id", node.attempt_id, "--node-rank", str(node.rank)]
        place += ["--master-addr", host, "--master-port", port]
    place += ["--log-dir", os.devnull, "--monitor-interval", "0.1"]
    return [*agent, *place, "-m", "traind.rank", *rank_argv]


def environment(base: Mapping[str, str], threads: int | None, num_ranks: int, *, stays_here: bool) -> dict[str, str]:
    """Shares the cores among the ranks; `stays_here`: what they say to each other does not leave this machine."""
    each = threads or max(1, (os.cpu_count() or 1) // num_ranks)
    local = {"GLOO_SOCKET_IFNAME": "lo"} if stays_here and Path("/sys/class/net/lo").exists() else {}
    return {"OMP_NUM_THREADS": str(each)} | local | dict(base)
