"""The run that another of the same configuration is compared with: the newest finished one beside it."""

from rundir.layout import RunDir, find_runs
from rundir.regular import read_regular
from rundir.replay import read_curve
from rundir.status import State, known_status

MOST_LOOKED_AT = 30


def find_sibling(run: RunDir) -> list[tuple[int, float]] | None:
    """Step and loss of the newest run in the same folder that is done and has the same configuration; None: no such."""
    config = _config(run)
    if config is None:
        return None
    for other in find_runs(run.path.parent)[:MOST_LOOKED_AT]:
        if other.id != run.id and _is_done(other) and _config(other) == config:
            return _curve(other)
    return None


def _curve(run: RunDir) -> list[tuple[int, float]] | None:
    try:
        return read_curve(run) or None
    except OSError:  # another run's file must not end this one's supervisor
        return None


def _is_done(run: RunDir) -> bool:
    status = known_status(run.status_json)
    return status is not None and status.state is State.DONE


def _config(run: RunDir) -> bytes | None:
    try:
        return read_regular(run.config_toml)
    except OSError:
        return None
