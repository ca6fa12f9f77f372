"""The model, the tokenizer and the kind of a checkpoint directory. Needs nothing of the run that made it."""

import json
import warnings
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedTokenizerBase,
)

from traind import config, device
from traind.config import Config, ConfigError, Train
from traind.device import Placement
from traind.predict.choose import Chosen
from traind.task import Batch
from traind.tasks import lora
from traind.tasks.model import logits, quiet
from traind.tasks.precision import lower_body
from traind.tasks.tokenizer import framing, load_saved


class Kind(StrEnum):
    """What a model answers with."""

    SPANS = "token-classification"
    LABELS = "text-classification"
    TEXT = "causal-lm"


_BY_ARCHITECTURE = {
    "ForTokenClassification": Kind.SPANS,
    "ForSequenceClassification": Kind.LABELS,
    "ForCausalLM": Kind.TEXT,
    "LMHeadModel": Kind.TEXT,
}
_BY_PEFT_TASK = {"TOKEN_CLS": Kind.SPANS, "SEQ_CLS": Kind.LABELS, "CAUSAL_LM": Kind.TEXT}
_LOADERS: dict[Kind, Any] = {
    Kind.SPANS: AutoModelForTokenClassification,
    Kind.LABELS: AutoModelForSequenceClassification,
    Kind.TEXT: AutoModelForCausalLM,
}


@dataclass(frozen=True, slots=True)
class Ready:
    """A model on its device, in evaluation mode, and what its inputs look like."""

    kind: Kind
    model: nn.Module
    tokenizer: PreTrainedTokenizerBase
    placement: Placement
    settings: Config | None
    """What it was trained with; None for a model that is not ours."""
    max_length: int
    """Tokens that the model was trained to see at once, special tokens included."""
    stride: int
    prefix: list[int]
    suffix: list[int]

    @property
    def capacity(self) -> int:
        """Tokens of a text that fit in."""
        return self.max_length - len(self.prefix) - len(self.suffix)

    @property
    def labels(self) -> list[str]:
        names: dict[int, str] = getattr(self.model, "config").id2label  # noqa: B009 — every transformers model has one
        return [names[index] for index in range(len(names))]

    @property
    def pad_token_id(self) -> int:
        """What training pads with; no attention is paid to it."""
        ids = (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id, self.tokenizer.unk_token_id)
        return next((found for found in ids if isinstance(found, int)), 0)

    def logits(self, batch: Batch) -> Tensor:
        """fp32, computed in the precision of the run's own evaluations."""
        there = {name: tensor.to(self.placement.device) for name, tensor in batch.items()}
        with torch.inference_mode(), self.precision():
            return logits(self.model, there).float()

    def precision(self) -> torch.autocast:
        dtype = self.placement.autocast
        return torch.autocast(self.placement.device.type, dtype=dtype, enabled=dtype is not None)


def load(chosen: Chosen, wanted_device: str, base: str | None) -> tuple[Ready, list[str]]:
    """The model of a verified checkpoint, and notes for a person. `base`: what an adapter belongs on, where it is not
    where the adapter says. Raises ConfigError.
    """
    settings = _settings(chosen)
    kind = _kind(chosen.path, settings)
    placement = place((settings or Config()).train, wanted_device)
    try:
        with quiet(), warnings.catch_warnings():
            # peft asks transformers by a name that is on its way out; nobody can do anything about it.
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            model = _model(chosen.path, kind, settings, base)
        tokenizer = load_saved(chosen.path)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ConfigError(f"{chosen.path}: cannot be loaded: {_first_line(error)}") from error
    if not getattr(tokenizer, "is_fast", False):
        raise ConfigError(f"{chosen.path}: its tokenizer gives no character offsets; a tokenizer.json is needed")
    model.to(placement.device)
    model.train(mode=False)
    notes = []
    if settings is None:
        limit = _limit(model, tokenizer)
        max_length, stride = limit, min(limit // 4, 32)
        notes.append(f"no config.toml beside the model: windows of {limit} tokens, as many as it takes")
    else:
        max_length, stride = settings.data.max_length, settings.data.stride
    prefix, suffix = framing(tokenizer)
    ready = Ready(kind, model, tokenizer, placement, settings, max_length, stride, prefix, suffix)
    known: Any = model.config
    if kind is Kind.LABELS and known.pad_token_id is None:
        known.pad_token_id = ready.pad_token_id  # a decoder looks for the last token that is none
    return ready, notes


def place(train: Train, wanted_device: str) -> Placement:
    """In the precision of training where the device has it. Raises ConfigError for a device that is not there."""
    train = msgspec.structs.replace(train, device=wanted_device)
    try:
        try:
            return device.place(train)
        except ConfigError:
            if train.precision != "fp16":
                raise
            return device.place(msgspec.structs.replace(train, precision="auto"))  # fp16 is for GPUs alone
    except ConfigError as error:
        raise ConfigError(str(error).replace("train.device", "--device")) from None


def _settings(chosen: Chosen) -> Config | None:
    """The configuration it was trained with: the checkpoint's own copy, else the run's."""
    places = [chosen.path / "config.toml", *([chosen.run.config_toml] if chosen.run else [])]
    for place in places:
        if place.is_file():
            return config.parse(place.read_bytes(), str(place))
    return None


def _kind(path: Path, settings: Config | None) -> Kind:
    if settings is not None and settings.task.kind == "custom":
        raise ConfigError(
            f"{path}: a custom task's model answers to your own code alone; there, "
            f"traind.custom.load_weights(model, {str(path)!r}) puts the trained weights in"
        )
    adapter, whole = _read(path / lora.ADAPTER_CONFIG), _read(path / "config.json")
    if adapter is not None:
        named = str(adapter.get("task_type"))
        if named in _BY_PEFT_TASK:
            return _BY_PEFT_TASK[named]
    elif whole is not None:
        named = ", ".join(map(str, whole.get("architectures") or [])) or "no architecture"
        for ending, kind in _BY_ARCHITECTURE.items():
            if named.endswith(ending):
                return kind
    else:
        raise ConfigError(f"{path}: neither config.json nor adapter_config.json there; give a checkpoint directory")
    raise ConfigError(f"{path}: {named} is none of the kinds that can be tried: {', '.join(Kind)}")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {_first_line(error)}") from None
    return found if isinstance(found, dict) else {}


def _model(path: Path, kind: Kind, settings: Config | None, base: str | None) -> nn.Module:
    dtype = "fp32" if settings is None else settings.model.dtype
    if (path / lora.ADAPTER_CONFIG).is_file():
        named = base or lora.base_of(path)
        if (Path(named).is_absolute() or Path(named).is_dir()) and not (Path(named) / "config.json").is_file():
            raise ConfigError(f"{path}: its adapter belongs on {named}, and no model is there; name it with --base")
        return lora.open_adapter(path, _LOADERS[kind], dtype=dtype, base=named)
    if base is not None:
        raise ConfigError(f"--base {base}: is for adapters; {path} is a whole model")
    # As training loads it: in fp32, then the body alone lowered.
    model: nn.Module = _LOADERS[kind].from_pretrained(
        path, dtype=torch.float32, local_files_only=True, trust_remote_code=False
    )
    if dtype == "bf16":
        lower_body(model)
    return model


def _limit(model: nn.Module, tokenizer: PreTrainedTokenizerBase) -> int:
    found: Any = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    limits = [
        value for value in (found, tokenizer.model_max_length) if isinstance(value, int) and 8 <= value <= 1 << 20
    ]
    return min(limits, default=512)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
