"""One ssh process with `far.sh` at its other end: requests out, answers in. Any thread, one at a time."""

import contextlib
import math
import os
import secrets
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from trainwatch.remote.address import Address
from trainwatch.remote.wire import Answer, Request

CONNECT_S = 20.0
SILENCE_S = 20.0
"""No byte for so long, though an answer is due: the line is dead. ssh itself notices after `ALIVE_S` × 3."""
ALIVE_S = 5
MAX_ANSWER_BYTES = 64 * 1024 * 1024
_LEAVE_S = 0.5
_READ_BYTES = 256 * 1024


class LostError(OSError):
    """The line is broken; the text says why, as far as ssh does."""


def command(address: Address, size: int) -> list[str]:
    """How ssh is called for a script of a size. All else, keys, jump hosts, sharing, is the user's configuration."""
    options = ["BatchMode=yes", f"ServerAliveInterval={ALIVE_S}", "ServerAliveCountMax=3", "ConnectTimeout=10"]
    words = ["ssh", "-T", "-x", "-a", *(word for option in options for word in ("-o", option))]
    words += ["-l", address.user] if address.user else []
    words += ["-p", str(address.port)] if address.port else []
    # The script is read byte by byte, as a shell may read ahead and swallow requests. No word of it needs quoting
    # by whatever shell the user logs in with.
    return [*words, "--", address.host, f"exec sh -c 'eval \"$(dd bs=1 count={size} 2>/dev/null)\"'"]


class Line:
    """Owns the process. Once lost it stays so; `close` leaves nothing behind."""

    def __init__(self, address: Address) -> None:
        """Start ssh. Raises LostError where that is not possible."""
        self.num_bytes_in = 0
        self.num_bytes_out = 0
        self._lock = threading.Lock()
        self._buffer = bytearray()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the line
        self._hello = secrets.token_hex(8)
        script = f"printf '\\n%s\\n' {self._hello}\n".encode() + Path(__file__).with_name("far.sh").read_bytes()
        self._script = script
        try:
            self._process = subprocess.Popen(
                command(address, len(script)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said,
                bufsize=0, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            self._said.close()
            raise LostError(f"ssh cannot be started: {error.strerror or error}") from error
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._out, selectors.EVENT_READ)

    def greet(self) -> None:
        """Wait for the far side, whatever it says before. Once, before anything is asked. Raises LostError."""
        with self._lock:
            self._write(self._script)
            self._read_to(f"\n{self._hello}\n".encode(), CONNECT_S)

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """All of them in one go: one round trip. Raises LostError."""
        marks = [secrets.token_hex(8).encode() for _ in requests]
        with self._lock:
            self._write(b"".join(request.line(mark) for request, mark in zip(requests, marks, strict=True)))
            return [self._answer(mark) for mark in marks]

    def close(self) -> None:
        """End ssh and whatever it started. May be called at any time, from any thread, also twice."""
        process = self._process
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()  # the far side's loop ends with its input, and ssh with that
        try:
            process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        with self._lock:  # whoever still reads has met the end of the file
            self._selector.close()
            self._said.close()
            if process.stdout is not None:
                process.stdout.close()

    @property
    def _out(self) -> int:
        if self._process.stdout is None or self._process.stdout.closed:
            raise LostError("closed")
        return self._process.stdout.fileno()

    def _answer(self, mark: bytes) -> Answer:
        body = self._read_to(b"\n" + mark + b" ", SILENCE_S)
        status, _, now = self._read_to(b"\n", SILENCE_S).partition(b" ")
        if not status.isdigit():
            raise self._lost("the other side does not answer as it should")
        return Answer(body, int(status), float(now) if now.isdigit() else math.nan)

    def _write(self, data: bytes) -> None:
        stdin = self._process.stdin
        try:
            view = memoryview(data)
            while view and stdin is not None:
                view = view[stdin.write(view) or 0 :]
        except (OSError, ValueError) as error:  # ValueError: closed meanwhile
            raise self._lost() from error
        self.num_bytes_out += len(data)

    def _read_to(self, end: bytes, silence_s: float) -> bytes:
        """What comes before `end`, which is taken too."""
        looked = 0
        while (found := self._buffer.find(end, max(0, looked - len(end)))) < 0:
            looked = len(self._buffer)
            if looked > MAX_ANSWER_BYTES:
                raise self._lost("an answer without end")
            self._buffer += self._read(silence_s)
        data = bytes(self._buffer[:found])
        del self._buffer[: found + len(end)]
        return data

    def _read(self, silence_s: float) -> bytes:
        deadline = time.monotonic() + silence_s
        try:
            while not self._selector.select(max(0.0, deadline - time.monotonic())):
                if time.monotonic() >= deadline:
                    raise self._lost(f"no answer for {silence_s:.0f} s")
            data = os.read(self._out, _READ_BYTES)
        except (OSError, ValueError) as error:
            raise error if isinstance(error, LostError) else self._lost() from error
        if not data:
            raise self._lost()
        self.num_bytes_in += len(data)
        return data

    def _lost(self, why: str = "") -> LostError:
        return LostError(why or self._last_words() or "the connection ended")

    def _last_words(self) -> str:
        """What ssh said last on its standard error."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LEAVE_S)  # it may be about to say it
        with contextlib.suppress(OSError, ValueError):
            size = self._said.seek(0, os.SEEK_END)
            lines = os.pread(self._said.fileno(), 4096, max(0, size - 4096)).decode("utf-8", "replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "")
        return ""
