"""Descriptors handed to processes that another program will start: they wait in a socket that is its standard input.

torch.distributed.run closes all descriptors but the standard ones in the ranks it starts; standard input passes
through. So do the open file descriptions in the socket, the lock's among them, which no path in /proc would give.
Torch-free.
"""

import os
import socket
from collections.abc import Sequence


def queue(fds: Sequence[int], num_receivers: int) -> socket.socket:
    """A socket to give away as standard input; each of its receivers finds its own copies of `fds` in it.

    They stay open as long as anyone holds the socket and they were not received.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours:
        for _ in range(num_receivers):
            socket.send_fds(ours, [b"."], list(fds))
    return theirs


def receive(num_fds: int) -> list[int]:
    """This process's copies, from its standard input, which is empty from then on. Raises EOFError."""
    with socket.socket(fileno=os.dup(0)) as waiting:
        data, fds, _, _ = socket.recv_fds(waiting, 1, num_fds)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    if not data or len(fds) != num_fds:
        raise EOFError("no descriptors wait on standard input")
    for fd in fds:
        os.set_inheritable(fd, False)
    return list(fds)
