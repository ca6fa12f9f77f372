"""Where training runs is said and never guessed; and each device's own words for having no memory left."""

import pytest
import torch

from traind import device
from traind.config import ConfigError, Train


def test_the_cpu_is_taken_as_asked() -> None:
    placement = device.place(Train(device="cpu"))
    assert (placement.name, placement.autocast) == ("cpu", None)


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has an Apple GPU")
def test_mps_that_is_not_there_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigError, match=r'train.device = "mps": .*; set it to cpu or auto'):
        device.place(Train(device="mps"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_that_is_not_there_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigError, match=r"train\.device = .cuda:1."):
        device.place(Train(device="cuda:1"))


def test_a_device_without_doubles_adds_up_in_single_precision() -> None:
    assert device.float_of(torch.device("mps")) is torch.float32
    assert device.float_of(torch.device("cpu")) is torch.float64


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB, other allocations: 1.2 GB)"), True),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory_is_known_by_each_devices_own_words(error: Exception, is_one: bool) -> None:
    assert device.is_out_of_memory(error) is is_one


def test_the_allocator_of_the_host_is_known_by_what_it_really_says() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert device.is_out_of_memory(caught.value)
