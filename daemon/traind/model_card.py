"""The README.md of a checkpoint: what it is, of what it was made, how good it is, how to load it. Knows no torch.

Names no folder of this machine: of a path the last part is enough for whoever gets the model.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

FILE = "README.md"

_KINDS = {
    "token-classification": ("labels spans of text, token by token", "TokenClassification"),
    "text-classification": ("puts a text into one of its classes", "SequenceClassification"),
    "causal-lm": ("continues a text, token by token", "CausalLM"),
}
_TRAINING = (
    *("epochs", "max_steps", "batch_size", "accumulation", "lr", "optimizer", "weight_decay", "schedule"),
    *("warmup_ratio", "warmup_steps", "min_lr", "clip_norm", "precision"),
)
_SAMPLE_WITHOUT_EVAL = "sample:text"
_SIZES = ("dim", "n_layers", "n_heads", "hidden_dim", "vocab_size")


def write_card(directory: Path, config_toml: Path, step: int, epoch: float, metrics: Mapping[str, Any] | None) -> None:
    """Describe the model files that lie in `directory`. `metrics` are those of this very step; None: not evaluated.

    Raises OSError.
    """
    settings = tomllib.loads(config_toml.read_text(encoding="utf-8"))
    is_adapter = (directory / "adapter_config.json").is_file()
    text = card(settings, _labels(directory), step, epoch, metrics, is_adapter=is_adapter)
    (directory / FILE).write_text(text, encoding="utf-8")


def _labels(directory: Path) -> list[str]:
    """The names of the classes as the model's own files have them; none where it has none."""
    if (directory / "labels.json").is_file():
        return list(json.loads((directory / "labels.json").read_bytes()))
    if (directory / "config.json").is_file():
        names = json.loads((directory / "config.json").read_bytes()).get("id2label") or {}
        return [names[index] for index in sorted(names, key=int)]
    return []


def card(
    settings: Mapping[str, Any],
    labels: Sequence[str],
    step: int,
    epoch: float,
    metrics: Mapping[str, Any] | None,
    *,
    is_adapter: bool,
) -> str:
    """The text. `settings` is the run's configuration as plain values; keys that it lacks are left out."""
    task, data, model, train = (settings.get(section, {}) for section in ("task", "data", "model", "train"))
    kind = str(task.get("kind", "custom"))
    does, _ = _KINDS.get(kind, ("does what your own code asks of it", ""))
    parts = [
        _front_matter(model, is_adapter=is_adapter),
        f"# {_plain(settings.get('name', 'model'))}",
        f"A model that {does}. Checkpoint of step {step:,} (epoch {epoch:.4g}) of a run of `traind`.",
        f"**Base:** {_base(settings, is_adapter=is_adapter)}",
        f"**Data:** {_data(data)}",
        "## Results on the eval set",
        _table("metric", metrics) if metrics else "Not evaluated at this step.",
    ]
    if labels and kind != "causal-lm":
        parts += ["## Labels", "\n".join(f"{index}. `{_plain(name)}`" for index, name in enumerate(labels))]
    hyper = {name: train[name] for name in _TRAINING if name in train}
    hyper |= {f"lora {name}": value for name, value in settings.get("lora", {}).items() if is_adapter}
    hyper |= {name: value for name, value in task.items() if name in ("class_weights", "positive_from")}
    hyper |= {"dtype of the body": model["dtype"]} if model.get("dtype", "fp32") != "fp32" else {}
    hyper |= {"max_length": data["max_length"]} if "max_length" in data else {}
    hyper |= {"seed": settings["seed"]} if "seed" in settings else {}
    parts += [
        "## Training",
        _table("setting", hyper),
        "## Loading",
        _loading(kind, model, labels, is_adapter=is_adapter),
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(model: Mapping[str, Any], *, is_adapter: bool) -> str:
    """What a model hub reads."""
    lines = [f"library_name: {'peft' if is_adapter else 'transformers'}"]
    pretrained = model.get("pretrained")
    if pretrained and not PurePath(pretrained).is_absolute():
        lines.append(f"base_model: {json.dumps(pretrained)}")
    return "\n".join(["---", *lines, "tags: [traind, lora]" if is_adapter else "tags: [traind]", "---"])


def _base(settings: Mapping[str, Any], *, is_adapter: bool) -> str:
    model = settings.get("model", {})
    if model.get("pretrained"):
        base = f"`{_last(model['pretrained'])}`"
    elif model.get("init"):
        sizes = ", ".join(f"{name} {model[name]}" for name in _SIZES if name in model)
        base = f"random weights ({sizes})"
        if model["init"] == "mlm":
            base = f"an encoder pre-trained on the training texts by guessing masked words ({sizes})"
    else:
        return "a model of one's own."
    if not is_adapter:
        return f"{base}."
    return f"{base}, frozen. This directory holds a LoRA adapter and the trained head, both in its adapter file."


def _data(data: Mapping[str, Any]) -> str:
    if not data.get("train"):
        return "brought by one's own code."
    return f"`{_last(data['train'])}`; to evaluate: {_evaluation(data)}."


def _evaluation(data: Mapping[str, Any]) -> str:
    train = str(data["train"])
    held_out = f"held out, {data.get('eval_fraction', 0):.0%}"
    if data.get("eval"):
        return f"`{_last(data['eval'])}`"
    if train.startswith("sample:") and train != _SAMPLE_WITHOUT_EVAL:
        return "its own"
    if train.startswith("hub:") and "@" not in train:
        return f"its own split for that; where it has none, {held_out}"
    return held_out


def _loading(kind: str, model: Mapping[str, Any], labels: Sequence[str], *, is_adapter: bool) -> str:
    if kind not in _KINDS:
        return _code("from traind.custom import load_weights", "", 'load_weights(model, "THIS DIRECTORY")')
    auto = f"AutoModelFor{_KINDS[kind][1]}"
    tokenizer = 'tokenizer = AutoTokenizer.from_pretrained("THIS DIRECTORY")'
    if not is_adapter:
        return _code(
            f"from transformers import {auto}, AutoTokenizer",
            "",
            f'model = {auto}.from_pretrained("THIS DIRECTORY")',
            tokenizer,
        )
    # A base from elsewhere has a head of another size, or none.
    sized = f", num_labels={len(labels)}, ignore_mismatched_sizes=True" if labels and model.get("pretrained") else ""
    peft_auto = auto.replace("AutoModel", "AutoPeftModel")
    text = _code(
        f"from peft import {peft_auto}",
        "from transformers import AutoTokenizer",
        "",
        f'model = {peft_auto}.from_pretrained("THIS DIRECTORY"{sized})',
        tokenizer,
    )
    if model.get("pretrained") and not PurePath(model["pretrained"]).is_absolute():
        return text
    where = "`base/` of the run directory, two levels up" if not model.get("pretrained") else "the base"
    moved = _code(
        "from peft import PeftModel",
        f"from transformers import {auto}",
        "",
        f'model = PeftModel.from_pretrained({auto}.from_pretrained("BASE"{sized}), "THIS DIRECTORY")',
    )
    return f"{text}\n\nWhere {where} is no longer at the path that `adapter_config.json` names:\n\n{moved}"


def _code(*lines: str) -> str:
    return "\n".join(["```python", *lines, "```"])


def _table(heading: str, rows: Mapping[str, Any]) -> str:
    lines = [f"| {heading} | value |", "|---|---|"]
    return "\n".join([*lines, *(f"| {_plain(name)} | {_value(value)} |" for name, value in rows.items())])


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return _plain(_last(value) if isinstance(value, str) else value)


def _last(path: str) -> str:
    """The name of a file or directory without the folders of the machine it lies on."""
    return PurePath(path).name if PurePath(path).is_absolute() else path


def _plain(value: Any) -> str:
    """Text of the run that cannot break out of its place in the page."""
    return " ".join(str(value).replace("`", "'").replace("|", "/").split()).replace("<", "&lt;")
