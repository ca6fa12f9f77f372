"""A run on another host as the screens know it; and what screens ask of any run, wherever it is."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from rundir.control import Order, line_of, send, send_by_rename
from rundir.layout import RunDir
from rundir.process import host
from rundir.records import encode
from rundir.remarks import Remarks, read_remarks, write_remarks
from rundir.status import Liveness, Status, liveness, presumed

if TYPE_CHECKING:
    from trainwatch.remote.mirror import Mirror


_READ_BACK_S = 5.0
"""For so long what was written there is waited for here."""


@dataclass(frozen=True, slots=True)
class RemoteRun(RunDir):
    """Its path is that of a copy here, which the mirror keeps. Nothing is written there but by the mirror."""

    mirror: "Mirror" = field(compare=False, repr=False)

    @property
    def url(self) -> str:
        return f"{self.mirror.url.rstrip('/')}/{quote(self.id)}"


def verdict(run: RunDir, status: Status, now: float) -> Liveness:
    """Whether it lives. Of a run elsewhere its beats are held against the clock there, as of the last answer."""
    if isinstance(run, RemoteRun):
        return presumed(status, run.mirror.contact.far_now)
    return liveness(status, now)


def reference_of(run: RunDir) -> str | None:
    """What the command line understands as a run elsewhere; None for one here."""
    return run.url if isinstance(run, RemoteRun) else None


def place_of(run: RunDir) -> str:
    """Its address, or its path: the same wherever it is read from."""
    return reference_of(run) or str(run.path.resolve())


def home_of(run: RunDir) -> tuple[str, str]:
    """Of a run elsewhere its host, and its path there; both empty for one here."""
    if not isinstance(run, RemoteRun):
        return "", ""
    return run.mirror.address.host, f"{run.mirror.runs_path.rstrip('/')}/{run.id}"


def trouble(run: RunDir) -> str:
    """Why what is shown may be old; empty where it is not."""
    return run.mirror.trouble(time.time()) if isinstance(run, RemoteRun) else ""


def lag(run: RunDir) -> str:
    """How much of a run elsewhere is still to be fetched, in words; empty where nothing is."""
    num_bytes = run.mirror.missing_bytes(run.id) if isinstance(run, RemoteRun) else 0
    return f"fetching, {num_bytes / 1e6:.1f} MB left" if num_bytes else ""


def opened(run: RunDir) -> RunDir:
    """The run with all its records, to be read: of one elsewhere they begin to come. `released` ends that."""
    return run.mirror.open(run.id) if isinstance(run, RemoteRun) else run


def released(run: RunDir) -> None:
    """Nobody reads its records any more."""
    if isinstance(run, RemoteRun):
        run.mirror.release(run.id)


def deliver(run: RunDir, order: Order, run_host: str) -> None:
    """Write an order where the run's supervisor finds it. Raises OSError; it then may or may not have arrived.

    `run_host`: on which the run says it is. May take as long as the connection to another host does.
    """
    if isinstance(run, RemoteRun):
        run.mirror.put(run.id, f"control.d/{order.id}.json", line_of(order))
    else:
        (send_by_rename if run_host not in ("", host()) else send)(run, order)


def remark(run: RunDir, remarks: Remarks) -> None:
    """Replace its remarks. Raises OSError. May take as long as the connection to another host does."""
    if isinstance(run, RemoteRun):
        run.mirror.put(run.id, run.remarks_json.name, encode(remarks))
        run.mirror.wait_until(lambda: _has_come(run, remarks), _READ_BACK_S)
    else:
        write_remarks(run.remarks_json, remarks)


def _has_come(run: RunDir, remarks: Remarks) -> bool:
    try:
        return read_remarks(run.remarks_json) == remarks
    except (OSError, msgspec.DecodeError):
        return False
