"""How findings come before a person or a program: each row at once, or all at the end as one JSON object."""

import sys

import msgspec

from traind.check.finding import MARKS, Finding, Level, count, lines


class Table:
    """The findings so far."""

    def __init__(self, *, as_json: bool, took: str) -> None:
        """`took`: the key of the seconds in the JSON object."""
        self.findings: list[Finding] = []
        self._as_json, self._took = as_json, took

    @property
    def has_fault(self) -> bool:
        return any(finding.level is Level.FAULT for finding in self.findings)

    def add(self, finding: Finding) -> None:
        self.findings.append(finding)
        if not self._as_json:
            print(*lines(finding), sep="\n", flush=True)

    def doing(self, text: str) -> None:
        """What takes time now; to a terminal alone."""
        if sys.stderr.isatty():
            print(f"… {text}", file=sys.stderr, flush=True)

    def end(self, seconds: float) -> None:
        """The summary, or the JSON object: `faults`, `warnings`, the seconds, `findings`."""
        faults, warnings = count(self.findings, Level.FAULT), count(self.findings, Level.WARN)
        if self._as_json:
            report = {"faults": faults, "warnings": warnings, self._took: round(seconds, 3), "findings": self.findings}
            print(msgspec.json.format(msgspec.json.encode(report), indent=1).decode())
            return
        fine = len(self.findings) - faults - warnings
        counts = ((MARKS[Level.OK], fine), (MARKS[Level.WARN], warnings), (MARKS[Level.FAULT], faults))
        print(f"{'  '.join(f'{mark} {number}' for mark, number in counts)}   in {seconds:.1f} s")
