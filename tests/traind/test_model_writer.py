"""How weights get into checkpoints: the library's file first, then the same from memory, or always the library's."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tests.traind.host_tensors import copy_of
from tests.traind.test_checkpoint import distilbert, gpt2
from traind.manifest import checksum
from traind.model_writer import ModelWriter


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def write(writer: ModelWriter, model: nn.Module, directory: Path) -> dict[str, str]:
    directory.mkdir()
    with ThreadPoolExecutor(2) as beside:
        return {
            name: crc.result() for name, crc in writer.write(copy_of(model.state_dict()), directory, beside).items()
        }


@pytest.mark.parametrize("make", [distilbert, gpt2])
def test_the_second_is_written_from_memory_and_is_what_the_library_writes(
    tmp_path: Path, make: Callable[[], PreTrainedModel]
) -> None:
    """GPT-2's tied weights included."""
    model = make()
    writer = ModelWriter(lambda weights, directory: model.save_pretrained(directory, state_dict=weights))
    assert write(writer, model, tmp_path / "first") == {}
    with torch.no_grad():
        next(model.parameters()).add_(1.0)
    meanwhile = write(writer, model, tmp_path / "second")
    assert meanwhile == {"model.safetensors": checksum(tmp_path / "second" / "model.safetensors")}
    model.save_pretrained(tmp_path / "theirs")
    assert contents(tmp_path / "second") == contents(tmp_path / "theirs")
    assert contents(tmp_path / "second") != contents(tmp_path / "first")


def test_what_is_laid_out_under_other_names_is_left_to_its_library(tmp_path: Path) -> None:
    model = distilbert()

    def lay_out(weights: dict[str, Tensor], directory: Path) -> None:
        model.save_pretrained(directory, state_dict={f"renamed.{name}": tensor for name, tensor in weights.items()})

    writer = ModelWriter(lay_out)
    for name in ("first", "second"):
        assert write(writer, model, tmp_path / name) == {}
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
