"""From results on the device to lines in metrics.jsonl, without making the device wait.

Loss and gradient norm stay where they are until a log boundary; from a GPU they come over by an asynchronous copy and
are written at the next boundary, so that a line may lag one step. `drain` writes what is on its way: before a pause,
an evaluation, a save and the end.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from rundir.append import Appender
from rundir.records import MetricsRecord, StepRecord, encode


@dataclass(slots=True)
class _OnItsWay:
    """A step whose numbers have not been read from the device."""

    record: StepRecord
    values: Tensor
    """Loss, gradient norm and first bad step, float64, host memory (pinned where they come from a GPU)."""
    arrived: "torch.cuda.Event | None"


class Recorder:
    """Owns metrics.jsonl's appender, its count of records, and the step on its way from the device."""

    def __init__(self, path: Path, attempt: int, device: torch.device, reserve: Path) -> None:
        self._appender = Appender(path, reserve=reserve)
        self._attempt = attempt
        self._seq = 0
        self._device = device
        self._on_its_way: _OnItsWay | None = None
        self._first_bad_step = torch.full((), -1.0, dtype=torch.float64, device=device)

    def watch(self, loss: Tensor, step: int) -> None:
        """Remember on the device, without a sync, the first step since the last record whose loss is not finite."""
        is_first = ~torch.isfinite(loss) & (self._first_bad_step < 0)
        self._first_bad_step = torch.where(is_first, float(step), self._first_bad_step)

    def log_step(self, record: StepRecord, loss: Tensor, grad_norm: Tensor) -> None:
        """Send a step's numbers to the host; write the one that was on its way before."""
        values = torch.stack((loss.detach().double(), grad_norm.detach().double(), self._first_bad_step))
        arrived = None
        if self._device.type == "cuda":
            pinned = torch.empty(3, dtype=torch.float64, pin_memory=True)
            values = pinned.copy_(values, non_blocking=True)
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record()
        self._first_bad_step = torch.full((), -1.0, dtype=torch.float64, device=self._device)
        self.drain()
        self._on_its_way = _OnItsWay(record, values, arrived)
        if arrived is None:
            self.drain()

    def drain(self) -> None:
        """Write the step that is on its way, waiting for the device if need be."""
        way, self._on_its_way = self._on_its_way, None
        if way is None:
            return
        if way.arrived is not None:
            way.arrived.synchronize()
        loss, grad_norm, first_bad_step = way.values.tolist()
        way.record.loss, way.record.grad_norm = loss, grad_norm
        if first_bad_step >= 0:
            way.record.metrics = {**(way.record.metrics or {}), "first_bad_step": first_bad_step}
        self.write(way.record)

    def write(self, record: MetricsRecord) -> None:
        """Stamp with attempt and seq, and append. `at` is the caller's, or now."""
        self._seq += 1
        record.attempt, record.seq = self._attempt, self._seq
        record.at = record.at or time.time()
        if not self._appender.append(encode(record)):
            self._appender.free_reserve()

    def sync(self) -> None:
        """Put every record written so far on disk. Safe to call from the saving thread. Raises OSError."""
        self._appender.sync()

    def close(self) -> None:
        self.drain()
        self._appender.flush()
        self._appender.close()


def is_better(value: float, best: float | None, metric: str) -> bool:
    """Whether a metric's value beats the best so far: losses fall, scores rise; a nan never wins."""
    if math.isnan(value):
        return False
    if best is None:
        return True
    return value < best if metric == "loss" else value > best
