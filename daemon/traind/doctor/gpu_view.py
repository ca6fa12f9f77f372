"""What NVML says of this machine, as one line of JSON. Runs as a process of its own: a driver that hangs holds it."""

import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pynvml

from traind.doctor.gpu import Gpu, Gpus


def read_gpus() -> Gpus:
    """Ask NVML. Never raises: a library or driver that is not there is said in `error`."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return Gpus(error=str(error))
    try:
        count = _told(pynvml.nvmlDeviceGetCount) or 0
        version = _told(pynvml.nvmlSystemGetCudaDriverVersion)
        return Gpus(
            gpus=[_read_gpu(index) for index in range(count)],
            driver=str(_told(pynvml.nvmlSystemGetDriverVersion) or ""),
            cuda=None if version is None else (version // 1000, version % 1000 // 10),
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


def main() -> None:
    sys.stdout.buffer.write(msgspec.json.encode(read_gpus()) + b"\n")


if __name__ == "__main__":
    main()
