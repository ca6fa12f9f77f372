"""What a new process finds itself to be, as JSON on its standard output: for comparing a forked one with a real one."""

import json
import os
import signal
import sys
from pathlib import Path


def main() -> int:
    print("to the console", file=sys.stderr)
    fds = {int(path.name) for path in Path("/proc/self/fd").iterdir()}
    seen = {
        "argv": sys.argv[1:],
        "leads a session": os.getsid(0) == os.getpgid(0) == os.getpid(),
        "fds": sorted(fd for fd in fds if os.path.exists(f"/proc/self/fd/{fd}")),
        "stdin": os.readlink("/proc/self/fd/0"),  # noqa: PTH115
        "environment": {key: value for key, value in os.environ.items() if not key.startswith("LC_")},
        "signals": {
            str(signum): str(handler) if isinstance(handler := signal.getsignal(signum), int) else "python's"
            for signum in sorted(signal.valid_signals())
        },
        "cwd": str(Path.cwd()),
    }
    print(json.dumps(seen))
    return 3


if __name__ == "__main__":
    sys.exit(main())
