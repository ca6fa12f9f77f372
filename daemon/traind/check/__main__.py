"""The process of a check that holds torch: `python -m traind.check`, started by `traind check`, never by hand."""

import argparse
import shutil
import sys
from pathlib import Path

from rundir.layout import RunDir
from traind import config
from traind.check.inspection import Inspection
from traind.check.report import Reporter


def main() -> int:
    """Reports by the given descriptor; exit status 0 whatever was found."""
    parser = argparse.ArgumentParser(prog="traind.check", description="started by `traind check`, never by hand")
    parser.add_argument("run", type=Path, help="a directory to work in, with a config.toml")
    parser.add_argument("--report-fd", type=int, required=True)
    parser.add_argument("--disk", type=Path, required=True, help="where checkpoints would go")
    args = parser.parse_args()
    run = RunDir(args.run)
    settings = config.parse(run.config_toml.read_bytes(), str(run.config_toml))
    free_bytes = shutil.disk_usage(args.disk).free
    try:
        Inspection(settings, run, Reporter(args.report_fd), free_bytes=free_bytes).make()
    except BrokenPipeError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
