"""The alert rules over a run that no supervisor watches: here, while it is shown, a slice at a time.

Owns an engine and its place in the records; used by the feed's thread. What it finds is written nowhere.
"""

import heapq
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import msgspec

from rundir.alerts import MARKS, AlertChange, Engine
from rundir.layout import RunDir
from rundir.records import AlertEvent, AnyRecord, EpochRecord, EvalRecord, Number, ResumeRecord, StepRecord
from rundir.replay import engine_of, told
from rundir.series import StepBlock

SLICE_S = 0.25
"""For so long one look goes over records; between two of them the screen is served."""
LOOK_EVERY = 64
"""Records between two looks at the clock."""
ROWS = 2048
"""Of a block that become records at a time."""
Piece: TypeAlias = StepBlock | EvalRecord | EpochRecord | ResumeRecord
_FIELDS = ("grad_norm", "lr", "epoch", "step_s", "data_wait_s", "tokens_per_s")


@dataclass(frozen=True, slots=True)
class Found:
    """How far the rules have come, and what they have said since the last time."""

    changes: tuple[AlertEvent, ...] = ()
    restarted: bool = False
    """Whether what was said before no longer holds."""
    is_on: bool = True
    """False: they do not run any more, as a supervisor looks after the run."""
    num_steps: int = 0
    """Step records that the rules have seen."""
    progress: float = 1.0
    """Share of what was recorded that they have seen."""
    silent: Mapping[str, str] = field(default_factory=dict)
    """Rules that have nothing to go by, and what they lack; known once all was seen."""


class Stream(Protocol):
    """Records that go on coming: of a run directory its `Logs`, of other programs' numbers `Pieces`."""

    @property
    def restarted(self) -> bool:
        """Whether what was given out before no longer holds."""
        ...

    @property
    def share(self) -> float:
        """How much of what is there has been given out, 0 to 1."""
        ...

    def records(self) -> Iterator[AnyRecord]:
        """What has come since the last such stream was read to its end. Raises OSError."""
        ...


class Pieces:
    """The pieces that a foreign source was made into, as records. They are only added to."""

    restarted = False

    def __init__(self) -> None:
        self._waiting: deque[Piece] = deque()
        self._num_given = self._num_known = 0

    def add(self, pieces: Sequence[Piece]) -> None:
        """Pieces of one look at the source. Kept as they are until they are asked for."""
        self._waiting += pieces
        self._num_known += sum(map(_size, pieces))

    def records(self) -> Iterator[AnyRecord]:
        pieces = [self._waiting.popleft() for _ in range(len(self._waiting))]
        blocks = [piece for piece in pieces if isinstance(piece, StepBlock)]
        others = [piece for piece in pieces if not isinstance(piece, StepBlock)]
        known = [each for each in others if _has_loss(each)]
        rows = (row for block in blocks for row in _rows(block))
        for record in heapq.merge(rows, known, key=lambda record: record.step):
            self._num_given += 1
            yield record
        self._num_given = self._num_known - sum(map(_size, self._waiting))

    @property
    def share(self) -> float:
        return min(1.0, self._num_given / max(self._num_known, 1))


def _has_loss(piece: Any) -> bool:
    """The viewer reads None as a loss that is not there; to the rules it would be one that is no number."""
    return getattr(piece, "loss", 0.0) is not None


def _size(piece: Piece) -> int:
    return len(piece) if isinstance(piece, StepBlock) else 1


def _rows(block: StepBlock) -> Iterator[StepRecord]:
    """The rows of a block as records. A row without a loss lends its other figures to the next that has one."""
    marked = {name: {*marks.tolist()} for name, marks in block.marks.items()}
    lent: dict[str, Number] = {}
    for start in range(0, len(block), ROWS):
        steps = block.x[start : start + ROWS].tolist()
        columns = {name: values[start : start + ROWS].tolist() for name, values in block.columns.items()}
        times = columns.pop("at", None)
        for i, step in enumerate(steps):
            row = {
                name: _spelled(values[i])
                for name, values in columns.items()
                if math.isfinite(values[i]) or start + i in marked.get(name, ())
            }
            if "loss" not in row:
                lent |= row
                continue
            at = times[i] if times is not None and times[i] > 0 else 0.0
            yield _record(int(step), at, block.attempt, {**lent, **row})
            lent = {}


def _record(step: int, at: float, attempt: int, values: dict[str, Number]) -> StepRecord:
    loss = values.pop("loss")
    fields: dict[str, Any] = {}
    for name in _FIELDS:
        value = values.pop(name, None)
        # Of those that hold no "nan" what is not finite is not there.
        if isinstance(value, float) or (value is not None and name in ("grad_norm", "lr")):
            fields[name] = value
    allocated = values.pop("gpu_mem_allocated_bytes", None)
    if isinstance(allocated, float):
        fields["gpu_mem_allocated_bytes"] = int(allocated)
    return StepRecord(at=at, attempt=attempt, step=step, loss=loss, metrics=values or None, **fields)


def _spelled(value: float) -> Number:
    if math.isfinite(value):
        return value
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


class Diagnosis:
    """Feeds the rules; every call of `look` takes bounded time."""

    def __init__(
        self, run: RunDir, stream: Stream, planned_steps: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine: Engine = engine_of(run)
        if planned_steps is not None:
            self._engine.know(msgspec.structs.replace(self._engine.facts, planned_steps=planned_steps))
        self.stream = stream
        self._clock = clock
        self._records: Iterator[AnyRecord] | None = None
        self._num_steps = 0
        self._attempt = 1

    def look(self, now_at: float | None = None) -> Found:
        """Go on for a slice of time. `now_at`: UTC seconds, where the run lives, so that silence is noticed.

        Raises OSError; may be called again.
        """
        until = self._clock() + SLICE_S
        changes: list[AlertChange] = []
        is_over = self._go_on(until, changes)
        if is_over and now_at is not None:
            changes += self._engine.tick(now_at)
        return Found(
            changes=tuple(self._event(change) for change in changes if change.rule not in MARKS),
            num_steps=self._num_steps,
            progress=1.0 if is_over else min(0.999, self.stream.share),
            silent=self._engine.silent() if is_over else {},
        )

    def _go_on(self, until: float, changes: list[AlertChange]) -> bool:
        """Whether all that was recorded has been seen."""
        if self._records is None:
            self._records = self.stream.records()
        for number, record in enumerate(self._records, start=1):
            changes += told(record, self._engine)
            self._num_steps += isinstance(record, StepRecord)
            self._attempt = max(self._attempt, record.attempt)
            if number % LOOK_EVERY == 0 and self._clock() > until:
                return False
        self._records = None
        return True

    def _event(self, change: AlertChange) -> AlertEvent:
        return change.as_event(at=change.at, attempt=self._attempt)
