"""The model of a causal language model: GPT-2 from scratch, pretrained, or from a checkpoint. Knows no data.

Leaves the global random generator as it found it: weights are a function of the seed alone.
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from traind.config import Config
from traind.tasks import lora
from traind.tasks.hub import explained, from_where
from traind.tasks.model import pretrained_config, quiet
from traind.tasks.seed import seeded

_DROPOUT_KEYS = ("resid_pdrop", "embd_pdrop", "attn_pdrop", "dropout", "attention_dropout", "hidden_dropout")


def build(config: Config, tokenizer: Any) -> nn.Module:
    """A new model on the CPU; the same configuration gives the same weights. Raises ConfigError."""
    with seeded(config.seed), quiet():
        if config.model.pretrained is not None:
            return lora.adapt(_pretrained(config), config, lora.CAUSAL_LM, config.model.pretrained)
        sizes = config.model
        scratch = GPT2Config(
            vocab_size=len(tokenizer),
            n_embd=sizes.dim,
            n_layer=sizes.n_layers,
            n_head=sizes.n_heads,
            n_inner=sizes.hidden_dim,
            # A learnt position that no window reaches would stay random.
            n_positions=config.data.max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            # No pad_token_id: with one, every forward pass looks for it in its input, which waits for the device.
        )
        if sizes.dropout is not None:
            scratch.resid_pdrop = scratch.embd_pdrop = scratch.attn_pdrop = sizes.dropout
        return lora.adapt(GPT2LMHeadModel(scratch), config, lora.CAUSAL_LM, "")


def load(config: Config, directory: Path) -> nn.Module:
    """The model of a checkpoint directory, whose config.json has the run's dropout, or the pretrained one with its
    adapter. Raises ConfigError where that one is not to be had.
    """
    with seeded(config.seed), quiet():
        if config.lora.r:
            adapted = lora.adapt(_pretrained(config), config, lora.CAUSAL_LM, config.model.pretrained or "")
            lora.restore(adapted, directory)
            return adapted
        model: nn.Module = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, trust_remote_code=False)
        return lora.adapt(model, config, lora.CAUSAL_LM, "")


def _pretrained(config: Config) -> nn.Module:
    name = config.model.pretrained or ""
    known = pretrained_config(name, config.data.max_length)
    dropout = config.model.dropout
    keys = [] if dropout is None else [key for key in _DROPOUT_KEYS if hasattr(known, key)]
    with explained(name):
        model: nn.Module = AutoModelForCausalLM.from_pretrained(
            name, **from_where(name), dtype=torch.float32, **dict.fromkeys(keys, dropout)
        )
    return model
