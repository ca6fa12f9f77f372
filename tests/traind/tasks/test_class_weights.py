"""Class weights: the golden numbers, the three kinds of file, and every way in which a file can be wrong."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from traind.config import ConfigError
from traind.tasks.class_weights import class_weights

NAMES = ("a", "b", "c")
COUNTS = np.array([4, 1, 0])


def test_inverse_frequencies_of_the_legal_scores() -> None:
    counts = np.array([2002, 607, 465, 623, 1102, 401])
    weights = class_weights("inverse", counts, [str(score) for score in range(6)])
    assert weights is not None
    assert [round(value, 3) for value in weights.tolist()] == [0.322, 1.062, 1.387, 1.035, 0.585, 1.608]


def test_the_mean_is_one_over_what_occurs_and_what_does_not_weighs_one() -> None:
    assert class_weights("none", COUNTS, NAMES) is None
    for kind, ratio in (("inverse", 4), ("sqrt-inverse", 2)):
        weights = class_weights(kind, COUNTS, NAMES)
        assert weights is not None
        assert weights.dtype == torch.float32
        assert weights.tolist() == pytest.approx([2 / (1 + ratio), 2 * ratio / (1 + ratio), 1.0])


def test_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    expected = torch.tensor([0.5, 3.0, 0.0])
    save_file({"anything": expected.double()}, tmp_path / "w.safetensors")
    torch.save(expected, tmp_path / "w.pt")
    (tmp_path / "list.json").write_text("[0.5, 3, 0]")
    (tmp_path / "names.json").write_text('{"c": 0, "a": 0.5, "b": 3}')
    for name in ("w.safetensors", "w.pt", "list.json", "names.json"):
        found = class_weights(str(tmp_path / name), COUNTS, NAMES)
        assert found is not None
        assert torch.equal(found, expected), name
        assert found.dtype == torch.float32


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[1, 2]", "has 2 weights for 3 labels; give one a label"),
        ("[[1, 2, 3]]", "1 × 3 weights"),
        ("7", "one number, no list"),
        ("[1, -2, 3]", "the weight of 'b' is -2.0; give a number"),
        ("[1, 2, NaN]", "the weight of 'c' is nan"),
        ("[Infinity, 2, 3]", "the weight of 'a' is inf"),
        ("[0, 0, 0]", "all weights are 0"),
        ('["x", 1, 2]', "no list of numbers"),
        ('{"a": 1, "b": 2}', "'c' is missing; name each of the 3"),
        ('{"a": 1, "b": 2, "c": 3, "d": 4}', "'d' is no label"),
        ("[1, 2,", "cannot be read"),
    ],
)
def test_a_wrong_file_is_named_with_its_key_and_the_cure(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "w.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=says) as caught:
        class_weights(str(path), COUNTS, NAMES)
    assert str(caught.value).startswith(f"task.class_weights: {path}: ")
    assert ";" in str(caught.value)
    assert len(caught.value.faults) == 1


class _Dangerous:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.victim,)


def test_no_file_can_run_code(tmp_path: Path) -> None:
    torch.save(_Dangerous(tmp_path / "ran"), tmp_path / "torch.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(_Dangerous(tmp_path / "ran"), protocol=2))
    for name in ("torch.pt", "plain.pt"):
        with pytest.raises(ConfigError, match="is not run; save the bare tensor"):
            class_weights(str(tmp_path / name), COUNTS, NAMES)
    assert not (tmp_path / "ran").exists()


def test_other_mistakes_are_said_too(tmp_path: Path) -> None:
    save_file({"one": torch.ones(3), "two": torch.ones(3)}, tmp_path / "two.safetensors")
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    (tmp_path / "torn.pt").write_bytes(b"")
    torch.save({"weights": torch.ones(3)}, tmp_path / "dict.pt")
    (tmp_path / "w.json").write_text(json.dumps([1, 2, 3]))
    (tmp_path / "w.txt").write_text("1 2 3")
    for name, says in (
        ("two.safetensors", "holds 2 tensors"),
        ("torn.safetensors", "cannot be read"),
        ("torn.pt", "cannot be read"),
        ("dict.pt", "no list of numbers"),
        ("absent.json", "no such file"),
        ("w.txt", "unknown; write none, inverse, sqrt-inverse, or give a file"),
    ):
        with pytest.raises(ConfigError, match=says):
            class_weights(str(tmp_path / name), COUNTS, NAMES)
