"""What NVML says of driver, GPUs and the processes that hold their memory; and what is to be said of free memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pynvml

from rundir.size import size
from traind.check.finding import Finding, ok, warn

LITTLE_FREE = 0.1
"""Share of a GPU's memory below which little training fits."""
UNTOLD_BYTES = 512 * 2**20
"""Memory in use beyond that of the listed processes up to which the driver's own needs explain it."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU; None where NVML does not tell."""

    index: int
    name: str
    used_bytes: int | None
    total_bytes: int | None
    holders: tuple[tuple[int, int | None], ...] = ()
    """Pid and bytes of each process that holds memory; in containers often empty, or pids of the host."""


@dataclass(frozen=True, slots=True)
class Gpus:
    """All that NVML says at one moment."""

    gpus: list[Gpu] = field(default_factory=list)
    driver: str = ""
    cuda: tuple[int, int] | None = None
    """The newest CUDA that the driver serves."""
    error: str = ""
    """Why NVML says nothing."""
    has_device_file: bool = False
    """Whether the system has a GPU's device file, whatever NVML says."""


def read_gpus() -> Gpus:
    """Ask NVML. Never raises: a library or driver that is not there is said in `error`."""
    has_file = any(Path("/dev").glob("nvidia[0-9]*")) or Path("/proc/driver/nvidia/version").exists()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return Gpus(error=str(error), has_device_file=has_file)
    try:
        count = _told(pynvml.nvmlDeviceGetCount) or 0
        version = _told(pynvml.nvmlSystemGetCudaDriverVersion)
        return Gpus(
            gpus=[_read_gpu(index) for index in range(count)],
            driver=str(_told(pynvml.nvmlSystemGetDriverVersion) or ""),
            cuda=None if version is None else (version // 1000, version % 1000 // 10),
            has_device_file=has_file,
        )
    finally:
        pynvml.nvmlShutdown()


def _read_gpu(index: int) -> Gpu:
    handle = _told(pynvml.nvmlDeviceGetHandleByIndex, index)
    if handle is None:
        return Gpu(index, "", None, None)
    memory = _told(pynvml.nvmlDeviceGetMemoryInfo, handle)
    held: dict[int, int | None] = {}
    for query in (pynvml.nvmlDeviceGetComputeRunningProcesses, pynvml.nvmlDeviceGetGraphicsRunningProcesses):
        held |= {int(process.pid): process.usedGpuMemory for process in _told(query, handle) or []}
    return Gpu(
        index,
        str(_told(pynvml.nvmlDeviceGetName, handle) or ""),
        None if memory is None else int(memory.used),
        None if memory is None else int(memory.total),
        tuple(held.items()),
    )


def _told(query: Callable[..., Any], *args: Any) -> Any:
    try:
        return query(*args)
    except pynvml.NVMLError:
        return None


def examine_gpus(seen: Gpus) -> Iterator[Finding]:
    """Driver, and of each GPU what is free."""
    if seen.error:
        if seen.has_device_file:
            yield warn(
                "GPU driver",
                f"there is an NVIDIA device, and NVML says nothing: {seen.error}",
                "reload or reinstall the driver (nvidia-smi says more); in a container start it with --gpus all",
            )
        else:
            yield ok("GPU", f"no NVIDIA GPU here ({seen.error})")
        return
    cuda = "" if seen.cuda is None else f", serves CUDA up to {seen.cuda[0]}.{seen.cuda[1]}"
    yield ok("GPU driver", f"NVIDIA {seen.driver}{cuda}")
    if not seen.gpus:
        yield warn("GPU", "the driver is there, and no GPU", "in a container start it with --gpus all")
    for gpu in seen.gpus:
        yield _memory(gpu)


def _memory(gpu: Gpu) -> Finding:
    name = f"GPU {gpu.index}"
    if gpu.total_bytes is None or gpu.used_bytes is None:
        return ok(name, f"{gpu.name or 'unnamed'}: its memory is not told")
    free = gpu.total_bytes - gpu.used_bytes
    text = f"{gpu.name}: {size(free)} of {size(gpu.total_bytes)} free"
    if free < LITTLE_FREE * gpu.total_bytes:
        cure = "wait, end what holds it (below), or take another GPU: train.device = cuda:N"
        return warn(name, text, cure)
    return ok(name, text)


def untold(gpu: Gpu) -> int:
    """Bytes in use that no listed process accounts for; 0 within what the driver needs, or where nothing is told."""
    if gpu.used_bytes is None or any(held is None for _, held in gpu.holders):
        return 0
    rest = gpu.used_bytes - sum(held for _, held in gpu.holders if held is not None)
    return rest if rest > UNTOLD_BYTES else 0
