"""What a fast verb must never import, seen by a clean interpreter: static graphs miss deferred imports."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "tokenizers", "textual", "plotext", "trainwatch", "apprise"}


@pytest.mark.parametrize(
    "module",
    [
        "traind.cli",
        "traind.command_start",
        "traind.command_check",
        "traind.command_show",
        "traind.command_order",
        "traind.command_predict",
        "traind.predict.source",
        "traind.command_doctor",
        "traind.command_export",
        "traind.command_notify",
        "traind.supervise",
        "traind.lineage",
        "rundir.tail",
        "rundir.writer",
        "rundir.integrations.schedule",
        "rundir.integrations.ranks",
    ],
)
def test_torch_and_textual_stay_out(module: str) -> None:
    program = f"import sys, {module}; print(*sorted(name for name in sys.modules if '.' not in name))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())
