"""The process that has everything in memory which a trainer imports, and forks supervisors on demand.

Started by `farm.py`. It starts no thread, so that its children are as sound as new processes; it computes nothing.
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys

from tests.soak.forked import become

WANTED = (
    "traind.supervise",
    "traind.trainer",
    "traind.tasks.token_classification",
    "traind.tasks.text_classification",
    "traind.tasks.causal_lm",
    "traind.tasks.custom",
    "torch.optim",
    "torch.utils.checkpoint",
    "torch.utils.data",
    "torch._dynamo",
    "transformers.models.distilbert.modeling_distilbert",
    "transformers.models.gpt2.modeling_gpt2",
    "tokenizers",
)
MAX_REQUEST_BYTES = 1024 * 1024


def main() -> None:
    """Serve requests `{"args": …, "fds": [number, …], "env": …}` with their descriptors until the other end closes."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    for module in WANTED:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps: a killed supervisor leaves no zombie
    gc.collect()
    gc.freeze()
    requests.send(b"ready")
    while True:
        data, fds, _, _ = socket.recv_fds(requests, MAX_REQUEST_BYTES, 16)
        if not data:
            return
        request = json.loads(data)
        pid = os.fork()
        if pid == 0:
            become(request["args"], dict(zip(request["fds"], fds, strict=True)), request["env"])
        for fd in fds:
            os.close(fd)
        requests.send(str(pid).encode())


if __name__ == "__main__":
    main()
