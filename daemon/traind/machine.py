"""Sampling the machine for system.jsonl: GPUs by NVML, host by psutil. A missing sensor is a missing value."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pynvml

from rundir.records import SystemRecord
from traind.gpu_sample import Owners, sample_gpu

T = TypeVar("T")

SHM = Path("/dev/shm")  # noqa: S108 - it is looked at, nothing is written there
_DEVICES = Path("/sys/class/net")
_COPIES = ("lo", "ifb", "docker", "br-", "veth", "virbr")
"""Beginnings of the names of network devices through which nothing leaves the machine, or what others count too."""


class Machine:
    """Owns the NVML session and the CPU counters that usage is measured against."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._num_gpus = _count_gpus()
        self._owners = [Owners() for _ in range(self._num_gpus)]
        self._processes: dict[int, psutil.Process] = {}
        psutil.cpu_percent()

    def sample(self, pids: list[int]) -> SystemRecord:
        """One sample; `pids` are supervisor and trainer, their children are found. Stamps are the caller's."""
        tree = self._tree(pids)
        memory, disk, shm = psutil.virtual_memory(), _usage(self._disk), _usage(SHM)
        disks, (received, sent) = _told(psutil.disk_io_counters), _network()
        return SystemRecord(
            at=0,
            attempt=0,
            gpus=[sample_gpu(index, set(tree), self._owners[index].of) for index in range(self._num_gpus)],
            cpu_percent=psutil.cpu_percent(),
            mem_used_bytes=memory.total - memory.available,
            mem_total_bytes=memory.total,
            run_rss_bytes=sum(_rss_bytes(process) for process in tree.values()),
            run_cpu_percent=round(sum(_cpu_percent(process) for process in tree.values()), 1),
            disk_free_bytes=None if disk is None else disk.free,
            num_cpus=psutil.cpu_count(),
            shm_used_bytes=None if shm is None else shm.used,
            shm_total_bytes=None if shm is None else shm.total,
            disk_total_bytes=None if disk is None else disk.total,
            disk_read_bytes=None if disks is None else disks.read_bytes,
            disk_written_bytes=None if disks is None else disks.write_bytes,
            net_received_bytes=received,
            net_sent_bytes=sent,
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


def _usage(path: Path) -> Any:
    """Room on a file system; None where there is none (no /dev/shm on macOS)."""
    try:
        return psutil.disk_usage(str(path))
    except OSError:
        return None


def _network() -> tuple[int | None, int | None]:
    """Bytes received and sent: through the devices that are hardware, else through all that seem to lead outside."""
    by_device = _told(lambda: psutil.net_io_counters(pernic=True)) or {}
    real = [name for name in by_device if (_DEVICES / name / "device").exists()]
    chosen = real or [name for name in by_device if not name.startswith(_COPIES)]
    if not chosen:
        return None, None
    counters = [by_device[name] for name in chosen]
    return sum(each.bytes_recv for each in counters), sum(each.bytes_sent for each in counters)


def _told(query: Callable[[], T]) -> T | None:
    """What psutil answers, or None where this system, or what it may be asked from here, does not tell."""
    try:
        return query()
    except (psutil.Error, OSError, RuntimeError, ValueError):  # the last for lines of /proc that psutil does not know
        return None
