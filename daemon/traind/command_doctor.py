"""`traind doctor`: prints what is found about this machine, as a table or JSON. Never imports torch, ends nothing."""

import time
from pathlib import Path

from traind import exit_code
from traind.check.table import Table
from traind.doctor.examine import examine


def doctor(runs_dir: Path, *, as_json: bool) -> int:
    """Returns 0 without a fault, 1 with one."""
    began = time.monotonic()
    table = Table(as_json=as_json, took="doctor_s")
    for finding in examine(runs_dir):
        table.add(finding)
    table.end(time.monotonic() - began)
    return exit_code.FAILED if table.has_fault else exit_code.OK
