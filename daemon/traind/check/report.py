"""What the process that holds torch tells the command line: one JSON object a line, findings and what it is doing."""

import os
from collections.abc import Iterable

import msgspec

from traind.check.finding import Finding


class Line(msgspec.Struct, omit_defaults=True):
    """One of the two."""

    finding: Finding | None = None
    doing: str = ""


class Reporter:
    """The writing end."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def doing(self, text: str) -> None:
        """What takes time now. Raises OSError when nobody listens any more."""
        self._write(Line(doing=text))

    def found(self, *findings: Finding) -> None:
        """Rows of the table, in order. Raises OSError when nobody listens any more."""
        self.all(findings)

    def all(self, findings: Iterable[Finding]) -> None:
        """The same, each as soon as it is made."""
        for finding in findings:
            self._write(Line(finding=finding))

    def _write(self, line: Line) -> None:
        rest = memoryview(msgspec.json.encode(line) + b"\n")
        while rest:
            rest = rest[os.write(self._fd, rest) :]


def read_line(data: bytes) -> Line:
    """What `Reporter` wrote. Raises msgspec.DecodeError."""
    return msgspec.json.decode(data, type=Line)
