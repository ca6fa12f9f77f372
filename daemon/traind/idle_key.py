"""Which keys of a configuration mean nothing to its kind of task. Knows their names, not their values' meaning."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from traind.config import Config

_CLASSIFIERS = ("token-classification", "text-classification")
_OF_KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "task.labels": ("classifiers", _CLASSIFIERS),
    "task.class_weights": ("classifiers", _CLASSIFIERS),
    "task.positive_from": ('kind = "text-classification"', ("text-classification",)),
    "task.prompts": ('kind = "causal-lm"', ("causal-lm",)),
    "task.sample_tokens": ('kind = "causal-lm"', ("causal-lm",)),
    "task.factory": ('kind = "custom"', ("custom",)),
    "task.path": ('kind = "custom"', ("custom",)),
    "task.options": ('kind = "custom"', ("custom",)),
    "data.text": ("tables of texts", ("text-classification", "causal-lm")),
    "data.label": ('kind = "text-classification"', ("text-classification",)),
    "data.tokenizer": ('kind = "causal-lm"', ("causal-lm",)),
    "model.head_dropout": ("classifiers", _CLASSIFIERS),
    "eval.direction": ('kind = "custom"', ("custom",)),
}
"""Keys that mean something to some kinds of task alone: whose they are, in words and by kind."""
_OF_CUSTOM = ("data.num_workers",)
"""Of [data] and [model], which describe what a custom task brings itself, the keys that it goes by all the same."""


def idle_keys(config: "Config") -> dict[str, str]:
    """The keys that were changed from their defaults to no effect, each with the reason in words."""
    kind = config.task.kind
    idle = {key: f"is for {whose}" for key, (whose, kinds) in _OF_KINDS.items() if kind not in kinds}
    if kind == "custom":
        sections = {"data": config.data, "model": config.model}
        brought = (f"{name}.{key}" for name, section in sections.items() for key in section.__struct_fields__)
        idle |= {key: "a custom task brings its own data and model" for key in brought if key not in _OF_CUSTOM}
    return {key: why for key, why in idle.items() if _is_set(config, key)}


def _is_set(config: "Config", key: str) -> bool:
    section, _, name = key.partition(".")
    given = getattr(config, section)
    return bool(getattr(given, name) != getattr(type(given)(), name))
