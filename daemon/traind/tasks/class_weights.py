"""The loss weight of each class: computed from how often it occurs, or read from a file. Knows no data and no model.

No file can run code here: of a `.pt` only tensors, numbers and containers are taken.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from rundir.atomic import write_atomic
from rundir.layout import RunDir
from traind.config import COMPUTED_WEIGHTS, ConfigError
from traind.tasks.prepare import began_with

_SUFFIXES = (".safetensors", ".json", ".pt")


def class_weights(kind: str, counts: NDArray[np.int64], names: Sequence[str]) -> Tensor | None:
    """[classes] fp32 on the CPU for `task.class_weights = kind`, or None for `none`. Raises ConfigError.

    `inverse` is 1/n and `sqrt-inverse` 1/√n of the class's n training targets (`counts`), scaled to mean 1. The mean is
    over the classes that occur; one that never does weighs 1. Anything else is the path of a file, taken as it is.
    """
    if kind == "none":
        return None
    if kind in COMPUTED_WEIGHTS:
        return _computed(counts.astype(np.float64), root=kind == "sqrt-inverse")
    return _checked(_read(Path(kind), names), Path(kind), names)


def settled_weights(
    kind: str, run: RunDir, counts: NDArray[np.int64], names: Sequence[str]
) -> tuple[Tensor | None, dict[str, str]]:
    """The weights of a run, and the SHA-256 of a file of them under its key in run.json.

    A file is read once: its copy in the run's cache is what every later attempt gets, and where that was lost, the file
    must still hold the same. Raises ConfigError, and OSError when the copy cannot be written.
    """
    if kind in COMPUTED_WEIGHTS:
        return class_weights(kind, counts, names), {}
    kept = run.cache / "class_weights.safetensors"
    path = kept if kept.is_file() else Path(kind)
    weights = _checked(_read(path, names), path, names)
    data = save_safetensors({"class_weights": weights})
    digest = hashlib.sha256(data).hexdigest()
    if began_with(run).get("class_weights", digest) != digest:
        raise _fault(Path(kind), "is not what this run began with; put that back, or start a new run")
    if not kept.is_file():
        write_atomic(kept, data)
    return weights, {"class_weights": digest}


def _computed(counts: NDArray[np.float64], *, root: bool) -> Tensor:
    occurs = counts > 0
    weights = np.ones(len(counts))
    weights[occurs] = 1 / (np.sqrt(counts[occurs]) if root else counts[occurs])
    weights[occurs] /= weights[occurs].mean()
    return torch.from_numpy(weights.astype(np.float32))


def _read(path: Path, names: Sequence[str]) -> Any:
    """What a file holds: a tensor, or what may be turned into one."""
    if path.suffix not in _SUFFIXES:
        cure = f"write {', '.join(COMPUTED_WEIGHTS)}, or give a file of {', '.join(_SUFFIXES)}"
        raise ConfigError(f"task.class_weights = {str(path)!r}: unknown; {cure}")
    try:
        if path.suffix == ".json":
            return _by_name(json.loads(path.read_text(encoding="utf-8")), path, names)
        if path.suffix == ".safetensors":
            return _only(load_safetensors(path.read_bytes()), path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise _fault(path, "no such file; correct the path, or write inverse") from None
    except UnpicklingError:
        raise _fault(path, "holds more than tensors and is not run; save the bare tensor, or a .json list") from None
    except (OSError, ValueError, RuntimeError, EOFError, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _fault(path, f"cannot be read: {reason}; give a .json list of numbers") from None


def _by_name(raw: Any, path: Path, names: Sequence[str]) -> Any:
    if not isinstance(raw, dict):
        return raw
    missing, strange = set(names) - raw.keys(), raw.keys() - set(names)
    if missing or strange:
        which = f"{min(missing)!r} is missing" if missing else f"{min(strange)!r} is no label"
        raise _fault(path, f"{which}; name each of the {len(names)} labels once, as labels.json has them")
    return [raw[name] for name in names]


def _only(tensors: dict[str, Tensor], path: Path) -> Tensor:
    if len(tensors) != 1:
        raise _fault(path, f"holds {len(tensors)} tensors; keep the one with the weights")
    return next(iter(tensors.values()))


def _checked(raw: Any, path: Path, names: Sequence[str]) -> Tensor:
    try:
        weights = torch.as_tensor(raw, dtype=torch.float32).detach().clone()
    except (TypeError, ValueError, RuntimeError):
        raise _fault(path, "holds no list of numbers; give one weight a label") from None
    if weights.shape != (len(names),):
        shape = " × ".join(map(str, weights.shape)) or "one number, no list"
        raise _fault(
            path, f"has {shape} weights for {len(names)} labels; give one a label, in the order of labels.json"
        )
    bad = (~torch.isfinite(weights) | (weights < 0)).nonzero().flatten().tolist()
    if bad:
        raise _fault(path, f"the weight of {names[bad[0]]!r} is {float(weights[bad[0]])}; give a number from 0 up")
    if not bool(weights.any()):
        raise _fault(path, "all weights are 0: there would be nothing to learn; give some label a weight")
    return weights


def _fault(path: Path, what: str) -> ConfigError:
    return ConfigError(f"task.class_weights: {path}: {what}")
