"""Samples of the machine as columns over time: what is measured, and what follows from counters. Pure.

Names: `cpu`, `ram`, `disk_read_per_s`, …; of a GPU with its number before them: `gpu0_util`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rundir.column import Floats
from rundir.records import GpuSample, SystemRecord
from rundir.series import MAX_AT, Block

_HOST: Mapping[str, str] = {
    "cpu": "cpu_percent", "run_cpu": "run_cpu_percent", "ram": "mem_used_bytes", "shm": "shm_used_bytes",
    "disk_free": "disk_free_bytes",
}  # fmt: skip
_COUNTERS: Mapping[str, str] = {
    "disk_read_per_s": "disk_read_bytes", "disk_written_per_s": "disk_written_bytes",
    "net_received_per_s": "net_received_bytes", "net_sent_per_s": "net_sent_bytes",
}  # fmt: skip
_GPU: Mapping[str, str] = {
    "used": "mem_used_bytes", "util": "util_percent", "temperature": "temperature_c", "power": "power_w",
    "clock": "clock_mhz",
}  # fmt: skip
MAX_VALUE = 1e300
"""What a damaged line claims beyond it is unknown: differences and sums of the rest stay finite."""
BYTES = frozenset({"rss", "ram", "shm", "disk_free", *_COUNTERS})


def is_bytes(name: str) -> bool:
    """Whether a column of a machine is an amount of bytes, or of bytes a second."""
    last = name.rpartition("_")[2]
    return name in BYTES or last == "used" or (last == name and name.startswith("gpu"))


class Sampling:
    """From records to columns, chunk by chunk. Owns the newest record, from which counters go on."""

    def __init__(self, *, whole: bool) -> None:
        """`whole`: every column; else the memory alone, of the run (`rss`) and of each GPU (`gpu0`, …)."""
        self._whole = whole
        self._last: SystemRecord | None = None

    def blocks(self, records: Sequence[SystemRecord], *, restarted: bool) -> tuple[Block, ...]:
        """One block, or none; a column that has no value in any of its records is not in it."""
        if restarted:
            self._last = None
        if not records:
            return ()
        at = _values(records, lambda record: record.at)
        columns = {"rss": _values(records, lambda record: record.run_rss_bytes)}
        for index in sorted({gpu.index for record in records for gpu in record.gpus}):
            gpus = [_gpu(record, index) for record in records]
            columns[f"gpu{index}"] = np.array([_run_bytes(gpu) for gpu in gpus])
            if self._whole:
                columns |= {f"gpu{index}_{name}": _fields(gpus, field) for name, field in _GPU.items()}
        if self._whole:
            columns |= {name: _fields(records, field) for name, field in _HOST.items()}
            columns |= self._rates(records)
        self._last = records[-1]
        is_instant = np.abs(at) < MAX_AT
        latest = np.maximum.accumulate(np.where(is_instant, at, -np.inf))
        rises = is_instant & (at > np.concatenate([[-np.inf], latest[:-1]]))
        known = {name: values[rises] for name, values in columns.items() if name == "rss" or _is_kept(name, values)}
        return (Block(at[rises], known),)

    def _rates(self, records: Sequence[SystemRecord]) -> dict[str, Floats]:
        """Counters as bytes a second since the record before; a machine that began anew has none."""
        first = [self._last] if self._last is not None else []
        apart = np.diff(_values([*first, *records], lambda record: record.at), prepend=[] if first else [math.nan])
        rates = {}
        for name, field in _COUNTERS.items():
            counted = _fields([*first, *records], field)
            grown = np.diff(counted, prepend=[] if first else [math.nan])
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                rates[name] = np.where((grown >= 0) & (apart > 0), grown / apart, np.nan)
        return rates


def _is_kept(name: str, values: Floats) -> bool:
    """The memory of a GPU always is; what no record has is no column."""
    return (name.startswith("gpu") and "_" not in name) or bool(np.isfinite(values).any())


def _gpu(record: SystemRecord, index: int) -> GpuSample | None:
    return next((gpu for gpu in record.gpus if gpu.index == index), None)


def _run_bytes(gpu: GpuSample | None) -> float:
    """What the run holds of a GPU; all that is used, where its own share is not known."""
    if gpu is None:
        return math.nan
    return _number(gpu.mem_used_bytes if gpu.run_mem_bytes is None else gpu.run_mem_bytes)


def _fields(records: Sequence[SystemRecord] | Sequence[GpuSample | None], field: str) -> Floats:
    return _numbers([getattr(record, field, None) for record in records])


def _values(records: Sequence[SystemRecord], get: Callable[[SystemRecord], float | None]) -> Floats:
    return _numbers(list(map(get, records)))


def _numbers(values: list[Any]) -> Floats:
    """As `_number` has each, a long run's quarter of a million of them at once."""
    try:
        found = np.array(values, dtype=np.float64)  # None is nan to it
    except OverflowError:  # an integer beyond float
        return np.array([_number(value) for value in values])
    return np.where(np.abs(found) <= MAX_VALUE, found, np.nan)


def _number(value: float | None) -> float:
    return math.nan if value is None or not abs(value) <= MAX_VALUE else float(value)
