"""Adapters of low rank on a frozen transformer (Hu et al. 2021), through peft: made, saved and loaded as peft does.

Of a checkpoint only the adapter and the head are written; the base is named. Knows no data and no loss.
"""

import copy
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from rundir.layout import RunDir
from traind.config import Config, ConfigError, Lora
from traind.tasks.hub import from_where
from traind.tasks.precision import heads_of, lower_body

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
LABELS = "labels.json"
"""The names of the classes: a base from elsewhere does not know them."""
CAUSAL_LM = "CAUSAL_LM"
_NAME = "default"


def adapt(model: nn.Module, config: Config, task_type: str, base: str) -> nn.Module:
    """The model as `model.dtype` and [lora] want it; itself where they want nothing.

    With an adapter: the body is frozen, adapter and head are in fp32 and trained, the head whole. `base` is what
    checkpoints name as the model to put the adapter on. Draws from torch's global generator. Raises ConfigError for
    targets that the model does not have.
    """
    if config.model.dtype == "bf16":
        lower_body(model)
    if not config.lora.r:
        return model
    # A language model's output layer is as long as its vocabulary: it stays as it is.
    heads = [] if task_type == CAUSAL_LM else list(heads_of(model))
    whole: Any = model
    lora_config = _lora_config(config.lora, model, task_type, heads)
    with _unwarned():
        adapted: nn.Module = get_peft_model(whole, lora_config)
    _settings(adapted).base_model_name_or_path = base
    return adapted


def _lora_config(lora: Lora, model: nn.Module, task_type: str, heads: list[str]) -> LoraConfig:
    body = getattr(model, getattr(model, "base_model_prefix", ""))
    layers = {name: module for name, module in body.named_modules() if isinstance(module, nn.Linear | Conv1D)}
    chosen = {target: [name for name in layers if f".{name}".endswith(f".{target}")] for target in lora.targets}
    missing = [target for target, names in chosen.items() if not names]
    if missing:
        known = ", ".join(sorted({name.rpartition(".")[2] for name in layers}))
        raise ConfigError(f"lora.targets: {', '.join(missing)}: not in {type(model).__name__}; there are {known}")
    transposed = {isinstance(layers[name], Conv1D) for names in chosen.values() for name in names}
    return LoraConfig(
        task_type=task_type,
        r=lora.r,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # peft divides; its annotation knows integers only
        lora_dropout=lora.dropout,
        target_modules=sorted(lora.targets),
        modules_to_save=heads or None,
        fan_in_fan_out=transposed == {True},
    )


@contextmanager
def _unwarned() -> Iterator[None]:
    """peft asks transformers by a name that is on its way out; a user can do nothing about it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        yield


def _settings(adapted: nn.Module) -> Any:
    peft_config: Any = adapted.peft_config
    return peft_config[_NAME]


def weights(model: nn.Module) -> Mapping[str, Tensor]:
    """The live tensors that a checkpoint must hold: of an adapted model those of adapter and head, named as in peft's
    file; of another all.
    """
    if not isinstance(model, PeftModel):
        return model.state_dict()
    found: dict[str, Tensor] = get_peft_model_state_dict(model, save_embedding_layers=False)
    return found


def restore(model: nn.Module, directory: Path) -> None:
    """Put the adapter and head of a checkpoint of the same configuration into an adapted model."""
    saved = load_file(directory / ADAPTER_WEIGHTS)
    with torch.no_grad():
        for name, tensor in weights(model).items():
            tensor.copy_(saved[name])


def write(model: PeftModel, tensors: Mapping[str, Tensor], directory: Path) -> None:
    """adapter_config.json and adapter_model.safetensors as `PeftModel.save_pretrained` lays them, and the names of the
    labels. Looks at no live tensor. Raises OSError.

    peft keeps the head in the adapter's file: it is one of its `modules_to_save`. No config.json, which would hide from
    transformers that the directory is an adapter's.
    """
    settings = copy.copy(_settings(model))
    settings.inference_mode = True
    settings.save_pretrained(str(directory))
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, directory / ADAPTER_WEIGHTS, {"format": "pt"})
    if settings.task_type != CAUSAL_LM:
        id2label: Mapping[int, str] = getattr(model.get_base_model(), "config").id2label  # noqa: B009
        names = [id2label[index] for index in range(len(id2label))]
        (directory / LABELS).write_text(json.dumps(names, ensure_ascii=False), encoding="utf-8")


def open_adapter(directory: Path, auto: Any, *, dtype: str = "fp32", base: str | None = None) -> nn.Module:
    """The model of an adapter's checkpoint directory, on `base`, else on the one that it names, or on the one of its
    run directory where that was moved. `auto` is the library's class for the kind. Raises OSError, ValueError.

    The base's own head, of whatever size, gives way to the one that the adapter's file holds.
    """
    options: dict[str, Any] = {}
    if (directory / LABELS).is_file():
        names = json.loads((directory / LABELS).read_bytes())
        options = {"id2label": dict(enumerate(names)), "label2id": {name: index for index, name in enumerate(names)}}
        options["ignore_mismatched_sizes"] = True
    base = base or base_of(directory)
    model = auto.from_pretrained(base, dtype=torch.float32, **from_where(base), **options)
    if dtype == "bf16":
        lower_body(model)
    with _unwarned():
        return PeftModel.from_pretrained(model, str(directory))


def base_of(directory: Path) -> str:
    """The name or path of the model that a checkpoint's adapter belongs on. Raises OSError, ValueError."""
    named = str(json.loads((directory / ADAPTER_CONFIG).read_bytes())["base_model_name_or_path"])
    beside = RunDir(directory.resolve().parent.parent).base
    return str(beside) if Path(named).is_absolute() and not Path(named).is_dir() and beside.is_dir() else named
