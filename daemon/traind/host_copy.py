"""Copies of tensors in host memory that is used again at every save, laid out as the file to be written from it.

Fresh memory costs several times what the copying costs, as the kernel clears it page by page; here that is paid once.
From a GPU the copy runs on a stream of its own while the next step computes, and only its update waits.
"""

import contextlib
import ctypes
import json
import math
import mmap
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

_DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
    torch.complex64: "C64", torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
}  # fmt: skip
"""As safetensors names them."""

Spec: TypeAlias = list[tuple[str, torch.dtype, tuple[int, ...]]]


@dataclass(frozen=True, slots=True)
class HostCopy:
    """One copy. Holds until the next one is made from the same `HostMemory`."""

    tensors: dict[str, Tensor]
    """Contiguous; tied ones share memory here as well."""
    content: memoryview
    """The same as the bytes of a safetensors file. Begins at a page."""
    wait: Callable[[], None]
    """Returns when the bytes are there; at once but for a copy from a GPU. For the thread that writes."""


def layout(spec: Spec) -> tuple[bytes, list[int], int]:
    """Of a safetensors file: its header, where each tensor begins, and the bytes of the whole.

    In order of falling item size, as the library does, so that every tensor is aligned without gaps. Raises KeyError
    for a kind of number that the format does not know. With the mark by which transformers knows PyTorch's tensors.
    """
    begins: dict[str, int] = {}
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, dtype, shape in sorted(spec, key=lambda entry: (-entry[1].itemsize, entry[0])):
        begins[name] = end
        end += math.prod(shape) * dtype.itemsize
        entries[name] = {"dtype": _DTYPES[dtype], "shape": list(shape), "data_offsets": [begins[name], end]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    header = len(text).to_bytes(8, "little") + text
    return header, [len(header) + begins[name] for name, _, _ in spec], len(header) + end


class HostMemory:
    """Owns the memory of one copy, made anew only when other tensors come."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._spec: Spec | None = None
        self._views: list[Tensor] = []
        self._content = memoryview(b"")
        self._arrived: torch.cuda.Event | None = None
        self._preparing: threading.Thread | None = None

    def prepare(self, live: Mapping[str, Tensor]) -> None:
        """Make the memory for copies of such tensors in a thread, so that the first copy finds it."""
        spec = _spec_of(live, _owner_of(live).values())
        self._preparing = threading.Thread(target=self._allocate, args=(spec,), name="host-memory", daemon=True)
        self._preparing.start()

    def copy(self, live: Mapping[str, Tensor]) -> HostCopy:
        """Copy now; the copy before is overwritten, so nobody may be reading it any more."""
        if self._preparing is not None:
            self._preparing.join()
            self._preparing = None
        owner_of = _owner_of(live)
        spec = _spec_of(live, owner_of.values())
        if spec != self._spec:
            self._allocate(spec)
        self._fill([live[name].detach() for name, _, _ in spec])
        views = {name: view for (name, _, _), view in zip(spec, self._views, strict=True)}
        return HostCopy({name: views[owner] for name, owner in owner_of.items()}, self._content, self._wait)

    def hold_update(self) -> None:
        """Call before the copied tensors change: what the device does from here on comes after the copy."""
        if self._arrived is not None:
            torch.cuda.current_stream().wait_event(self._arrived)

    def _wait(self) -> None:
        if self._arrived is not None:
            self._arrived.synchronize()

    def _allocate(self, spec: Spec) -> None:
        header, begins, num_bytes = layout(spec)
        self._spec, self._views = None, []  # the old memory goes before the new is asked for
        self._content = memoryview(b"")
        memory = _memory(num_bytes, is_pinned=self._stream is not None)
        memory[: len(header)] = torch.frombuffer(bytearray(header), dtype=torch.uint8)
        self._content = memory.numpy().data
        self._views = [
            memory[begin : begin + math.prod(shape) * dtype.itemsize].view(dtype).view(shape)
            for begin, (_, dtype, shape) in zip(begins, spec, strict=True)
        ]
        self._spec = spec

    def _fill(self, sources: list[Tensor]) -> None:
        if self._stream is None:
            for view, source in zip(self._views, sources, strict=True):
                _copy(view, source)
            return
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for view, source in zip(self._views, sources, strict=True):
                view.copy_(source, non_blocking=True)
                if source.is_cuda:
                    source.record_stream(self._stream)  # its memory is not given to others before it is read
        self._arrived = self._stream.record_event()


def _copy(view: Tensor, source: Tensor) -> None:
    """In this thread alone: it fills the memory's bandwidth, while on a busy machine torch's threads would wait for the
    last of them at every tensor.
    """
    if source.device.type == "cpu" and source.is_contiguous():
        ctypes.memmove(view.data_ptr(), source.data_ptr(), source.nbytes)
    else:
        view.copy_(source)


def _owner_of(live: Mapping[str, Tensor]) -> dict[str, str]:
    """For each name the first one of the same tensor: its own, but for tied ones."""
    owners: dict[tuple[object, ...], str] = {}
    return {name: owners.setdefault(_place(name, tensor), name) for name, tensor in live.items()}


def _spec_of(live: Mapping[str, Tensor], names: Iterable[str]) -> Spec:
    return [(name, live[name].dtype, tuple(live[name].shape)) for name in dict.fromkeys(names)]


def _place(name: str, tensor: Tensor) -> tuple[object, ...]:
    """The same for two tensors only when they are one (tied weights)."""
    if tensor.numel() == 0:
        return (name,)
    return (tensor.data_ptr(), tuple(tensor.shape), tuple(tensor.stride()), tensor.dtype)


def _memory(num_bytes: int, *, is_pinned: bool) -> Tensor:
    """Bytes from a page's begin on, none of which is still to be found by the kernel when it is written.

    In huge pages where there are any, which it clears ten times as fast.
    """
    if is_pinned:
        return torch.empty(num_bytes, dtype=torch.uint8, pin_memory=True)
    memory = mmap.mmap(-1, num_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    # Not for forked loader workers: with them a page would be copied again at the next save, only to be overwritten.
    for advice in ("MADV_HUGEPAGE", "MADV_DONTFORK"):
        if hasattr(mmap, advice):
            with contextlib.suppress(OSError):
                memory.madvise(getattr(mmap, advice))
    bytes_ = torch.frombuffer(memory, dtype=torch.uint8)
    ctypes.memset(bytes_.data_ptr(), 0, num_bytes)
    return bytes_
