"""What happens before the first picture, seen by a clean interpreter."""

import os
import subprocess
import sys
from pathlib import Path

from rundir.records import encode
from tests.trainwatch.runs import make_run, steps

BEGINS = """
import sys, threading
from trainwatch import cli
threading.Thread.start = lambda self: (print(self.name, "textual" in sys.modules), sys.exit(0))
cli.main([sys.argv[1]])
"""


def test_a_log_is_begun_before_textual_is_imported(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs")
    run.metrics.write_bytes(b"".join(map(encode, steps(10))))
    done = subprocess.run(
        [sys.executable, "-c", BEGINS, str(run.path)],
        env={**os.environ, "TEXTUAL_DRIVER": "none"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["begin", "False"]
