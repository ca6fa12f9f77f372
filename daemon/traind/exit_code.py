"""How `traind` ends: one table for scripts to rely on."""

from rundir.status import State

OK = 0
FAILED = 1
MISTAKE = 2
REFUSED = 3
NO_ANSWER = 4
STOPPED = 5
INTERRUPTED = 130

OF_STATE = {State.DONE: OK, State.FAILED: FAILED, State.STOPPED: STOPPED}
"""`wait`, `--foreground` and `--watch` without a terminal end with the run's own result. Anything else is no end."""
