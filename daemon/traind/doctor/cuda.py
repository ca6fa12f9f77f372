"""Whether torch sees CUDA or MPS, and if not, why. Asks torch in a process of its own; knows none itself."""

import re
import sys
from collections.abc import Iterator, Mapping

import msgspec

from traind.check.finding import Finding, fault, ok, warn
from traind.doctor.gpu import Gpus
from traind.doctor.shell import last_line, run
from traind.exit_status import signal_name
from traind.words import one_line

LIMIT_S = 60.0
"""Longer than torch takes to load from a slow disk; a driver that hangs takes for ever."""
_HIDDEN = ("", "-1", "none", "NoDevFiles")


class View(msgspec.Struct, kw_only=True):
    """What `traind.doctor.torch_view` says."""

    torch: str
    built_for: str | None
    """CUDA version of the build; None for one without."""
    is_rocm: bool = False
    devices: list[str] = []
    capabilities: list[tuple[int, int]] = []
    architectures: list[str] = []
    mps_built: bool = False
    mps_available: bool = False
    error: str = ""


class Silence(msgspec.Struct, kw_only=True):
    """Torch said nothing: why."""

    why: str
    is_missing: bool = False


def ask_torch(limit_s: float = LIMIT_S) -> View | Silence:
    """Load torch in a process of its own and hear what it sees."""
    command = [sys.executable, "-m", "traind.doctor.torch_view"]
    answer = run(command, limit_s)
    if answer is None:
        return Silence(why=f"it did not answer within {limit_s:.0f} s")
    return hear(answer.status, answer.output, answer.errors)


def hear(status: int, output: bytes, errors: str) -> View | Silence:
    """The answer of that process, or what its end means."""
    if status < 0:
        return Silence(why=f"it was ended by {signal_name(-status)} while it looked for devices")
    last = last_line(errors) or f"exit status {status}"
    if status:
        is_missing = bool(re.search(r"No module named '(torch|traind)'", last))
        return Silence(why=last, is_missing=is_missing)
    try:
        return msgspec.json.decode(output.splitlines()[-1], type=View)
    except (msgspec.DecodeError, IndexError):
        return Silence(why=f"its answer makes no sense: {last}")


def examine_cuda(view: View | Silence, seen: Gpus, environment: Mapping[str, str]) -> Iterator[Finding]:
    """What torch sees beside what NVML sees."""
    if isinstance(view, Silence):
        if view.is_missing:
            yield fault("torch", "is not installed: nothing can be trained here", "pip install 'trainwatch[train]'")
        else:
            cure = "python -c 'import torch' says more; a driver that hangs needs a reload or a reboot"
            yield fault("torch", one_line(view.why), cure)
        return
    yield _cuda(view, seen, environment.get("CUDA_VISIBLE_DEVICES"))
    if view.mps_available:
        yield ok("MPS", "torch sees Apple's GPU")
    elif view.mps_built:
        yield warn("MPS", "torch is built for Apple's GPU and sees none", "it needs macOS 14 or later on Apple silicon")


def _cuda(view: View, seen: Gpus, visible: str | None) -> Finding:
    has_gpus = bool(seen.gpus)
    if view.devices:
        return _devices(view, seen, visible)
    if not has_gpus:
        built = "built without it" if view.built_for is None else f"built for {view.built_for}"
        return ok("CUDA", f"none: there is no NVIDIA GPU to see (torch {view.torch}, {built})")
    if visible is not None and visible.strip() in _HIDDEN:
        return warn(
            "CUDA", f"CUDA_VISIBLE_DEVICES={visible!r} hides every GPU from torch", "unset CUDA_VISIBLE_DEVICES"
        )
    if view.is_rocm:
        return fault("CUDA", f"torch {view.torch} is built for ROCm, the GPU is NVIDIA's", _install(seen.cuda))
    if view.built_for is None:
        return fault("CUDA", f"torch {view.torch} is built without CUDA, though there is a GPU", _install(seen.cuda))
    if is_too_old(view, seen):
        most = f"{seen.cuda[0]}.{seen.cuda[1]}" if seen.cuda is not None else "less"
        text = f"the driver {seen.driver} serves CUDA {most}, torch {view.torch} is built for {view.built_for}"
        return fault("CUDA", text, f"update the NVIDIA driver, or {_install(seen.cuda)}")
    text = f"torch {view.torch} (CUDA {view.built_for}) sees no GPU: {one_line(view.error) or 'it does not say why'}"
    return fault("CUDA", text, "nvidia-smi says whether the driver works; dmesg, why not; a reboot often helps")


def is_too_old(view: View, seen: Gpus) -> bool:
    """Whether the driver cannot serve torch's CUDA. Within a major version an older driver serves (CUDA ≥ 11)."""
    if "driver" in view.error and "too old" in view.error:
        return True
    major = re.match(r"\d+", view.built_for or "")
    return major is not None and seen.cuda is not None and int(major[0]) > seen.cuda[0]


def _devices(view: View, seen: Gpus, visible: str | None) -> Finding:
    names = ", ".join(dict.fromkeys(view.devices))
    what = f"ROCm {view.torch}" if view.is_rocm else f"CUDA {view.built_for}"
    text = f"torch {view.torch} sees {len(view.devices)} of {max(len(seen.gpus), len(view.devices))}: {names} ({what})"
    for name, (major, minor) in zip(view.devices, view.capabilities, strict=False):
        if view.architectures and not view.is_rocm and not _serves(view.architectures, major, minor):
            lacking = f"{text}\nits kernels are for {', '.join(view.architectures)}, {name} is sm_{major}{minor}"
            return fault("CUDA", lacking, f"take a torch built for this GPU: {_install(seen.cuda)}")
    if len(view.devices) < len(seen.gpus) and visible is None:
        return warn("CUDA", text, "nvidia-smi -L lists the GPUs; one in MIG mode, or that fell off, is not seen")
    return ok("CUDA", text if visible is None else f"{text}; CUDA_VISIBLE_DEVICES={visible}")


def _serves(architectures: list[str], major: int, minor: int) -> bool:
    """Whether a build's kernels run: of the same major version and no newer minor one, or PTX no newer at all."""
    for name in architectures:
        match = re.fullmatch(r"(sm|compute)_(\d+)(\d)[a-z]?", name)
        if match is None:
            continue
        built = (int(match[2]), int(match[3]))
        if built[0] == major and built[1] <= minor:
            return True
        if match[1] == "compute" and built <= (major, minor):
            return True
    return False


def _install(cuda: tuple[int, int] | None) -> str:
    """How to get a torch that a driver can serve."""
    most = "" if cuda is None else f", one for CUDA {cuda[0]}.{cuda[1]} or older"
    return f"pip install --force-reinstall torch   (PyPI's has CUDA; others{most}: https://pytorch.org/get-started)"
