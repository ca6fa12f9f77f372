"""From plain texts to token ids, each text followed by the end-of-text token. Knows no window and no file."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from transformers import AutoTokenizer

from traind.config import Config, ConfigError
from traind.data.plain_corpus import PlainCorpus, PlainText
from traind.tasks.cache import Prepared
from traind.tasks.hub import explained, is_local
from traind.tasks.lm_tokenizer import train_lm_tokenizer
from traind.tasks.model import pretrained_config
from traind.tasks.tokenizer import bare, fingerprint
from traind.tasks.window import EncodedSet, Ints

PIECE_CHARACTERS = 1 << 16
"""Between two beats; also bounds the memory that the tokenizer takes for a text of any length."""


def make_tokenizer(config: Config, corpus: PlainCorpus) -> Any:
    """That of the pretrained model, or one trained on the texts. Raises ConfigError."""
    if config.model.pretrained is None:
        texts = [document.text for document in corpus.train]
        return train_lm_tokenizer(
            config.data.tokenizer,
            texts,
            vocab_size=config.model.vocab_size,
            max_length=config.data.max_length,
            opens=len(texts) > 1,
        )
    name = config.model.pretrained
    pretrained_config(name, config.data.max_length)
    with explained(name):
        tokenizer: Any = AutoTokenizer.from_pretrained(name, local_files_only=is_local(name), trust_remote_code=False)
    if not getattr(tokenizer, "is_fast", False):
        raise ConfigError(f"model.pretrained: {name}: has no tokenizer.json; take a model that has one")
    if tokenizer.eos_token_id is None:
        raise ConfigError(f"model.pretrained: {name}: its tokenizer has no end-of-text token; take a causal model")
    return tokenizer


def encode_plain(config: Config, corpus: PlainCorpus, tokenizer: Any, alive: Callable[[], None]) -> Prepared:  # noqa: ARG001
    """Both sets as token ids. Texts without a token are left out. Calls `alive` every 64 k characters or so."""
    sets = {}
    summary: dict[str, Any] = {"documents": {}, "characters": {}, "tokens": {}, "unknown_tokens": {}}
    for name, documents in (("train", corpus.train), ("eval", corpus.eval)):
        given = [document for document in documents if document.text.strip()]
        encoded = _encode(given, tokenizer, alive)
        summary["documents"][name] = len(given)
        summary["characters"][name] = sum(len(document.text) for document in given)
        summary["tokens"][name] = len(encoded.ids)
        summary["unknown_tokens"][name] = int((encoded.ids == tokenizer.unk_token_id).sum()) if _knows(tokenizer) else 0
        sets[name] = encoded
    summary["empty_documents"] = sum(corpus.notes.values())
    summary["columns"] = corpus.columns
    hashes = {**corpus.hashes, "tokenizer": fingerprint(tokenizer)}
    return Prepared(sets["train"], sets["eval"], summary, hashes)


def _knows(tokenizer: Any) -> bool:
    """Whether it has a token for what it does not know, apart from the one that ends a text (GPT-2's has not)."""
    return tokenizer.unk_token_id is not None and tokenizer.unk_token_id != tokenizer.eos_token_id


def _encode(documents: Sequence[PlainText], tokenizer: Any, alive: Callable[[], None]) -> EncodedSet:
    core = bare(tokenizer)
    core.encode_special_tokens = True  # "<eos>" written in a text is text
    end = np.array([tokenizer.eos_token_id], dtype=np.int64)
    ids: list[Ints] = []
    lengths = [0]
    since = 0
    for document in documents:
        pieces = list(_pieces(document.text))
        length = 1
        for piece in pieces:
            since += len(piece)
            if since >= PIECE_CHARACTERS:
                alive()
                since = 0
            ids.append(np.array(core.encode(piece, add_special_tokens=False).ids, dtype=np.int64))
            length += len(ids[-1])
        ids.append(end)
        lengths.append(length)
    return EncodedSet(np.concatenate(ids), np.zeros(0, dtype=np.int64), np.cumsum(lengths, dtype=np.int64))


def _pieces(text: str) -> Iterator[str]:
    """A text in parts that end with a line: no word is cut."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + PIECE_CHARACTERS) + 1 or len(text)
        yield text[start:end]
        start = end
