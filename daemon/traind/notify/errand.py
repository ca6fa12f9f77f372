"""What passes between the supervisor's courier and the process that sends: plain values, and no URL.

Each try is a process of its own, with a time limit: whatever hangs in it ends with it.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence

import msgspec

from rundir.records import encode
from traind.config_notify import Notify
from traind.exit_status import signal_name
from traind.notify.notice import Notice

SEND_S = 60.0
"""What the process that sends is given: apprise itself waits 4 s for each connection and each answer."""


class Errand(msgspec.Struct, kw_only=True):
    """A message, and to whom."""

    notify: Notify
    notice: Notice
    only: list[int] = []
    """Numbers of the targets, from 1; none: all."""


class Result(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of a message at one target."""

    number: int
    name: str
    why: str = ""
    """Why it was not sent; empty when it was."""
    is_hopeless: bool = False
    """Whether another try would end the same way."""


class Results(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of an errand."""

    results: list[Result] = []
    fault: str = ""
    """Why nothing could be tried at all."""


Started = Callable[["subprocess.Popen[bytes]"], None]


def send(errand: Errand, *, limit_s: float = SEND_S, on_start: Started = lambda _: None) -> Results:
    """One try at every target of an errand; never raises for what goes wrong in it."""
    argv = [sys.executable, "-m", "traind.notify"]
    code, said = _run(argv, encode(errand), limit_s, on_start, hears=True)
    try:
        return msgspec.json.decode(said, type=Results)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Results(fault=f"the process that sends {_ending(code, limit_s)}")


def run_command(argv: Sequence[str], notice: Notice, limit_s: float, on_start: Started = lambda _: None) -> str:
    """Run a program of the user's with the message as JSON on its standard input. Why it failed; empty if not."""
    code, _ = _run(argv, encode(notice), limit_s, on_start)
    return "" if code == 0 else _ending(code, limit_s)


def _run(
    argv: Sequence[str], given: bytes, limit_s: float, on_start: Started, *, hears: bool = False
) -> tuple[int | str | None, bytes]:
    """Exit status (None: the time was over; a text: it could not be started) and, where one `hears`, what it said on
    standard output.
    """
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if hears else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # may quote what it was given
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # a null byte in an argument is the latter
        return getattr(error, "strerror", None) or str(error), b""
    on_start(process)
    try:
        said, _ = process.communicate(given, timeout=limit_s)
    except subprocess.TimeoutExpired:
        end(process)
        return None, b""
    finally:
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # what it was given and did not read
                    stream.close()
    return process.returncode, said or b""


def end(process: "subprocess.Popen[bytes]") -> None:
    """At once, with all that it has started; nothing where it has ended, as its number may be another's by now."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ending(code: int | str | None, limit_s: float) -> str:
    if code is None:
        return f"was ended after {limit_s:g} s"
    if isinstance(code, str):
        return f"could not be started: {code}"
    return f"was ended by {signal_name(-code)}" if code < 0 else f"ended with exit status {code}"
