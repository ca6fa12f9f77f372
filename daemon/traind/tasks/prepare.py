"""From a configuration to tokenised data: labels, tokenizer and token ids, made once a run and then read back.

Order of writing: labels.json, the tokenizer, then the data; so whoever finds the data finds all of it, and a resumed
run needs neither the source files nor the hub. Where the cache was lost, it is made again from the same or not at all.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from rundir.layout import RunDir
from rundir.status import read_run_info
from traind.config import Config, ConfigError
from traind.data import AnyCorpus, LabelSet, SpanCorpus, load_corpus
from traind.data.part import part_of
from traind.tasks.cache import Prepared, cache_key, read_cache, write_cache
from traind.tasks.encoding import encode_documents
from traind.tasks.model import MIN_POSITIONS, pretrained_config
from traind.tasks.tokenizer import bare, fingerprint, framing, load_saved, load_tokenizer, train_tokenizer
from traind.tasks.window import EncodedSet


@dataclass(frozen=True, slots=True)
class Ready:
    """All that a task is made of."""

    data: Prepared
    labels: Any
    """Of the kind that the task reads; None where there are none."""
    tokenizer: Any


class Labels(Protocol):
    """The names of what is predicted; none where that is text itself."""

    @property
    def names(self) -> Sequence[str]: ...

    def write(self, path: Path) -> None: ...


Encode = Callable[[Config, Any, Any, Callable[[], None]], Prepared]
"""Tokenises a corpus of one's own kind: (config, corpus, tokenizer, alive)."""


def prepare(
    config: Config,
    run: RunDir,
    alive: Callable[[], None],
    *,
    read_labels: Callable[[Path], Any] | None,
    encode: Encode,
    make_tokenizer: Callable[[Config, Any], Any] | None = None,
    most_texts: int | None = None,
) -> Ready:
    """Read the run's cache, or make it. Raises OSError when it cannot be written, ConfigError for a user's mistake.

    `read_labels` is None for a task without labels; without `make_tokenizer` there is the pretrained one, or BPE
    trained on the texts. A mistake is also a source file, or a tokenizer, that is no longer the one whose hash stands
    in run.json. With `most_texts` a part of the data is taken, and `part` of the summary says which share.
    """
    key = cache_key(config)
    frozen = read_labels(run.labels_json) if read_labels and run.labels_json.is_file() else None
    saved = run.cache / "tokenizer"
    cached = read_cache(run.cache, key)
    if cached is not None and (frozen is not None or read_labels is None) and (saved / "tokenizer.json").is_file():
        tokenizer = load_saved(saved)
        if fingerprint(tokenizer) == cached.hashes["tokenizer"]:
            return Ready(cached, frozen, tokenizer)
    recorded = began_with(run)
    corpus, share = load_corpus(config, frozen, recorded), None
    if most_texts is not None:
        corpus, share = part_of(corpus, most_texts)
    alive()
    run.cache.mkdir(mode=0o700, exist_ok=True)
    if corpus.labels is not None:
        corpus.labels.write(run.labels_json)
    tokenizer = (make_tokenizer or _tokenizer)(config, corpus)
    alive()
    tokenizer.save_pretrained(saved)
    # What was saved is what every later attempt gets; this one must not differ by anything that saving loses.
    tokenizer = load_saved(saved)
    found = fingerprint(tokenizer)
    if recorded.get("tokenizer", found) != found:
        name = config.model.pretrained
        raise ConfigError(
            f"{f'model.pretrained: {name}' if name else saved}: is not the tokenizer this run began with; put that "
            "back, install the versions named in run.json, or start a new run"
        )
    data = encode(config, corpus, tokenizer, alive)
    if share is not None:
        data.summary["part"] = dict(share)
    write_cache(run.cache, key, data)
    return Ready(data, corpus.labels, tokenizer)


def began_with(run: RunDir) -> dict[str, str]:
    """The hashes of its sources; empty before run.json is written. Raises ConfigError when that file is not ours."""
    try:
        info = read_run_info(run.run_json)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{run.run_json}: cannot be read: {error}; put it back, or start a new run") from None
    return {} if info is None else info.hashes


def _tokenizer(config: Config, corpus: AnyCorpus) -> Any:
    if config.model.pretrained is not None:
        pretrained_config(config.model.pretrained, config.data.max_length)
        return load_tokenizer(config.model.pretrained)
    texts = (text for text in corpus.survey().train.texts if text)
    return train_tokenizer(texts, config.model.vocab_size, max(MIN_POSITIONS, config.data.max_length))


def encode_labelled(config: Config, corpus: SpanCorpus, tokenizer: Any, alive: Callable[[], None]) -> Prepared:
    """Documents with spans, tagged words or ids: one label a token."""
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
