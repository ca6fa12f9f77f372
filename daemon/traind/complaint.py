"""Saying on standard error, which is console.log or another log of the run, what went wrong, without secrets."""

import os
import sys
import traceback

from rundir.secret import redact


def print_traceback() -> None:
    """The exception that is being handled, whole."""
    print(redact(traceback.format_exc(), os.environ), end="", file=sys.stderr, flush=True)
