"""The tokenised data of a run on disk: written once, whole or not at all, read by every later attempt. No pickle."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from rundir.atomic import write_atomic
from traind.config import Config
from traind.tasks.window import EncodedSet

_VERSION = 2
_FILE = "data.safetensors"
_FIELDS = ("ids", "labels", "offsets")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Train and eval set as token ids, and what is to be said of them."""

    train: EncodedSet
    eval: EncodedSet
    summary: dict[str, Any]
    hashes: dict[str, str]


def cache_key(config: Config) -> str:
    """A hash of every setting that decides what is tokenised, and how; window sizes are not among them."""
    data, model = config.data, config.model
    parts: list[Any] = [_VERSION, config.seed, data.train, data.eval, data.eval_fraction, config.task.labels]
    parts += [
        config.task.kind,
        data.text,
        data.label,
        data.tokenizer,
        model.pretrained,
        model.init,
        model.vocab_size if model.init else None,
    ]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def write_cache(directory: Path, key: str, prepared: Prepared) -> None:
    """Put the data on disk, atomically. Raises OSError."""
    arrays = {
        f"{name}.{field}": getattr(encoded, field)
        for name, encoded in (("train", prepared.train), ("eval", prepared.eval))
        for field in _FIELDS
    }
    metadata = {"key": key, "summary": json.dumps(prepared.summary), "hashes": json.dumps(prepared.hashes)}
    write_atomic(directory / _FILE, save(arrays, metadata=metadata))


def read_cache(directory: Path, key: str) -> Prepared | None:
    """The data written under the same key; None when there is none, another, or a damaged one."""
    try:
        with safe_open(directory / _FILE, framework="np") as file:
            metadata = file.metadata() or {}
            if metadata.get("key") != key:
                return None
            train, evaluation = (
                EncodedSet(*(file.get_tensor(f"{name}.{field}") for field in _FIELDS)) for name in ("train", "eval")
            )
    except (OSError, SafetensorError):
        return None
    return Prepared(train, evaluation, json.loads(metadata["summary"]), json.loads(metadata["hashes"]))
