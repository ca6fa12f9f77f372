"""Copies in memory that is used again: laid out as the file that the library would write, ties kept, nothing stale."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load, load_file, save
from torch import Tensor

from tests.conftest import eventually
from traind.direct_file import write_direct
from traind.host_copy import HostMemory

CPU = torch.device("cpu")


def some_tensors() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {
        "half": torch.randn(3, dtype=torch.bfloat16),
        "flags": torch.tensor([True, False, True]),
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "count": torch.tensor(7.0),
        "none": torch.zeros(0, 3),
        "long": torch.tensor([2**62 + 1]),
    }


def test_the_bytes_are_those_of_a_safetensors_file() -> None:
    tensors = some_tensors()
    copy = HostMemory(CPU).copy(tensors)
    loaded = load(bytes(copy.content))
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)
        assert torch.equal(copy.tensors[name], tensor)
        assert copy.tensors[name].is_contiguous()


def test_one_kind_of_numbers_gives_the_very_bytes_of_the_library() -> None:
    tensors = {f"{name}.exp_avg": torch.randn(5, 3) for name in "bac"}
    content = bytes(HostMemory(CPU).copy(tensors).content)
    header = int.from_bytes(content[:8], "little")
    theirs = save(tensors)
    assert content[8 + header :] == theirs[8 + int.from_bytes(theirs[:8], "little") :]


def test_tied_tensors_share_memory_and_stand_in_the_file_once() -> None:
    tensor = torch.randn(4)
    copy = HostMemory(CPU).copy({"first": tensor, "second": tensor})
    assert copy.tensors["first"].data_ptr() == copy.tensors["second"].data_ptr() != tensor.data_ptr()
    assert list(load(bytes(copy.content))) == ["first"]


def test_memory_is_used_again_until_other_tensors_come() -> None:
    memory = HostMemory(CPU)
    first = memory.copy({"a": torch.zeros(4)})
    again = memory.copy({"a": torch.ones(4)})
    assert again.tensors["a"].data_ptr() == first.tensors["a"].data_ptr()
    assert torch.equal(again.tensors["a"], torch.ones(4))
    grown = memory.copy({"a": torch.ones(4), "b": torch.full((2,), 2.0)})
    assert torch.equal(load(bytes(grown.content))["b"], torch.full((2,), 2.0))


@pytest.mark.parametrize("num_bytes", [0, 1, 4095, 4096, 4097, (16 << 20) + 4096, (16 << 20) + 5])
def test_a_file_has_the_bytes_whatever_their_number(tmp_path: Path, num_bytes: int) -> None:
    """On the test's file system, which may or may not take writes past the page cache."""
    content = HostMemory(CPU).copy({"a": torch.arange(num_bytes, dtype=torch.int64).to(torch.uint8)}).content
    write_direct(tmp_path / "file", content)
    assert (tmp_path / "file").read_bytes() == bytes(content)
    assert len(load_file(tmp_path / "file")["a"]) == num_bytes


def test_memory_that_begins_anywhere_is_written_as_well(tmp_path: Path) -> None:
    content = memoryview(bytearray(range(256)) * 64)[3:]
    write_direct(tmp_path / "file", content)
    assert (tmp_path / "file").read_bytes() == bytes(content)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_an_update_on_the_gpu_waits_for_the_copy() -> None:
    """A copy of 1 GiB and an update right behind it: what is copied is what stood there before."""
    gpu = torch.device("cuda")
    weights = torch.zeros(2**28, device=gpu)
    memory = HostMemory(gpu)
    for value in range(4):
        weights.fill_(value)
        copy = memory.copy({"weights": weights})
        memory.hold_update()
        weights.fill_(-1.0)
        copy.wait()
        assert bool((copy.tensors["weights"] == value).all())


@pytest.mark.parametrize("is_as_foreseen", [True, False])
def test_memory_made_beforehand_is_that_of_the_first_copy(is_as_foreseen: bool) -> None:
    memory = HostMemory(CPU)
    tensors = some_tensors()
    memory.prepare(tensors)
    eventually(lambda: memory._spec is not None, 10.0)
    made = memory._content
    copied = tensors if is_as_foreseen else tensors | {"more": torch.ones(3)}
    copy = memory.copy(copied)
    assert (copy.content is made) == is_as_foreseen
    assert {name: tensor.tolist() for name, tensor in load(bytes(copy.content)).items()} == {
        name: tensor.tolist() for name, tensor in copied.items()
    }
