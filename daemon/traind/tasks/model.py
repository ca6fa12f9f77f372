"""A model that labels tokens or whole texts: from scratch, pretrained, or from a checkpoint. Knows no data.

Leaves the global random generator as it found it: weights are a function of the seed alone.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from peft import PeftModel
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

from rundir.layout import RunDir
from traind.config import Config, ConfigError
from traind.tasks import lora
from traind.tasks.hub import explained, from_where, is_local
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
    peft_task: str


TOKEN = Head(AutoModelForTokenClassification, DistilBertForTokenClassification, "TOKEN_CLS")
SEQUENCE = Head(AutoModelForSequenceClassification, DistilBertForSequenceClassification, "SEQ_CLS")


class Labels(Protocol):
    """Names by id, and ids by name."""

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def ids(self) -> Mapping[str, int]: ...


def pretrained_config(name: str, max_length: int) -> PreTrainedConfig:
    """The configuration of a pretrained model. Raises ConfigError: not to be had, or windows longer than it takes."""
    with explained(name):
        config: PreTrainedConfig = AutoConfig.from_pretrained(
            name, local_files_only=is_local(name), trust_remote_code=False
        )
    limit = getattr(config, "max_position_embeddings", None)
    if isinstance(limit, int) and limit < max_length:
        raise ConfigError(f"data.max_length = {max_length}: {name} takes {limit} tokens at most; lower it")
    return config


def scratch_config(config: Config, labels: Labels, *, num_tokens: int, pad_token_id: int) -> DistilBertConfig:
    """The architecture of a model that starts from random weights, in the sizes of [model]."""
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
    return scratch


def build(config: Config, labels: Labels, head: Head, run: RunDir, *, num_tokens: int, pad_token_id: int) -> nn.Module:
    """A new model; the same configuration gives the same weights. Raises ConfigError.

    With `model.init = "mlm"` it stands on `<run>/base`; before that is made, its body is random.
    """
    with seeded(config.seed), quiet():
        base = _base(config, run)
        if base is not None:
            model, report = _pretrained(base, config, labels, head, pad_token_id)
            _explain(base, report)
        else:
            model = head.scratch(scratch_config(config, labels, num_tokens=num_tokens, pad_token_id=pad_token_id))
        return lora.adapt(_with_dropout(model, config), config, head.peft_task, base or "")


def load(config: Config, labels: Labels, head: Head, run: RunDir, directory: Path, *, pad_token_id: int) -> nn.Module:
    """The model of a checkpoint directory of this run, with this configuration's dropout. Raises ConfigError where an
    adapter's base is not to be had.
    """
    with seeded(config.seed), quiet():
        if config.lora.r:
            base = _base(config, run)
            if base is None:
                raise ConfigError(f"{run.base}: is missing, and the adapter cannot do without; put it back")
            body, _ = _pretrained(base, config, labels, head, pad_token_id)
            adapted = lora.adapt(_with_dropout(body, config), config, head.peft_task, base)
            lora.restore(adapted, directory)
            return adapted
        # In fp32 whatever its file says: what was bf16 comes back to it unchanged, and the head never was.
        known = AutoConfig.from_pretrained(directory, trust_remote_code=False)
        model = head.auto.from_pretrained(
            directory, dtype=torch.float32, trust_remote_code=False, **_dropout(config, known)
        )
        return lora.adapt(_with_dropout(model, config), config, head.peft_task, "")


def _base(config: Config, run: RunDir) -> str | None:
    """What the model's body comes from; None where it is made of random weights."""
    if config.model.init == "mlm" and run.base.is_dir():
        return str(run.base.absolute())
    return config.model.pretrained


def write(model: nn.Module, weights: Mapping[str, Tensor], directory: Path) -> None:
    """Copies of a model's weights with its config.json, or of an adapter's, as `save_pretrained` lays them.

    Raises OSError.
    """
    if isinstance(model, PeftModel):
        lora.write(model, weights, directory)
        return
    whole: Any = model
    whole.save_pretrained(directory, state_dict=dict(weights))


FULL_ATTENTION = frozenset({"albert", "bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta"})
"""Model types whose every token looks at every other: one mask serves all of their layers."""


def logits(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """What a transformer makes of token ids, without a host sync where the model's attention allows it."""
    mask = batch["attention_mask"]
    if mask.is_cuda and takes_whole_mask(model):
        mask = whole_mask(mask)
    result: Tensor = model(input_ids=batch["input_ids"], attention_mask=mask).logits
    return result


def takes_whole_mask(model: nn.Module) -> bool:
    config: Any = getattr(model, "config", None)
    return getattr(config, "model_type", None) in FULL_ATTENTION and config._attn_implementation == "sdpa"  # noqa: SLF001


def whole_mask(mask: Tensor) -> Tensor:
    """[texts, tokens] → [texts, 1, tokens, tokens], bool: what the library makes of it where a text is padded.

    It asks first whether any is, and to answer it the host waits for the device, at every forward pass.
    """
    return mask.bool()[:, None, None, :].expand(-1, 1, mask.shape[1], -1)


def _pretrained(
    name: str, config: Config, labels: Labels, head: Head, pad_token_id: int
) -> tuple[PreTrainedModel, Mapping[str, Any]]:
    """A model with the weights of a file, and the library's report on what was missing there and what was not used."""
    known = pretrained_config(name, config.data.max_length)
    with explained(name):
        model, report = head.auto.from_pretrained(
            name,
            **from_where(name),
            **_names(labels),
            **_dropout(config, known),
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # a head of another label set is replaced, as a missing one is made
            output_loading_info=True,
        )
    if model.config.pad_token_id is None:
        model.config.pad_token_id = pad_token_id  # a decoder looks for the last token that is none
    return model, report


def _explain(name: str, report: Mapping[str, Any]) -> None:
    """Say once, in words, what the library says in a table: most of it is as it should be."""
    missing = {*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])}
    fresh = sorted(key for key in missing if not key.startswith(_HEAD_PARTS) and _POOLER not in key)
    if fresh:
        _log.warning("%s: %d tensors are not in its file and start at random: %s", name, len(fresh), fresh[:5])
    if unused := len(report["unexpected_keys"]):
        left_out = f", and {unused} tensors of its file that have no place here are left out"
    else:
        left_out = ""
    if len(missing) > len(fresh):
        text = "%s: its classifier is new, starts at random and is learnt in this run%s; that is as it should be"
        _log.warning(text, name, left_out)


def _names(labels: Labels) -> dict[str, Any]:
    return {"id2label": dict(enumerate(labels.names)), "label2id": dict(labels.ids)}


def _dropout(config: Config, known: PreTrainedConfig) -> dict[str, float]:
    if config.model.dropout is None:
        return {}
    return {key: config.model.dropout for key in _DROPOUT_KEYS if hasattr(known, key)}


def _with_dropout(model: PreTrainedModel, config: Config) -> PreTrainedModel:
    """Set the dropout before the classifier, for which each architecture has a key and a place of its own.

    Raises ConfigError where there is none.
    """
    wanted = config.model.head_dropout
    if wanted is None:
        return model
    heads = [child for name, child in model.named_children() if name != model.base_model_prefix]
    found = [module for head in heads for module in head.modules() if isinstance(module, nn.Dropout)]
    if not found:
        raise ConfigError(
            f"model.head_dropout = {wanted}: {type(model).__name__} has no dropout before its classifier; leave it out"
        )
    for dropout in found:
        dropout.p = wanted
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
