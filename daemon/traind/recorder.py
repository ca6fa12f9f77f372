"""From results on the device to lines in metrics.jsonl, without making the device wait.

Loss and gradient norm stay where they are until a log boundary; from a GPU they come over by an asynchronous copy and
are written at the next boundary, so that a line may lag one step. `drain` writes what is on its way: before a pause,
an evaluation, a save and the end.
"""

import errno
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from rundir.append import Appender
from rundir.records import MetricsRecord, Number, StepRecord, encode
from traind.device import float_of
from traind.eventlog import EventLog


@dataclass(slots=True)
class _OnItsWay:
    """A step whose numbers have not been read from the device."""

    record: StepRecord
    values: Tensor
    """Loss, gradient norm and first bad step, float64, in pinned host memory once `arrived` is past."""
    arrived: torch.cuda.Event


class Recorder:
    """Owns metrics.jsonl's appender, its count of records, and the step on its way from the device."""

    def __init__(self, path: Path, attempt: int, device: torch.device, reserve: Path, events: EventLog) -> None:
        self._appender = Appender(path, reserve=reserve, sole_writer=True)
        self._attempt = attempt
        self._seq = 0
        self._events = events
        self._is_waiting = False
        self._is_host = device.type == "cpu"
        self._is_async = device.type == "cuda"
        self._on_its_way: _OnItsWay | None = None
        self._none_bad = torch.full((), -1.0, dtype=float_of(device), device=device)
        self._first_bad_step = self._none_bad

    def watch(self, loss: Tensor, step: int) -> None:
        """Remember on the device, without a sync, the first step since the last record whose loss is not finite."""
        if self._is_host and math.isfinite(loss.item()):
            return
        is_first = ~torch.isfinite(loss) & (self._first_bad_step < 0)
        self._first_bad_step = torch.where(is_first, float(step), self._first_bad_step)

    def log_step(self, record: StepRecord, loss: Tensor, grad_norm: Tensor, loss_scale: Tensor | None = None) -> None:
        """Write a step whose numbers are in host memory; else send them there, and write the one sent before."""
        first_bad_step, self._first_bad_step = self._first_bad_step, self._none_bad
        if not self._is_async:
            scale = None if loss_scale is None else loss_scale.item()
            self._finish(record, loss.item(), grad_norm.item(), first_bad_step.item(), scale)
            return
        numbers = [loss.detach().double(), grad_norm.detach().double(), first_bad_step]
        if loss_scale is not None:
            numbers.append(loss_scale.double().reshape(()))
        values = torch.stack(numbers)
        pinned = torch.empty(len(numbers), dtype=torch.float64, pin_memory=True)
        pinned.copy_(values, non_blocking=True)
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record()
        self.drain()
        self._on_its_way = _OnItsWay(record, pinned, arrived)

    def drain(self) -> None:
        """Write the step that is on its way, waiting for the device if need be."""
        way, self._on_its_way = self._on_its_way, None
        if way is not None:
            way.arrived.synchronize()
            self._finish(way.record, *way.values.tolist())

    def _finish(
        self, record: StepRecord, loss: float, grad_norm: float, first_bad_step: float, loss_scale: float | None = None
    ) -> None:
        record.loss, record.grad_norm = loss, grad_norm
        metrics: dict[str, Number] = {} if loss_scale is None else {"loss_scale": loss_scale}
        if first_bad_step >= 0:
            metrics["first_bad_step"] = first_bad_step
        record.metrics = metrics or None
        self.write(record)

    def write(self, record: MetricsRecord) -> None:
        """Stamp with attempt and seq, and append. `at` is the caller's, or now."""
        self._seq += 1
        record.attempt, record.seq = self._attempt, self._seq
        record.at = record.at or time.time()
        if self._appender.append(encode(record)) is self._is_waiting:
            self._say_room()

    def _say_room(self) -> None:
        """The disk has become full, or has room again: say so, once, in the room that was kept for it."""
        self._is_waiting = not self._is_waiting
        if self._is_waiting:
            self._appender.free_reserve()
            self._events.lifecycle("disk_full", f"{self._appender.path.name} cannot be written; records wait in memory")
        else:
            self._events.lifecycle("disk_ok", "the records that waited have been written")

    def sync(self) -> None:
        """Put every record on disk. Safe to call from the saving thread. Raises OSError, also where some still wait."""
        if self._appender.pending:
            raise OSError(errno.ENOSPC, "records wait for room on the disk", str(self._appender.path))
        self._appender.sync()

    def close(self) -> None:
        self.drain()
        self._appender.flush()
        self._appender.close()
