"""One GPU for system.jsonl, as NVML sees it. What it does not tell is a missing value."""

from collections.abc import Callable, Mapping
from typing import Any

import psutil
import pynvml

from rundir.records import GpuProcess, GpuSample
from traind.doctor.holder import is_holder

MOST_PROCESSES = 16
"""Of one GPU, that a sample names."""
_SLOWED_BY: Mapping[str, str] = {
    "nvmlClocksEventReasonSwPowerCap": "power",
    "nvmlClocksEventReasonHwPowerBrakeSlowdown": "brake",
    "nvmlClocksEventReasonSwThermalSlowdown": "heat",
    "nvmlClocksEventReasonHwThermalSlowdown": "heat",
    "nvmlClocksEventReasonHwSlowdown": "hardware",
    "nvmlClocksEventReasonApplicationsClocksSetting": "setting",
    "nvmlClocksEventReasonSyncBoost": "setting",
}
"""NVML's reasons for a lower clock; that a GPU idles is none."""


class Owners:
    """Remembers whose the processes are that NVML lists, as long as it lists them: looking is dear."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, str]] = {}

    def of(self, pids: set[int]) -> Mapping[int, tuple[str, str]]:
        """User and name by process number, both empty where a process cannot be seen from here."""
        self._known = {pid: self._known.get(pid) or _owner(pid) for pid in pids}
        return self._known


def _owner(pid: int) -> tuple[str, str]:
    """In a container NVML may give the host's number, and who has it here is somebody else: then nobody is named."""
    if not is_holder(pid):
        return "", ""
    try:
        process = psutil.Process(pid)
        return str(process.username()), str(process.name())
    except (psutil.Error, KeyError):
        return "", ""


def sample_gpu(index: int, pids: set[int], owners: Callable[[set[int]], Mapping[int, tuple[str, str]]]) -> GpuSample:
    """The GPU as it is now; `pids` are the run's own. `owners`: `Owners.of` of this GPU."""
    sample = GpuSample(index=index)
    handle = _sensor(pynvml.nvmlDeviceGetHandleByIndex, index)
    if handle is None:
        return sample
    memory = _sensor(pynvml.nvmlDeviceGetMemoryInfo, handle)
    if memory is not None:
        sample.mem_used_bytes, sample.mem_total_bytes = int(memory.used), int(memory.total)
    name = _sensor(pynvml.nvmlDeviceGetName, handle)
    sample.name = "" if name is None else str(name)
    utilisation = _sensor(pynvml.nvmlDeviceGetUtilizationRates, handle)
    sample.util_percent = None if utilisation is None else float(utilisation.gpu)
    sample.temperature_c = _float(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU)
    sample.power_w = _watts(_float(pynvml.nvmlDeviceGetPowerUsage, handle))
    sample.power_limit_w = _watts(_float(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle))
    sample.clock_mhz = _float(pynvml.nvmlDeviceGetClockInfo, handle, pynvml.NVML_CLOCK_SM)
    sample.clock_max_mhz = _float(pynvml.nvmlDeviceGetMaxClockInfo, handle, pynvml.NVML_CLOCK_SM)
    sample.slowed_by = _slowed_by(handle)
    sample.processes = _processes(handle, pids, owners)
    compute = _sensor(pynvml.nvmlDeviceGetComputeRunningProcesses, handle) or []
    ours = [process.usedGpuMemory for process in compute if process.pid in pids and process.usedGpuMemory]
    sample.run_mem_bytes = sum(ours) if ours else None
    return sample


def _processes(
    handle: Any, pids: set[int], owners: Callable[[set[int]], Mapping[int, tuple[str, str]]]
) -> list[GpuProcess] | None:
    queries = (pynvml.nvmlDeviceGetComputeRunningProcesses, pynvml.nvmlDeviceGetGraphicsRunningProcesses)
    listed = [_sensor(query, handle) for query in queries]
    if all(each is None for each in listed):
        return None
    held: dict[int, int | None] = {}
    for process in (process for each in listed for process in each or []):
        num_bytes = process.usedGpuMemory
        if held.get(int(process.pid)) is None:
            held[int(process.pid)] = None if num_bytes is None else int(num_bytes)
    known = owners(set(held))
    largest = sorted(held, key=lambda pid: held[pid] or 0, reverse=True)[:MOST_PROCESSES]
    return [
        GpuProcess(pid=pid, is_run=pid in pids, user=known[pid][0], name=known[pid][1], mem_bytes=held[pid])
        for pid in largest
    ]


def _slowed_by(handle: Any) -> list[str] | None:
    reasons = _sensor(pynvml.nvmlDeviceGetCurrentClocksEventReasons, handle)
    if reasons is None:  # as drivers before 535 call it
        reasons = _sensor(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
    if reasons is None:
        return None
    words = (word for name, word in _SLOWED_BY.items() if int(reasons) & int(getattr(pynvml, name, 0)))
    return list(dict.fromkeys(words))


def _watts(milliwatts: float | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000


def _float(query: Callable[..., Any], *args: Any) -> float | None:
    value = _sensor(query, *args)
    return None if value is None else float(value)


def _sensor(query: Callable[..., Any], *args: Any) -> Any:
    """What NVML answers, or None for what this GPU or its driver does not tell."""
    try:
        return query(*args)
    except pynvml.NVMLError:
        return None
