"""From results on the device to lines in metrics.jsonl, without making the device wait.

Loss and gradient norm stay where they are until a log boundary; from a GPU they come over by an asynchronous copy and
are written at the next boundary, so that a line may lag one step. `drain` writes what is on its way: before a pause,
an evaluation, a save and the end.
"""

import errno
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from rundir.append import Appender
from rundir.records import MetricsRecord, Number, StepRecord, encode
from traind.direct_causes import Causes
from traind.eventlog import EventLog
from traind.guard import Trouble, told
from traind.storage_alert import Cause, StorageAlert

HOLD_LINES = 500
"""Records that may wait for room on the disk before the loop holds: they are in memory alone, and computing on would
only add to what a crash costs. Far fewer than the appender would ever drop."""
HOLD_BYTES = 8 * 1024 * 1024
MOST_NAMES = 8
"""Unchanged tensors that a record names."""
_NUM_FOUND = 6
"""Numbers that the guard tells."""


@dataclass(slots=True)
class _OnItsWay:
    """A step whose numbers have not been read from the device."""

    record: StepRecord
    values: Tensor
    """Loss, gradient norm, what the guard found, those of `names`, and whether each of `tensors` is unchanged; wide, in
    pinned host memory once `arrived` is past."""
    names: Sequence[str]
    tensors: Sequence[str]
    arrived: torch.cuda.Event


class Recorder:
    """Owns metrics.jsonl's appender, its count of records, and the step on its way from the device."""

    def __init__(
        self, path: Path, attempt: int, device: torch.device, reserve: Path, events: EventLog, alert: StorageAlert
    ) -> None:
        self._appender = Appender(path, reserve=reserve, sole_writer=True)
        self._attempt = attempt
        self._seq = 0
        self._events = events
        self._alert = alert
        self._is_waiting = False
        self._is_async = device.type == "cuda"
        self._on_its_way: _OnItsWay | None = None
        self._troubles: list[tuple[int, Trouble]] = []

    def log_step(
        self,
        record: StepRecord,
        loss: Tensor,
        grad_norm: Tensor,
        found: Tensor | None,
        named: Mapping[str, Tensor | None] | None = None,
        causes: Causes | None = None,
    ) -> None:
        """Write a step whose numbers are in host memory; else send them there, and write the one sent before.

        `found` is what the guard has found since the last record; `named` goes into the record's metrics, nan and None
        left out, as does what `causes` tells.
        """
        values = {name: value for name, value in (named or {}).items() if value is not None}
        tensors: Sequence[str] = ()
        if causes is not None:
            values |= causes.values
            tensors = causes.names
        if not self._is_async or found is None:
            metrics = {name: value.item() for name, value in values.items()}
            flags = [] if causes is None else causes.is_unchanged.tolist()
            _take_in(record, metrics, tensors, flags)
            self._finish(record, loss.item(), grad_norm.item(), None if found is None else found.tolist())
            return
        parts = [loss, grad_norm, found, *values.values(), *([] if causes is None else [causes.is_unchanged])]
        numbers = torch.cat([part.detach().to(found.dtype).reshape(-1) for part in parts])
        pinned = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=True)
        pinned.copy_(numbers, non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record()
        self.drain()
        self._on_its_way = _OnItsWay(record, pinned, list(values), tensors, arrived)

    def drain(self) -> None:
        """Write the step that is on its way, waiting for the device if need be."""
        way, self._on_its_way = self._on_its_way, None
        if way is not None:
            way.arrived.synchronize()
            loss, grad_norm, *rest = way.values.tolist()
            found, rest = rest[:_NUM_FOUND], rest[_NUM_FOUND:]
            num_named = len(way.names)
            _take_in(way.record, dict(zip(way.names, rest, strict=False)), way.tensors, rest[num_named:])
            self._finish(way.record, loss, grad_norm, found)

    def _finish(self, record: StepRecord, loss: float, grad_norm: float, found: list[float] | None) -> None:
        record.loss, record.grad_norm = loss, grad_norm
        metrics: dict[str, Number] = record.metrics or {}
        if found is not None:
            trouble, first_bad_step = told(found)
            if first_bad_step is not None:
                metrics["first_bad_step"] = first_bad_step
            if trouble is not None:
                metrics["skipped_updates"] = trouble.num_skipped
                self._troubles.append((record.step, trouble))
        record.metrics = metrics or None
        self.write(record)

    def take_troubles(self) -> list[tuple[int, Trouble]]:
        """What the records written since the last call have told, each with its record's step."""
        troubles, self._troubles = self._troubles, []
        return troubles

    def write(self, record: MetricsRecord) -> None:
        """Stamp with attempt and seq, and append. `at` is the caller's, or now."""
        self._seq += 1
        record.attempt, record.seq = self._attempt, self._seq
        record.at = record.at or time.time()
        self._note_room(self._appender.append(encode(record)), record.step)

    @property
    def must_hold(self) -> bool:
        """Whether so many records wait for room that no more should be made."""
        return self._appender.pending >= HOLD_LINES or self._appender.pending_bytes >= HOLD_BYTES

    def has_room(self) -> bool:
        """Try to write what waits. True when nothing is left."""
        is_written = self._appender.flush()
        self._note_room(is_written, None)
        return is_written

    def _note_room(self, is_written: bool, step: int | None) -> None:
        """The disk has become full, or has room again: say so, once, in the room that was kept for it."""
        if is_written is not self._is_waiting:
            return
        self._is_waiting = not is_written
        name = self._appender.path.name
        if self._is_waiting:
            self._appender.free_reserve()
            text = f"{name} cannot be written; records wait in memory"
            self._events.lifecycle("disk_full", text, step=step)
            self._alert.found(Cause.RECORDS, f"the disk is full: {text}", step)
        else:
            self._events.lifecycle("disk_ok", "the records that waited have been written", step=step)
            self._alert.is_well(Cause.RECORDS, "there is room again: every record has been written", step)
            self._appender.restore_reserve()

    def sync(self) -> None:
        """Put every record on disk. Safe to call from the saving thread. Raises OSError, also where some still wait."""
        if self._appender.pending:
            raise OSError(errno.ENOSPC, "records wait for room on the disk", str(self._appender.path))
        self._appender.sync()

    def close(self) -> None:
        self.drain()
        self._appender.flush()
        self._appender.close()


def _take_in(
    record: StepRecord, named: Mapping[str, float], tensors: Sequence[str], is_unchanged: Sequence[float]
) -> None:
    """Put what else is known of a step into its record."""
    metrics: dict[str, Number] = {name: value for name, value in named.items() if not math.isnan(value)}
    if tensors and not math.isnan(is_unchanged[0]):
        unchanged = [name for name, is_same in zip(tensors, is_unchanged, strict=True) if is_same]
        metrics["unchanged_count"] = float(len(unchanged))
        record.unchanged = unchanged[:MOST_NAMES]
    record.metrics = metrics or None
