"""A run with every column as it stood at a time, the machine too: for pages that show more than the run's own."""

from rundir.layout import RunDir
from rundir.records import SystemRecord
from rundir.series import STEP_FIELDS
from trainwatch.consolelog.place import sample_at
from trainwatch.feed import Opened
from trainwatch.store import Store
from trainwatch.travel.past import Past, read_tape


def read_past(run: RunDir, opened: Opened) -> Past:
    """All that is there now, to be moved in. Raises OSError. For a thread of its own."""
    return Past(run, opened, read_tape(run, STEP_FIELDS, whole_machine=True))


def last_sample(run: RunDir, at: float) -> SystemRecord | None:
    """The newest sample of the machine at a time; None where there was none yet, or it cannot be read. For a thread."""
    try:
        return sample_at(run, at)
    except OSError:
        return None


def stand(past: Past, at: float, sample: SystemRecord | None) -> Store:
    """The store as of a time, with the sample that was the newest then."""
    store = past.seek(at)
    store.machine = sample
    return store
