"""What a crash left in console.log: its last lines, the traceback among them, and the place that it names. Pure but
for one bounded read.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from rundir.secret import redact

READ_BYTES = 256 * 1024
"""How much of the end of an attempt's console is looked at."""
MAX_CONSOLE = 2000
MAX_TRACEBACK = 8000
_HEADS = ("Traceback (most recent call last):", "Fatal Python error:")
_FRAME = re.compile(r'^  File "(?P<path>.+?)", line (?P<line>\d+),? in (?P<function>\S+)')


@dataclass(frozen=True, slots=True)
class CrashReport:
    """For an event: everything bounded, empty where there is nothing."""

    console: str
    """The last lines that this attempt printed."""
    traceback: str
    """Python's own of an exception, or faulthandler's stacks of all threads after a fatal signal."""
    place: str
    """The innermost frame, e.g. `points.py:31 in forward`."""


def read_console(path: Path, begin: int) -> str:
    """What stands in the console from `begin` on, its end alone where that is long; without the environment's secrets,
    which a library may have printed.
    """
    try:
        with open(path, "rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(min(begin, end), end - READ_BYTES))
            text = file.read(READ_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    if end - READ_BYTES > begin:  # what is left of a secret that was cut would not be known
        text = text.partition("\n")[2] or text
    return redact(text, os.environ)


def report_of(console: str) -> CrashReport:
    """The report of a crash whose console ends so."""
    traceback = _last_traceback(console)
    return CrashReport(_last_lines(console, MAX_CONSOLE), _middle_out(traceback, MAX_TRACEBACK), _place(traceback))


def _last_traceback(console: str) -> str:
    """From its head to the end: what follows a traceback is its message, which may have many lines."""
    lines = [line for line in console.splitlines() if not line.startswith("Extension modules:")]
    heads = [index for index, line in enumerate(lines) if line.startswith(_HEADS)]
    if not heads:
        return ""
    begin = heads[-1]
    # The exceptions that led to it, as far as they stand right before.
    for head in reversed(heads[:-1]):
        between = lines[head:begin]
        if not any(line.startswith(("During handling of", "The above exception")) for line in between):
            break
        begin = head
    return "\n".join(lines[begin:])


def _place(traceback: str) -> str:
    """Innermost last in a traceback; innermost first in faulthandler's stacks, the current thread's before others."""
    is_fatal = traceback.startswith("Fatal Python error:")
    frames: list[str] = []
    in_current = not is_fatal
    for line in traceback.splitlines():
        if is_fatal and line.startswith(("Current thread", "Thread")):
            in_current = line.startswith("Current thread")
        found = _FRAME.match(line)
        if found and in_current:
            frames.append(f"{Path(found['path']).name}:{found['line']} in {found['function']}")
    return "" if not frames else frames[0 if is_fatal else -1]


def _last_lines(text: str, num_chars: int) -> str:
    """Whole lines, as many as fit; of a single long one its end."""
    if len(text) <= num_chars:
        return text
    end = text[-num_chars:]
    _, newline, rest = end.partition("\n")
    return rest if newline and rest else end


def _middle_out(text: str, num_chars: int) -> str:
    """The beginning and the end, which name the error and where it came from."""
    half = num_chars // 2
    return text if len(text) <= num_chars else f"{text[:half]}\n…\n{text[-half:]}"
