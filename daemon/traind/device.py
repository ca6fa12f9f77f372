"""Which device and precision training uses, said in words; and what must stay the same for exact floats."""

import importlib.metadata
import os
from dataclasses import dataclass

import torch

from traind.config import Config, ConfigError, Train


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and in which precision the model computes."""

    device: torch.device
    autocast: torch.dtype | None
    """None: everything in fp32."""
    reason: str

    @property
    def needs_scaler(self) -> bool:
        """fp16 gradients underflow without a loss scaler."""
        return self.autocast is torch.float16

    @property
    def name(self) -> str:
        if self.device.type != "cuda":
            return str(self.device)
        kind = torch.cuda.get_device_name(self.device)
        return f"{self.device} ({kind})"


def place(train: Train, local_rank: int = 0, num_ranks: int = 1) -> Placement:
    """Choose as told. Raises ConfigError where the device asked for is not there: never a silent CPU run.

    Of several processes each gets a GPU of its own.
    """
    device, reason = _device(train.device)
    if num_ranks > 1 and device.type == "mps":
        raise ConfigError(f'distributed.nproc = {num_ranks}: Apple\'s GPU trains one process; set train.device = "cpu"')
    if num_ranks > 1 and device.type == "cuda":
        device, reason = _own_gpu(local_rank, num_ranks), f"a GPU for each of {num_ranks} processes"
    if device.type == "cuda":
        torch.cuda.set_device(device)  # events, seeds and statistics are those of the current device
    autocast, precision_reason = _autocast(train.precision, device)
    return Placement(device, autocast, f"{reason}; {precision_reason}")


def _device(wanted: str) -> tuple[torch.device, str]:
    if wanted == "cpu":
        return torch.device("cpu"), "cpu, as configured"
    if wanted == "mps":
        return _mps()
    if torch.cuda.is_available():
        device = torch.device("cuda:0" if wanted in ("auto", "cuda") else wanted)
        if torch.cuda.device_count() <= (device.index or 0):
            raise ConfigError(f"train.device = {wanted!r}: there are {torch.cuda.device_count()} GPUs, counted from 0")
        return device, f"{device}, {'the GPU found' if wanted == 'auto' else 'as configured'}"
    if wanted == "auto" and torch.backends.mps.is_available():
        return torch.device("mps"), "mps, the GPU found"
    if wanted == "auto":
        return torch.device("cpu"), f"cpu, chosen by auto: {_why_no_cuda()}"
    raise ConfigError(f"train.device = {wanted!r}: {_why_no_cuda()}; set it to cpu or auto for the CPU")


def _own_gpu(local_rank: int, num_ranks: int) -> torch.device:
    num_here = torch.cuda.device_count()
    if local_rank >= num_here:
        raise ConfigError(
            f"distributed.nproc = {num_ranks}: there {'is' if num_here == 1 else 'are'} {num_here} GPU(s), and each "
            'process needs its own; take nproc = "auto"'
        )
    return torch.device("cuda", local_rank)


def _mps() -> tuple[torch.device, str]:
    if torch.backends.mps.is_available():
        return torch.device("mps"), "mps, as configured"
    why = "macOS is too old for it" if torch.backends.mps.is_built() else f"this torch ({torch.__version__}) has none"
    raise ConfigError(f'train.device = "mps": {why}; set it to cpu or auto for the CPU')


def float_of(device: torch.device) -> torch.dtype:
    """The widest float a device computes with: Apple's GPUs have no double."""
    return torch.float32 if device.type == "mps" else torch.float64


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the host, had no memory left. Some allocators and libraries say so in words alone."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    words = (
        "MPS backend out of memory",
        "CUDA error: out of memory",
        "CUBLAS_STATUS_ALLOC_FAILED",
        "DefaultCPUAllocator: can't allocate memory",
        "DefaultCPUAllocator: not enough",
    )
    return isinstance(error, RuntimeError) and any(text in str(error) for text in words)


def _why_no_cuda() -> str:
    if torch.version.cuda is None:
        return f"this torch ({torch.__version__}) is built without CUDA"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible in ("", "-1"):
        return f"CUDA_VISIBLE_DEVICES={visible!r} hides every GPU"
    return "torch sees no CUDA device (no driver, or too old for this torch)"


def _autocast(wanted: str, device: torch.device) -> tuple[torch.dtype | None, str]:
    if wanted == "fp32":
        return None, "fp32, as configured"
    if wanted == "fp16" and device.type == "cpu":
        raise ConfigError('train.precision = "fp16": needs a GPU; use fp32 or bf16 on the CPU')
    if wanted == "bf16":
        return torch.bfloat16, "bf16, as configured"
    if wanted == "fp16":
        return torch.float16, "fp16 with a loss scaler, as configured"
    if device.type == "cpu":
        return None, "fp32, as autocast gains nothing on most CPUs"
    if device.type == "mps":
        return None, "fp32, as mixed precision gains little on Apple's GPUs"
    if torch.cuda.is_bf16_supported():
        return torch.bfloat16, "bf16, which this GPU has"
    return torch.float16, "fp16 with a loss scaler, as this GPU has no bf16"


def set_threads(wanted: int | None) -> None:
    """CPU threads change floats: a resume sets what the run began with."""
    if wanted is not None:
        torch.set_num_threads(wanted)


def environment(placement: Placement, config: Config, num_ranks: int = 1) -> dict[str, str]:
    """What changes floats when it changes. Two equal ones make a resume exact on the CPU."""
    adapter = {"peft": importlib.metadata.version("peft")} if config.lora.r else {}
    return {
        **adapter,
        "nproc": str(num_ranks),
        "threads": str(torch.get_num_threads()),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "device": placement.name,
        "precision": str(placement.autocast or torch.float32).removeprefix("torch."),
        "torch": str(torch.__version__),
        "transformers": importlib.metadata.version("transformers"),
    }
