"""From a configuration to tokenised data: labels, tokenizer and token ids, made once a run and then read back.

Order of writing: labels.json, the tokenizer, then the data; so whoever finds the data finds all of it, and a resumed
run needs neither the source files nor the hub.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from rundir.layout import RunDir
from traind.config import Config, ConfigError
from traind.data import Corpus, LabelSet, TextDocument, TokenDocument, load_corpus
from traind.data.labels import read_labels
from traind.tasks.cache import Prepared, cache_key, read_cache, write_cache
from traind.tasks.encoding import encode_documents
from traind.tasks.model import MIN_POSITIONS, pretrained_config
from traind.tasks.tokenizer import bare, fingerprint, framing, load_saved, load_tokenizer, train_tokenizer
from traind.tasks.window import EncodedSet


@dataclass(frozen=True, slots=True)
class Ready:
    """All that a task is made of."""

    data: Prepared
    labels: LabelSet
    tokenizer: Any


def prepare(config: Config, run: RunDir, alive: Callable[[], None]) -> Ready:
    """Read the run's cache, or make it. Raises ConfigError for a user's mistake, OSError when it cannot be written."""
    key = cache_key(config)
    frozen = read_labels(run.labels_json) if run.labels_json.is_file() else None
    saved = run.cache / "tokenizer"
    cached = read_cache(run.cache, key)
    if cached is not None and frozen is not None:
        return Ready(cached, frozen, load_saved(saved))
    corpus = load_corpus(config, frozen)
    alive()
    run.cache.mkdir(mode=0o700, exist_ok=True)
    corpus.labels.write(run.labels_json)
    tokenizer = _tokenizer(config, corpus)
    alive()
    tokenizer.save_pretrained(saved)
    # What was saved is what every later attempt gets; this one must not differ by anything that saving loses.
    tokenizer = load_saved(saved)
    data = _encode(config, corpus, tokenizer, alive)
    write_cache(run.cache, key, data)
    return Ready(data, corpus.labels, tokenizer)


def _tokenizer(config: Config, corpus: Corpus) -> Any:
    if config.model.pretrained is not None:
        pretrained_config(config.model.pretrained, config.data.max_length)
        return load_tokenizer(config.model.pretrained)
    return train_tokenizer(_texts(corpus), config.model.vocab_size, max(MIN_POSITIONS, config.data.max_length))


def _texts(corpus: Corpus) -> Iterator[str]:
    for document in corpus.train:
        if isinstance(document, TextDocument):
            yield document.text
        elif isinstance(document, TokenDocument):
            yield " ".join(document.tokens)


def _encode(config: Config, corpus: Corpus, tokenizer: Any, alive: Callable[[], None]) -> Prepared:
    core = bare(tokenizer)
    frame = (*framing(tokenizer), tokenizer.pad_token_id)
    train, lost_in_train = encode_documents(corpus.train, core, corpus.labels, frame, alive)
    evaluation, lost_in_eval = encode_documents(corpus.eval, core, corpus.labels, frame, alive)
    for name, encoded in (("train", train), ("eval", evaluation)):
        _check_ids(config, name, encoded, len(tokenizer))
    notes = Counter(corpus.notes) + lost_in_train + lost_in_eval
    counts = _distribution(train, corpus.labels)
    summary = {
        "documents": {"train": train.num_documents, "eval": evaluation.num_documents},
        "tokens": {"train": len(train.ids), "eval": len(evaluation.ids)},
        "spans": {"train": _num_begins(train), "eval": _num_begins(evaluation)},
        "spans_lost": dict(sorted(notes.items())),
        "spans_truncated": 0,
        "train_labels": counts,
    }
    return Prepared(train, evaluation, summary, {**corpus.hashes, "tokenizer": fingerprint(tokenizer)})


def _check_ids(config: Config, name: str, encoded: EncodedSet, num_tokens: int) -> None:
    if not (encoded.labels >= 0).any():
        raise ConfigError(f"data.{name}: no token is left to be scored; give documents with text")
    highest = int(encoded.ids.max())
    if highest >= num_tokens:
        raise ConfigError(
            f"data.{name}: the token id {highest} is beyond the {num_tokens} tokens of {config.model.pretrained}; "
            "tokenise with that model's own tokenizer"
        )


def _distribution(encoded: EncodedSet, labels: LabelSet) -> dict[str, int]:
    counts = np.bincount(encoded.labels[encoded.labels >= 0], minlength=len(labels))
    return {name: int(count) for name, count in zip(labels.names, counts, strict=True)}


def _num_begins(encoded: EncodedSet) -> int:
    return int(((encoded.labels > 0) & (encoded.labels % 2 == 1)).sum())
