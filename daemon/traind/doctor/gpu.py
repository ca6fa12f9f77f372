"""What NVML says of driver, GPUs and the processes that hold their memory; and what is to be said of free memory.

Asks NVML in a process of its own; does not know it itself.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from rundir.size import size
from traind.check.finding import Finding, ok, warn
from traind.doctor.shell import last_line, run

LIMIT_S = 30.0
"""Longer than a driver takes that begins anew for each of eight GPUs."""
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


def ask_gpus(limit_s: float = LIMIT_S) -> Gpus:
    """Ask NVML in a process of its own. Never raises: what keeps it from answering is said in `error`."""
    has_file = any(Path("/dev").glob("nvidia[0-9]*")) or Path("/proc/driver/nvidia/version").exists()
    answer = run([sys.executable, "-m", "traind.doctor.gpu_view"], limit_s)
    if answer is None:
        return Gpus(error=f"it did not answer within {limit_s:g} s", has_device_file=has_file)
    try:
        seen = msgspec.json.decode(answer.output, type=Gpus)
    except msgspec.DecodeError:
        why = last_line(answer.errors) or f"exit status {answer.status}"
        return Gpus(error=f"the process that asked it failed: {why}", has_device_file=has_file)
    return replace(seen, has_device_file=has_file)


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
