"""Entry of the supervisor process: takes the lock, tells whoever started it, and supervises."""

import argparse
import contextlib
import json
import logging
import os
import sys
from pathlib import Path

from rundir.layout import RunDir
from rundir.secret import redact
from rundir.status import umask_private
from traind import config, exit_code
from traind.config import ConfigError
from traind.lock import RunBusyError, acquire
from traind.supervisor import Supervisor


def main() -> int:
    """Entry of `python -m traind.supervise`. Says one line on the ready descriptor: `ok`, or what is wrong."""
    parser = argparse.ArgumentParser(prog="traind.supervise", description="started by traind, never by hand")
    parser.add_argument("run", type=Path)
    parser.add_argument("--reason", default="resume")
    parser.add_argument("--order")
    parser.add_argument("--ready-fd", type=int)
    parser.add_argument("--argv", type=json.loads, default=[])
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    try:
        supervisor = take_up(RunDir(args.run), args.argv)
    except (ConfigError, RunBusyError, OSError) as error:
        reason = redact(str(error), os.environ)
        _say(args.ready_fd, reason)
        print(reason, file=sys.stderr)
        return exit_code.MISTAKE
    _say(args.ready_fd, "ok")
    return exit_code.OF_STATE.get(supervisor.supervise(args.reason, args.order), exit_code.OK)


def take_up(run: RunDir, argv: list[str]) -> Supervisor:
    """A supervisor that holds the run's lock. Raises ConfigError, RunBusyError, OSError."""
    umask_private()
    settings = config.parse(run.config_toml.read_bytes(), str(run.config_toml))
    lock_fd = acquire(run, settings.policy.grace_s)
    supervisor = Supervisor(run, settings, lock_fd, argv)
    supervisor.announce()
    return supervisor


def _say(ready_fd: int | None, line: str) -> None:
    if ready_fd is not None:
        with contextlib.suppress(BrokenPipeError):  # who started us was interrupted; the run goes on without them
            os.write(ready_fd, line.encode() + b"\n")
        os.close(ready_fd)


if __name__ == "__main__":
    sys.exit(main())
