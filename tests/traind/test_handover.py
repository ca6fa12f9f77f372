"""Descriptors reach processes that close all but the standard ones, and the lock's open file description with them."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from traind import handover

RECEIVER = """
import os
from traind import handover
lock_fd, pipe_fd = handover.receive(2)
os.write(pipe_fd, b"here")
os.close(pipe_fd)
assert os.read(0, 1) == b""
assert not os.get_inheritable(lock_fd)
print("ready", flush=True)
"""


def is_free(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_each_receiver_gets_its_own_copies_and_what_waits_holds_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock_fd = os.open(lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock_fd, fcntl.LOCK_EX)
    reading, writing = os.pipe()
    with handover.queue((lock_fd, writing), num_receivers=2) as waiting:
        os.close(lock_fd)
        os.close(writing)
        for _ in range(2):
            assert not is_free(lock)
            done = subprocess.run(
                [sys.executable, "-c", RECEIVER], stdin=waiting.fileno(), capture_output=True, text=True, check=False
            )
            assert (done.returncode, done.stdout) == (0, "ready\n"), done.stderr
            assert os.read(reading, 99) == b"here"
    assert is_free(lock)
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_what_is_not_received_is_closed_with_the_socket() -> None:
    reading, writing = os.pipe()
    waiting = handover.queue((writing,), num_receivers=3)
    os.close(writing)
    waiting.close()
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_one_too_many_is_told() -> None:
    program = "from traind import handover\ntry: handover.receive(1)\nexcept EOFError as error: print(error)"
    reading, writing = os.pipe()
    with handover.queue((reading, writing), num_receivers=0) as waiting:
        done = subprocess.run(
            [sys.executable, "-c", program], stdin=waiting.fileno(), capture_output=True, text=True, check=True
        )
    assert done.stdout == "no descriptors wait on standard input\n"
    os.close(reading)
    os.close(writing)
