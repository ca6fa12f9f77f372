"""Ending a process that has torch loaded."""

import os
import sys
from typing import NoReturn


def leave_now(status: int) -> NoReturn:
    """End this process without the interpreter's farewell, which takes a second or two once torch is loaded."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
