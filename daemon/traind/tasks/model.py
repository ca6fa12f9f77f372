"""A model that labels tokens or whole texts: from scratch, pretrained, or from a checkpoint. Knows no data.

Leaves the global random generator as it found it: weights are a function of the seed alone.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertForTokenClassification,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.utils import logging as transformers_logging

from traind.config import Config, ConfigError
from traind.tasks.hub import explained, is_local
from traind.tasks.seed import seeded

MIN_POSITIONS = 512
"""Of a scratch model: it stays usable on texts longer than the windows it was trained on."""

_DROPOUT_KEYS = ("dropout", "attention_dropout", "hidden_dropout_prob", "attention_probs_dropout_prob")
_HEAD_PARTS = ("classifier.", "pre_classifier.", "score.")
_POOLER = ".pooler."
_log = logging.getLogger(__name__)


class Head(NamedTuple):
    """What stands on the encoder: the library's class for any architecture, and for the one of scratch models."""

    auto: Any
    scratch: Any


TOKEN = Head(AutoModelForTokenClassification, DistilBertForTokenClassification)
SEQUENCE = Head(AutoModelForSequenceClassification, DistilBertForSequenceClassification)


class Labels(Protocol):
    """Names by id, and ids by name."""

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def ids(self) -> Mapping[str, int]: ...


def pretrained_config(name: str, max_length: int) -> PreTrainedConfig:
    """The configuration of a pretrained model. Raises ConfigError: not to be had, or windows longer than it takes."""
    with explained(name):
        config: PreTrainedConfig = AutoConfig.from_pretrained(name, local_files_only=is_local(name))
    limit = getattr(config, "max_position_embeddings", None)
    if isinstance(limit, int) and limit < max_length:
        raise ConfigError(f"data.max_length = {max_length}: {name} takes {limit} tokens at most; lower it")
    return config


def build(config: Config, labels: Labels, head: Head, *, num_tokens: int, pad_token_id: int) -> PreTrainedModel:
    """A new model; the same configuration gives the same weights. Raises ConfigError."""
    with seeded(config.seed), quiet():
        if config.model.pretrained is not None:
            return _with_dropout(_pretrained(config, labels, head, pad_token_id), config)
        sizes = config.model
        scratch = DistilBertConfig(
            vocab_size=num_tokens,
            dim=sizes.dim,
            n_layers=sizes.n_layers,
            n_heads=sizes.n_heads,
            hidden_dim=sizes.hidden_dim,
            max_position_embeddings=max(MIN_POSITIONS, config.data.max_length),
            pad_token_id=pad_token_id,
            **_names(labels),
        )
        if sizes.dropout is not None:
            scratch.dropout = scratch.attention_dropout = sizes.dropout
        return _with_dropout(head.scratch(scratch), config)


def load(config: Config, head: Head, directory: Path) -> PreTrainedModel:
    """The model of a checkpoint directory, with this configuration's dropout."""
    with seeded(config.seed), quiet():
        model: PreTrainedModel = head.auto.from_pretrained(
            directory, **_dropout(config, AutoConfig.from_pretrained(directory))
        )
    return _with_dropout(model, config)


def write(model: nn.Module, weights: Mapping[str, Tensor], directory: Path) -> None:
    """Copies of a model's weights with its config.json, as `save_pretrained` lays them. Raises OSError."""
    whole: Any = model
    whole.save_pretrained(directory, state_dict=dict(weights))


def logits(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """What a transformer makes of token ids."""
    result: Tensor = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    return result


def _pretrained(config: Config, labels: Labels, head: Head, pad_token_id: int) -> PreTrainedModel:
    name = config.model.pretrained or ""
    known = pretrained_config(name, config.data.max_length)
    with explained(name):
        model, report = head.auto.from_pretrained(
            name,
            local_files_only=is_local(name),
            **_names(labels),
            **_dropout(config, known),
            ignore_mismatched_sizes=True,  # a head of another label set is replaced, as a missing one is made
            output_loading_info=True,
        )
    if model.config.pad_token_id is None:
        model.config.pad_token_id = pad_token_id  # a decoder looks for the last token that is none
    _explain(name, report)
    result: PreTrainedModel = model
    return result


def _explain(name: str, report: Mapping[str, Any]) -> None:
    """Say once, in words, what the library says in a table: most of it is as it should be."""
    missing = {*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])}
    fresh = sorted(key for key in missing if not key.startswith(_HEAD_PARTS) and _POOLER not in key)
    if fresh:
        _log.warning("%s: %d tensors are not in its file and start at random: %s", name, len(fresh), fresh[:5])
    if unused := len(report["unexpected_keys"]):
        left_out = f", and {unused} tensors of what it was pretrained with are left out"
    else:
        left_out = ""
    if len(missing) > len(fresh):
        text = "%s: its classifier is new, starts at random and is learnt in this run%s; both are as they should be"
        _log.warning(text, name, left_out)


def _names(labels: Labels) -> dict[str, Any]:
    return {"id2label": dict(enumerate(labels.names)), "label2id": dict(labels.ids)}


def _dropout(config: Config, known: PreTrainedConfig) -> dict[str, float]:
    if config.model.dropout is None:
        return {}
    return {key: config.model.dropout for key in _DROPOUT_KEYS if hasattr(known, key)}


def _with_dropout(model: PreTrainedModel, config: Config) -> PreTrainedModel:
    """Set the dropout before the classifier, for which each architecture has a key of its own, or none."""
    head = getattr(model, "dropout", None)
    if config.model.head_dropout is not None and isinstance(head, nn.Dropout):
        head.p = config.model.head_dropout
    return model


@contextmanager
def quiet() -> Iterator[None]:
    """Without the progress bar and the table of a head newly made; what matters of it is said by `_explain`."""
    library: Any = transformers_logging
    verbosity = library.get_verbosity()
    library.set_verbosity_error()
    library.disable_progress_bar()
    try:
        yield
    finally:
        library.set_verbosity(verbosity)
