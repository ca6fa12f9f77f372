"""`traind doctor`: prints what is found about this machine, as a table or JSON. Never imports torch, ends nothing."""

import sys
import time
from pathlib import Path

import msgspec

from traind import exit_code
from traind.check.finding import MARKS, Finding, Level, count, lines
from traind.doctor.examine import examine


def doctor(runs_dir: Path, *, as_json: bool) -> int:
    """Returns 0 without a fault, 1 with one."""
    began = time.monotonic()
    findings: list[Finding] = []
    for finding in examine(runs_dir):
        findings.append(finding)
        if not as_json:
            print(*lines(finding), sep="\n", flush=True)
    faults, warnings = count(findings, Level.FAULT), count(findings, Level.WARN)
    took_s = time.monotonic() - began
    if as_json:
        report = {"faults": faults, "warnings": warnings, "doctor_s": round(took_s, 3), "findings": findings}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report), indent=1).decode() + "\n")
    else:
        fine = len(findings) - faults - warnings
        counts = ((MARKS[Level.OK], fine), (MARKS[Level.WARN], warnings), (MARKS[Level.FAULT], faults))
        print(f"{'  '.join(f'{mark} {number}' for mark, number in counts)}   in {took_s:.1f} s")
    return exit_code.FAILED if faults else exit_code.OK
