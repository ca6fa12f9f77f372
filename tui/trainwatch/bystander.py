"""Whether the alert rules are to run here, and on what: they do where no supervisor has run them. Used by the feed's
thread; what has to be read for it is read there.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from rundir.layout import RunDir
from rundir.records import AlertEvent, EventRecord
from rundir.status import Liveness, Status, read_run_info
from trainwatch.foreign.source import Source
from trainwatch.remote.run import RemoteRun

if TYPE_CHECKING:
    from trainwatch.diagnosis import Diagnosis, Found
    from trainwatch.feed import Batch
    from trainwatch.longlog.pieces import MetricsPiece

_LIVES = (Liveness.LIVE, Liveness.SILENT)


class Bystander:
    """Owns the diagnosis of one run, where there is one, and the pieces of a foreign source that it has not seen."""

    def __init__(self, run: RunDir) -> None:
        self._run = run
        self._diagnosis: Diagnosis | None = None
        self._pieces: list[MetricsPiece] = []
        self._has_shown = False
        """Whether all that was there at first has been handed out: the rules come after the picture."""
        self._is_watched = False
        """Whether a supervisor looks, or has looked, after the run: its alerts are the run's own."""

    def look(self, batch: "Batch", source: Source | None) -> "Found | None":
        """What the rules say by now; None where they do not run. Takes bounded time. Raises no OSError."""
        if self._is_watched:
            return None
        if any(map(_is_supervisors, batch.events)):
            return self._give_way()
        if source is not None:
            self._take(batch)
        if not batch.at_end and not self._has_shown:
            return None
        if source is None and not is_unwatched(self._run, batch.status):
            return None
        from trainwatch.diagnosis import Found  # a run with a supervisor does without

        if not self._has_shown:
            self._has_shown = True
            return Found(progress=0.0)
        try:
            return self._go_on(batch, source)
        except OSError:  # what was read ahead is lost with it
            self._diagnosis = None
            return Found(restarted=True, progress=0.0)

    def _give_way(self) -> "Found":
        from trainwatch.diagnosis import Found

        self._is_watched, self._diagnosis, self._pieces = True, None, []
        return Found(restarted=True, is_on=False)

    def _take(self, batch: "Batch") -> None:
        if batch.metrics_restarted:
            self._pieces, self._diagnosis = [], None
        self._pieces += batch.metrics

    def _go_on(self, batch: "Batch", source: Source | None) -> "Found":
        from rundir.replay import Logs
        from trainwatch.diagnosis import Diagnosis, Found, Pieces

        begins = self._diagnosis is None
        if self._diagnosis is None:
            planned = source.planned_steps if source is not None else None
            stream = Logs(self._run) if source is None else Pieces()
            self._diagnosis = Diagnosis(self._run, stream, planned)
        if isinstance(self._diagnosis.stream, Pieces):
            self._diagnosis.stream.add(self._pieces)
            self._pieces = []
        found = self._diagnosis.look(batch.now if batch.verdict in _LIVES else None)
        if self._diagnosis.stream.restarted:
            self._diagnosis = None
            return Found(restarted=True, progress=0.0)
        return replace(found, restarted=True) if begins else found


def is_unwatched(run: RunDir, status: Status | None) -> bool:
    """Whether no supervisor looks after a run directory: a script writes it, or nobody who has a status.

    Of a run elsewhere of which too little has come yet it is not known, and so not said.
    """
    if run.alerts_json.exists():
        return False
    try:
        info = read_run_info(run.run_json)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        info = None
    if info is not None:
        return info.by_script
    return status is None and not isinstance(run, RemoteRun)


def _is_supervisors(event: EventRecord) -> bool:
    return isinstance(event, AlertEvent) and event.writer == "supervisor"
