"""Sampling the machine for system.jsonl: GPUs by NVML, host by psutil. A missing sensor is a missing value."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pynvml

from rundir.records import GpuSample, SystemRecord


class Machine:
    """Owns the NVML session and the CPU counters that usage is measured against."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._num_gpus = _count_gpus()
        self._processes: dict[int, psutil.Process] = {}
        psutil.cpu_percent()

    def sample(self, pids: list[int]) -> SystemRecord:
        """One sample; `pids` are supervisor and trainer, their children are found. Stamps are the caller's."""
        tree = self._tree(pids)
        memory = psutil.virtual_memory()
        return SystemRecord(
            at=0,
            attempt=0,
            gpus=[_sample_gpu(index, set(tree)) for index in range(self._num_gpus)],
            cpu_percent=psutil.cpu_percent(),
            mem_used_bytes=memory.total - memory.available,
            mem_total_bytes=memory.total,
            run_rss_bytes=sum(_rss_bytes(process) for process in tree.values()),
            run_cpu_percent=round(sum(_cpu_percent(process) for process in tree.values()), 1),
            disk_free_bytes=psutil.disk_usage(str(self._disk)).free,
        )

    def _tree(self, pids: list[int]) -> dict[int, psutil.Process]:
        """The run's processes. Known ones are kept, as CPU usage is counted between two looks at the same object."""
        found: dict[int, psutil.Process] = {}
        for pid in pids:
            try:
                root = psutil.Process(pid)
                members = [root, *root.children(recursive=True)]
            except psutil.Error:
                continue
            found |= {process.pid: self._processes.get(process.pid, process) for process in members}
        self._processes = found
        return found


def _rss_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _cpu_percent(process: psutil.Process) -> float:
    try:
        return float(process.cpu_percent())
    except psutil.Error:
        return 0.0


def _count_gpus() -> int:
    try:
        pynvml.nvmlInit()
        return int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return 0


def _sample_gpu(index: int, pids: set[int]) -> GpuSample:
    sample = GpuSample(index=index)
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    except pynvml.NVMLError:
        return sample
    memory = _sensor(pynvml.nvmlDeviceGetMemoryInfo, handle)
    if memory is not None:
        sample.mem_used_bytes, sample.mem_total_bytes = int(memory.used), int(memory.total)
    name = _sensor(pynvml.nvmlDeviceGetName, handle)
    sample.name = "" if name is None else str(name)
    utilisation = _sensor(pynvml.nvmlDeviceGetUtilizationRates, handle)
    sample.util_percent = None if utilisation is None else float(utilisation.gpu)
    temperature = _sensor(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU)
    sample.temperature_c = None if temperature is None else float(temperature)
    power_mw = _sensor(pynvml.nvmlDeviceGetPowerUsage, handle)
    sample.power_w = None if power_mw is None else power_mw / 1000
    listed = _sensor(pynvml.nvmlDeviceGetComputeRunningProcesses, handle) or []
    ours = [process.usedGpuMemory for process in listed if process.pid in pids and process.usedGpuMemory]
    sample.run_mem_bytes = sum(ours) if ours else None
    return sample


def _sensor(query: Callable[..., Any], *args: Any) -> Any:
    """What NVML answers, or None for what this GPU does not tell."""
    try:
        return query(*args)
    except pynvml.NVMLError:
        return None
