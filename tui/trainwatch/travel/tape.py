"""All that a run's files hold, with the times at which it became known: any stretch of it is a batch for a store. Pure.

The store applies it in file order, as when it was read for the first time; so it shows a curve that a later resume cut
off as it was shown then.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rundir.column import NO_MARKS, Column, Floats, Indices, block_bounds
from rundir.control import Order, Verb
from rundir.records import AlertEvent, EpochRecord, EvalRecord, EventRecord, LifecycleEvent, OutcomeEvent, ResumeRecord
from rundir.series import MAX_AT, Block, StepBlock, Storage
from rundir.status import PRESUMED_DEAD_S, Liveness, Status
from trainwatch.feed import Batch
from trainwatch.longlog.pieces import MetricsPiece
from trainwatch.travel.reel import EVER, Reel

if TYPE_CHECKING:
    from trainwatch.diagnosis import Found

LENGTHS = ("max_steps", "epochs")
"""What `set` may name that changes how long the run is to be."""


class Stretch:
    """The records of metrics.jsonl between two cuts, in which steps and other records stand in an order of their own.

    `MetricsReader` gives them so: only a cut concerns both.
    """

    def __init__(self, marker: ResumeRecord | None, since: float, attempt: int) -> None:
        """`marker`: the cut at which it begins; None where none was written, or at the beginning of all."""
        self.marker = marker
        self.since = since
        self.attempt = attempt
        self.steps: Reel[StepBlock] = Reel(since)
        self.others: Reel[EvalRecord | EpochRecord] = Reel(since)

    @property
    def end(self) -> float:
        return max(self.steps.end, self.others.end)

    @property
    def times(self) -> Floats:
        marker = [self.since] if self.marker is not None else []
        return np.concatenate([marker, self.steps.times, self.others.times])

    def between(self, after: float, until: float) -> list[MetricsPiece]:
        marker = [self.marker] if self.marker is not None and after < self.since <= until else []
        return [*marker, *self.steps.between(after, until), *self.others.between(after, until)]


class Tape:
    """Owns the records of one run, superseded ones too. Grows by batches, as a store does."""

    def __init__(self) -> None:
        self.edition = 0
        """Another one once what was there does not hold any more: a file was written anew."""
        self.is_timed = True
        """Whether the records have times; where another program gave none, steps stand for them."""
        self.status: Status | None = None
        """The newest."""
        self.verdict = Liveness.UNKNOWN
        self.num_lengths = 0
        """How often an order has changed how long the run is to be."""
        self.names_device = False
        """Whether an event says when the device was chosen."""
        self._stretches = [Stretch(None, EVER, 0)]
        self._events: Reel[EventRecord] = Reel()
        self._system: Reel[Block] = Reel()
        self._first: tuple[Column, dict[str, Column]] | None = None
        """The oldest block of steps as columns, of which stores of then have prefixes."""
        self._orders: list[Order] = []
        self._findings: list[AlertEvent] = []
        self._moments: Floats | None = None
        self._samples: Floats | None = None
        """When the machine was sampled."""

    def add(self, batch: Batch) -> None:
        """Take in what was read next."""
        self._moments = self._samples = None
        if batch.metrics_restarted:
            self._stretches, self._first = [Stretch(None, EVER, 0)], None
        if batch.events_restarted:
            self._events, self.num_lengths, self.names_device = Reel(), 0, False
        if batch.system_restarted:
            self._system = Reel()
        self.edition += batch.metrics_restarted or batch.events_restarted or batch.system_restarted
        if batch.metrics and self._stretches[-1].end == EVER:
            self.is_timed = _has_times(batch.metrics)
        for piece in batch.metrics:
            self._add_piece(piece, _time_of(piece) if self.is_timed else _step_of(piece))
        for event in batch.events:
            self._events.add(event, _instant(event.at))
            self.num_lengths += length_set(event) is not None
            self.names_device |= isinstance(event, LifecycleEvent) and event.what == "device"
        for block in batch.system:
            self._system.add(block, block.x)
        self._orders += [order for order in batch.orders if isinstance(order, Order) and order.at is not None]
        self.status, self.verdict = batch.status or self.status, batch.verdict

    def _add_piece(self, piece: MetricsPiece, at: float | Floats) -> None:
        stretch = self._stretches[-1]
        match piece:
            case ResumeRecord():
                since = max(stretch.end, stretch.since, float(at))
                self._stretches.append(Stretch(piece, since, piece.attempt))
            case StepBlock():
                if piece.attempt > stretch.attempt:
                    if len(stretch.steps):  # its marker was lost: it cuts all the same
                        stretch = Stretch(None, stretch.end, piece.attempt)
                        self._stretches.append(stretch)
                    stretch.attempt = piece.attempt
                stretch.steps.add(replace(piece, storage=None), at)  # which one store alone may have
            case EvalRecord() | EpochRecord():
                stretch.others.add(piece, at)

    def between(self, after: float, until: float) -> Batch:
        """What became known after one time and up to another. It says nothing of the run's status.

        An order that does not say when it was given is known from its outcome on.
        """
        metrics = [piece for stretch in self._stretches for piece in stretch.between(after, until)]
        return Batch(
            now=until,
            metrics=tuple(self._shared(metrics) if after == -math.inf else metrics),
            events=tuple(self._events.between(after, until)),
            system=tuple(self._system.between(after, until)),
            found=self._found(after, until),
            orders=tuple(order for order in self._orders if after < (order.at or 0.0) <= until),
        )

    def _shared(self, metrics: list[MetricsPiece]) -> list[MetricsPiece]:
        """The same for a store that has nothing yet: it need not copy its first steps, which may be almost all."""
        oldest = self._stretches[0].steps.parts()
        place = next((i for i, piece in enumerate(metrics) if isinstance(piece, StepBlock)), None)
        if not oldest or place is None:
            return metrics
        block, piece = oldest[-1][0], metrics[place]
        assert isinstance(piece, StepBlock)  # noqa: S101 - it was looked for
        if self._first is None:
            columns = {name: _column(values, block.marks.get(name, NO_MARKS)) for name, values in block.columns.items()}
            self._first = _column(block.x, NO_MARKS), columns
        x, columns = self._first
        size = len(piece)
        ready = Storage(x.prefix(size), {name: columns[name].prefix(size) for name in piece.columns})
        return [*metrics[:place], replace(piece, storage=ready), *metrics[place + 1 :]]

    def note_findings(self, findings: Iterable[AlertEvent]) -> None:
        """What the rules have said that run here, where no supervisor ran them: with the times of what they saw."""
        self._findings = list(findings) if self.is_timed else []

    def _found(self, after: float, until: float) -> "Found | None":
        changes = tuple(event for event in self._findings if after < event.at <= until)
        if not changes:
            return None
        from trainwatch.diagnosis import Found  # a run with a supervisor does without

        return Found(changes=changes)

    @property
    def moments(self) -> Floats:
        """The times at which anything became known but samples of the machine, ascending."""
        if self._moments is None:
            self._moments = np.unique(
                np.concatenate([*(stretch.times for stretch in self._stretches), self._events.times])
            )
        return self._moments

    @property
    def is_empty(self) -> bool:
        return not len(self.moments)

    @property
    def start(self) -> float:
        return float(self.moments[0])

    @property
    def end(self) -> float:
        return float(self.moments[-1])

    def is_silent(self, at: float) -> bool:
        """Whether nothing had been written for so long that its supervisor must have been gone.

        It samples the machine as long as it lives; where it does not, silence means nothing.
        """
        if self._samples is None:
            self._samples = self._system.times
        if len(self._samples) < 2:
            return False
        signs = [times[index - 1] for times in (self.moments, self._samples)
                 if (index := int(np.searchsorted(times, at, side="right")))]  # fmt: skip
        return bool(signs) and at - max(signs) > PRESUMED_DEAD_S + 2 * float(np.median(np.diff(self._samples)))

    @property
    def newest_step(self) -> int:
        """Of the records that still hold; 0 where there is none."""
        return next((int(block.x[-1]) for block, _ in self._blocks()), 0)

    def time_of_step(self, step: float) -> float | None:
        """When the first record of a step, or beyond it, became known: of those that still hold. None if it did not."""
        found: float | None = None
        for block, known in self._blocks():
            if block.x[-1] >= step:
                found = float(known[int(np.searchsorted(block.x, step))])
            if block.x[0] <= step:
                break
        return found

    def _blocks(self) -> Iterator[tuple[StepBlock, Floats]]:
        """All steps with the times from which they were known, the newest block first."""
        for stretch in reversed(self._stretches):
            yield from stretch.steps.parts()


def length_set(event: EventRecord) -> tuple[str, float] | None:
    """Which length an applied order set, and to what: the later word of `LENGTHS` where it named both."""
    if not isinstance(event, OutcomeEvent) or event.verb != Verb.SET or event.result != "applied":
        return None
    named = [(name, (event.args or {}).get(name)) for name in LENGTHS]
    numbers = [(name, float(value)) for name, value in named if isinstance(value, int | float) and abs(value) < 1e15]
    return numbers[-1] if numbers else None


def _column(values: Floats, marks: Indices) -> Column:
    return Column.over(values, len(values), block_bounds(values[:0]), marks)


def _has_times(pieces: tuple[MetricsPiece, ...]) -> bool:
    return all("at" in p.columns if isinstance(p, StepBlock) else math.isfinite(p.at) for p in pieces)


def _time_of(piece: MetricsPiece) -> float | Floats:
    if not isinstance(piece, StepBlock):
        return _instant(piece.at)
    if "at" not in piece.columns:
        return np.full(len(piece), np.nan)
    at = piece.columns["at"]
    return at if (at < MAX_AT).all() else np.where(at < MAX_AT, at, np.nan)


def _instant(at: float) -> float:
    """nan of what is no instant, but damage: else nothing behind it would be known before the end of time."""
    return at if at < MAX_AT else math.nan


def _step_of(piece: MetricsPiece) -> float | Floats:
    return piece.x if isinstance(piece, StepBlock) else float(piece.step)
