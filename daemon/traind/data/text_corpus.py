"""What [data] and [task] mean for text classification: texts with a class each, to train and to evaluate.

Raises ConfigError for every user's mistake; knows neither torch nor a tokenizer.
"""

import hashlib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from traind.config import Config, ConfigError
from traind.data.classes import SCORES_MAX, ClassSet, ScoreError, derive, read_classes
from traind.data.columns import Columns, told_of_both
from traind.data.hub_table import PREFIX, eval_source, read_hub
from traind.data.source import check_unchanged
from traind.data.split import hold_out
from traind.data.survey import Split, Survey
from traind.data.table import Row, Table, read_table
from traind.data.textfile import Fault, collect

EMPTY = "empty text"
_SAMPLES: dict[str, tuple[str, ...]] = {"sample:reviews": ("negative", "positive"), "sample:legal": tuple("012345")}
"""The classes of each bundled sample; its texts are made by the module of that name."""


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text with the id of its class."""

    text: str
    label: int
    place: str
    """File and line, or what else a person can find it by."""


@dataclass(frozen=True, slots=True)
class TextCorpus:
    """Texts whose classes are all in `labels`."""

    train: list[LabelledText]
    eval: list[LabelledText]
    labels: ClassSet
    notes: dict[str, int]
    """What is odd about the texts, with counts; absent causes did not occur."""
    hashes: dict[str, str]
    """SHA-256 of each source, by its key: train, eval, labels."""
    columns: str = ""
    """Which columns of a table were taken, for a person; empty where there was no table."""

    def survey(self) -> Survey:
        return Survey(self._split(self.train), self._split(self.eval), self.labels.names)

    def _split(self, texts: Sequence[LabelledText]) -> Split:
        return Split(
            [one.text for one in texts], [self.labels.names[one.label] for one in texts], [one.place for one in texts]
        )


def load_texts(config: Config, labels: ClassSet | None, began_with: Mapping[str, str] | None) -> TextCorpus:
    """Read, check and split the data of a configuration; `load_corpus` says what the arguments mean.

    The classes are those of `labels`, else of `task.labels`, else those the source itself knows, else derived from
    all rows. Without an eval source, a sample and a hub dataset bring their own; of a file `eval_fraction` is held out.
    """
    hashes: dict[str, str] = {}
    if labels is None and config.task.labels is not None:
        labels = read_classes(Path(config.task.labels))
        hashes["labels"] = hashlib.sha256("\n".join(labels.names).encode()).hexdigest()
    train = _table(config.data.train, "train", config)
    evaluation = _eval_table(config)
    hashes["train"] = train.digest
    if evaluation is not None:
        hashes["eval"] = evaluation.digest
    check_unchanged(config, hashes, began_with or {})
    if not train.rows:
        raise ConfigError(f"data.train: {config.data.train}: has no row; give at least one")
    if evaluation is None:
        train_rows, eval_rows = hold_out(train.rows, config)
    else:
        train_rows, eval_rows = train.rows, evaluation.rows
    if not eval_rows:
        raise ConfigError(f"data.eval: {config.data.eval}: has no row; give at least one, or leave the key out")
    labels = labels or _classes(config, train, [*train_rows, *eval_rows])
    _check_threshold(config, labels)
    train_texts, eval_texts = (
        collect(_labelled(rows, labels), key) for rows, key in ((train_rows, "data.train"), (eval_rows, "data.eval"))
    )
    num_empty = sum(not row.text.strip() for row in (*train_rows, *eval_rows))
    notes = {EMPTY: num_empty} if num_empty else {}
    columns = told_of_both(train.columns, "" if evaluation is None else evaluation.columns)
    return TextCorpus(train_texts, eval_texts, labels, notes, hashes, columns)


def _table(source: str, split: str, config: Config) -> Table:
    key = f"data.{split}"
    wanted = Columns(config.data.text, config.data.label)
    if source.startswith("sample:"):
        return _sample(source, split)
    if source.startswith(PREFIX):
        return read_hub(source, key, wanted)
    return read_table(Path(source), key, wanted)


def _eval_table(config: Config) -> Table | None:
    source = config.data.eval
    if source is None and config.data.train.startswith("sample:"):
        source = config.data.train
    if source is None and config.data.train.startswith(PREFIX):
        source = eval_source(config.data.train, "data.train")
    return None if source is None else _table(source, "eval", config)


def _sample(source: str, split: str) -> Table:
    names = _SAMPLES.get(source)
    if names is None:
        raise ConfigError(f"data.{split}: {source}: no such sample; there are {', '.join(_SAMPLES)}")
    sample = importlib.import_module(f"traind.samples.{source.removeprefix('sample:')}")
    texts: list[tuple[str, int]] = sample.train_texts() if split == "train" else sample.eval_texts()
    rows = [Row(text, names[label], f"{source} {split} {index}") for index, (text, label) in enumerate(texts, start=1)]
    return Table(rows, hashlib.sha256(repr(texts).encode()).hexdigest(), names)


def _classes(config: Config, train: Table, rows: Sequence[Row]) -> ClassSet:
    ordinal = config.task.positive_from is not None
    try:
        if train.names is not None:
            return ClassSet(train.names)
        return derive((row.label for row in rows), ordinal=ordinal)
    except ScoreError as error:
        place = next(row.place for row in rows if row.label == error.label)
        raise ConfigError(f"data.train: {place}: {error}") from None
    except ValueError as error:
        raise ConfigError(f"data.train: {config.data.train}: {error}") from None


def _check_threshold(config: Config, labels: ClassSet) -> None:
    threshold = config.task.positive_from
    if threshold is not None and len(labels) > SCORES_MAX:
        raise ConfigError(
            f"task.positive_from = {threshold}: there are {len(labels):,} classes, and {SCORES_MAX} ordinal scores at "
            "most; leave it out"
        )
    if threshold is not None and not 0 < threshold < len(labels):
        raise ConfigError(
            f"task.positive_from = {threshold}: leaves one side empty; the scores are 0 to {len(labels) - 1}, "
            f"give a number from 1 to {len(labels) - 1}"
        )


def _labelled(rows: Sequence[Row], labels: ClassSet) -> "list[LabelledText | Fault]":
    """One fault for each label that is not in the set, with the first row that has it."""
    result: list[LabelledText | Fault] = []
    strange: set[str] = set()
    for row in rows:
        label = labels.id_of(row.label)
        if label is not None:
            result.append(LabelledText(row.text, label, row.place))
        elif row.label not in strange:
            strange.add(row.label)
            cure = "add it to task.labels, or correct the row"
            result.append(Fault(f"{row.place}: the label {row.label!r} is not among the {len(labels)} labels; {cure}"))
    return result
