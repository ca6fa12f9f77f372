"""What [data] means for a language model: plain texts, to train on and to evaluate.

Raises ConfigError for every user's mistake; knows neither torch nor a tokenizer.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from traind.config import Config, ConfigError
from traind.data.columns import Columns, told_of_both
from traind.data.source import check_unchanged
from traind.data.split import hold_out
from traind.data.survey import Split, Survey
from traind.data.table import SUFFIXES, read_table
from traind.data.textfile import decode, read_bytes

TEXT_SUFFIXES = (".txt", ".md")
SAMPLES = ("sample:banking", "sample:text")


@dataclass(frozen=True, slots=True)
class PlainText:
    """A document, and where it stands."""

    text: str
    place: str


@dataclass(frozen=True, slots=True)
class PlainCorpus:
    """Documents of text alone; some may be empty."""

    train: list[PlainText]
    eval: list[PlainText]
    notes: dict[str, int]
    """What is odd about the texts, with counts; absent causes did not occur."""
    hashes: dict[str, str]
    """SHA-256 of each source, by its key: train, eval."""
    columns: str = ""
    """Which column of a table was taken, for a person; empty where there was no table."""
    labels: None = None
    """The text itself is the target."""

    def survey(self) -> Survey:
        return Survey(_surveyed(self.train), _surveyed(self.eval), ())


def load_plain(config: Config, began_with: Mapping[str, str] | None) -> PlainCorpus:
    """Read, check and split the data of a configuration; `load_corpus` says what `began_with` means.

    A text file is one document, a table has one in each row. Without an eval source, sample:banking brings its own; of
    one document the last `eval_fraction` of its characters are held out, of several that share of them.
    """
    train, digest, columns = _source(config.data.train, "train", config)
    hashes = {"train": digest}
    evaluation = None
    if config.data.eval is not None:
        evaluation, hashes["eval"], of_eval = _source(config.data.eval, "eval", config)
        columns = told_of_both(columns, of_eval)
    elif config.data.train == "sample:banking":
        evaluation, hashes["eval"], _ = _sample(config.data.train, "eval")
    check_unchanged(config, hashes, began_with or {})
    if evaluation is None:
        train, evaluation = _cut_tail(train[0], config) if len(train) == 1 else hold_out(train, config)
    for key, documents in (("train", train), ("eval", evaluation)):
        if not any(document.text.strip() for document in documents):
            source = config.data.eval if key == "eval" and config.data.eval else config.data.train
            raise ConfigError(f"data.{key}: {source}: has no text; give some")
    num_empty = sum(not document.text.strip() for document in (*train, *evaluation))
    return PlainCorpus(train, evaluation, {"empty text": num_empty} if num_empty else {}, hashes, columns)


def _source(name: str, split: str, config: Config) -> tuple[list[PlainText], str, str]:
    """The documents, at least one, the hash of what they came from, and which column they are of a table."""
    key = f"data.{split}"
    if name.startswith("sample:"):
        return _sample(name, split)
    path = Path(name)
    if path.suffix in TEXT_SUFFIXES:
        data = read_bytes(path, key, f"correct the path, or take {SAMPLES[1]}")
        return [PlainText(decode(data, path, key), str(path))], hashlib.sha256(data).hexdigest(), ""
    if path.suffix not in SUFFIXES:
        known = ", ".join((*TEXT_SUFFIXES, *SUFFIXES))
        raise ConfigError(f"{key}: {path}: unknown format {path.suffix!r}; give one of {known}, or {SAMPLES[1]}")
    table = read_table(path, key, Columns(config.data.text, None, is_labelled=False))
    if not table.rows:
        raise ConfigError(f"{key}: {path}: has no row; give at least one")
    return [PlainText(row.text, row.place) for row in table.rows], table.digest, table.columns


def _sample(name: str, split: str) -> tuple[list[PlainText], str, str]:
    if name == "sample:banking":
        from traind.samples import banking

        texts = banking.train_questions() if split == "train" else banking.eval_questions()
    elif name == "sample:text":
        from traind.samples import text

        texts = [text.play()]
    else:
        raise ConfigError(f"data.{split}: {name}: no such sample; there are {', '.join(SAMPLES)}")
    documents = [PlainText(one, f"{name} {split} {index}") for index, one in enumerate(texts, start=1)]
    return documents, hashlib.sha256(repr(texts).encode()).hexdigest(), ""


def _cut_tail(document: PlainText, config: Config) -> tuple[list[PlainText], list[PlainText]]:
    """The end of a text is held out, as nanoGPT does: a random choice of lines would be known from their neighbours."""
    border = int(len(document.text) * (1 - config.data.eval_fraction))
    head, tail = document.text[:border], document.text[border:]
    if not head.strip() or not tail.strip():
        raise ConfigError(f"data.train: {document.place}: is too short to hold out a part; give data.eval")
    return [PlainText(head, document.place)], [PlainText(tail, f"{document.place} from character {border + 1}")]


def _surveyed(documents: Sequence[PlainText]) -> Split:
    return Split([one.text for one in documents], [None] * len(documents), [one.place for one in documents])
