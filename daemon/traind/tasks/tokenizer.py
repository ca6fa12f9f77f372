"""The tokenizer of a run: trained on its own texts, or that of a pretrained model. Knows no label and no window."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from traind.config import ConfigError
from traind.tasks.hub import explained, is_local

SPECIAL_TOKENS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}

# The library starts threads of its own; forked loader workers then make it warn, and the trainer's threads are counted.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def train_tokenizer(texts: Iterable[str], vocab_size: int, model_max_length: int) -> PreTrainedTokenizerFast:
    """A lower-casing byte-level BPE tokenizer of at most `vocab_size` tokens; the same texts give the same one.

    Byte-level, because its merges break ties by byte order alone: the vocabulary of WordPiece training depends on
    the order of a hash table that differs from process to process.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL_TOKENS["unk_token"]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    special = list(SPECIAL_TOKENS.values())
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=special, show_progress=False, min_frequency=2, max_token_length=20
    )
    tokenizer.train_from_iterator(texts, trainer)
    frame = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing(
                single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=frame
            ),
        ]
    )
    wrap: Any = PreTrainedTokenizerFast
    wrapped: PreTrainedTokenizerFast = wrap(
        tokenizer_object=tokenizer,
        model_max_length=model_max_length,
        **SPECIAL_TOKENS,
        clean_up_tokenization_spaces=False,
    )
    return wrapped


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a directory or a hub name. Raises ConfigError when it cannot be had or gives no offsets."""
    with explained(name):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            name, add_prefix_space=True, local_files_only=is_local(name), trust_remote_code=False
        )
    if not getattr(tokenizer, "is_fast", False):
        raise ConfigError(
            f"model.pretrained: {name}: its tokenizer gives no character offsets; take a model with a tokenizer.json"
        )
    return tokenizer


def bare(tokenizer: Any) -> Tokenizer:
    """A copy of the tokenizer's core that neither truncates nor pads, whatever its file says."""
    core = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    core.no_truncation()
    core.no_padding()
    return core


def framing(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special tokens that the model expects before and after a sequence, e.g. [CLS] and [SEP]."""
    core = bare(tokenizer)
    content = core.encode("a", add_special_tokens=False).ids
    whole = core.encode("a").ids
    for start in range(len(whole) - len(content) + 1):
        if whole[start : start + len(content)] == content:
            return whole[:start], whole[start + len(content) :]
    return [], []


def fingerprint(tokenizer: Any) -> str:
    """SHA-256 of everything that decides how it tokenises."""
    return hashlib.sha256(bare(tokenizer).to_str().encode()).hexdigest()


def load_saved(directory: Path) -> PreTrainedTokenizerBase:
    """A tokenizer written by `save_pretrained`."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(directory, trust_remote_code=False)
    return tokenizer
