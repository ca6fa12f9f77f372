"""The data of a token classification: train and eval documents, labels, and an account of what was lost.

Raises ConfigError for every user's mistake; knows neither torch nor a tokenizer.
"""

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from traind.config import Config, ConfigError
from traind.data.document import Document, EncodedDocument, Span, TextDocument, TokenDocument
from traind.data.labels import IGNORED, LabelSet, read_labels
from traind.data.overlap import resolve
from traind.data.read import read_documents
from traind.data.record import numbered
from traind.data.source import check_unchanged
from traind.data.split import hold_out
from traind.data.survey import Split, Survey

SAMPLE = "sample:propaganda"


@dataclass(frozen=True, slots=True)
class SpanCorpus:
    """Documents of one form (texts, words or ids) whose labels are all in `labels`."""

    train: list[Document]
    eval: list[Document]
    labels: LabelSet
    notes: dict[str, int]
    """What happened to spans before tokenising, by cause, with counts; absent causes did not occur."""
    hashes: dict[str, str]
    """SHA-256 of each source, by its key: train, eval, labels."""

    def survey(self) -> Survey:
        """Its texts with their spans or tags."""
        return Survey(_surveyed(self.train), _surveyed(self.eval), self.labels.names)


def load_spans(
    config: Config, labels: LabelSet | None = None, began_with: Mapping[str, str] | None = None
) -> SpanCorpus:
    """Read, check and split the data of a configuration.

    `labels` freezes the mapping (a resumed run's labels.json); else it is read from `task.labels`, else derived: the
    types known by number in their order, without a gap, then the named ones in alphabetical order. Without an eval
    file, `eval_fraction` of the documents (at least one) is held out, chosen by `seed`; sentences of one CoNLL document
    stay together. `began_with` are the hashes of a resumed run: a source that has another is refused. Raises
    ConfigError, each fault with file, key or line, and cure.
    """
    hashes: dict[str, str] = {}
    if labels is None and config.task.labels is not None:
        labels = read_labels(Path(config.task.labels))
        hashes["labels"] = hashlib.sha256("\n".join(labels.names).encode()).hexdigest()
    train, evaluation, labels = _sources(config, labels, hashes)
    check_unchanged(config, hashes, began_with or {})
    if not train:
        raise ConfigError(f"data.train: {config.data.train}: has no document; give at least one")
    if evaluation is None:
        train, evaluation = hold_out(train, config, _units(train))
    if not evaluation:
        raise ConfigError(f"data.eval: {config.data.eval}: has no document; give at least one, or leave the key out")
    _check_forms(config, [*train, *evaluation])
    labels = labels or _derive([*train, *evaluation], config)
    faults = [*_label_faults(train, labels, "data.train"), *_label_faults(evaluation, labels, "data.eval")]
    if faults:
        raise ConfigError(*faults)
    notes: Counter[str] = Counter()
    train = [_resolved(document, notes) for document in train]
    evaluation = [_resolved(document, notes) for document in evaluation]
    return SpanCorpus(train, evaluation, labels, dict(sorted(notes.items())), hashes)


def _sources(
    config: Config, labels: LabelSet | None, hashes: dict[str, str]
) -> tuple[list[Document], list[Document] | None, LabelSet | None]:
    train, sample_labels = _source(config.data.train, "train", labels, hashes)
    if config.data.eval is not None:
        evaluation, _ = _source(config.data.eval, "eval", labels, hashes)
        return train, evaluation, labels or sample_labels
    if sample_labels is not None:
        evaluation, _ = _source(config.data.train, "eval", labels, hashes)
        return train, evaluation, labels or sample_labels
    return train, None, labels


def _source(
    name: str, split: str, labels: LabelSet | None, hashes: dict[str, str]
) -> tuple[list[Document], LabelSet | None]:
    if name == SAMPLE:
        documents, sample_labels = _sample(split)
        hashes[split] = hashlib.sha256(repr(documents).encode()).hexdigest()
        return documents, sample_labels
    if name.startswith("sample:"):
        raise ConfigError(f"data.{split}: {name}: no such sample; there is {SAMPLE}")
    documents, data = read_documents(Path(name), f"data.{split}", labels)
    hashes[split] = hashlib.sha256(data).hexdigest()
    return documents, None


def _sample(split: str) -> tuple[list[Document], LabelSet]:
    from traind.samples import propaganda
    from traind.samples.sentences import TECHNIQUES

    articles = propaganda.train_articles() if split == "train" else propaganda.eval_articles()
    documents: list[Document] = [
        TextDocument(f"{split}-{index}", article.text, tuple(Span(*span) for span in article.spans))
        for index, article in enumerate(articles)
    ]
    return documents, LabelSet.of_types(TECHNIQUES)


def _units(documents: Sequence[Document]) -> Sequence[int]:
    """What each document belongs to that a split must not part: its block where there are several, else itself."""
    blocks = [document.block if isinstance(document, TokenDocument) else 0 for document in documents]
    return blocks if len(set(blocks)) > 1 else range(len(documents))


def _check_forms(config: Config, documents: Sequence[Document]) -> None:
    forms = {type(document) for document in documents}
    if len(forms) > 1:
        raise ConfigError('data: texts, "tokens" and "input_ids" are mixed; give documents of one form in both files')
    if forms == {EncodedDocument} and config.model.pretrained is None:
        raise ConfigError(
            "data.train: holds input_ids of a pretrained tokenizer; set model.pretrained to that model, "
            "or give texts for a scratch model"
        )


def _derive(documents: Iterable[Document], config: Config) -> LabelSet:
    named: set[str] = set()
    highest = 0
    for document in documents:
        if isinstance(document, TextDocument):
            named.update(span.label for span in document.spans)
        elif isinstance(document, TokenDocument):
            named.update(tag[2:] for tag in document.tags if tag != "O")
            highest = max(highest, document.highest_tag_id)
        else:
            highest = max(highest, *document.label_ids, 0)
    # A number is the place of its label, in this attempt and in one that reads these labels back: no gap, number order.
    types = [numbered(label_id)[2:] for label_id in range(1, highest + 1, 2)]
    types += sorted(named.difference(types))
    if not types:
        raise ConfigError(
            f"data.train: {config.data.train}: no document has a labelled span; there is nothing to learn"
        )
    return LabelSet.of_types(types)


def _label_faults(documents: Sequence[Document], labels: LabelSet, key: str) -> list[str]:
    """One fault for each label that is not in the set, with the first document that has it."""
    faults: dict[str, str] = {}
    for document in documents:
        for label in _label_names(document):
            if label not in labels.ids and label not in faults:
                faults[label] = (
                    f"{key}: {document.id}: the label {label.removeprefix('B-')!r} is not in the given labels"
                )
        if isinstance(document, EncodedDocument):
            highest = max(document.label_ids, default=IGNORED)
            if highest >= len(labels) and str(highest) not in faults:
                faults[str(highest)] = f"{key}: {document.id}: the label {highest} is beyond the {len(labels)} labels"
    return [f"{fault}; add it to task.labels, or correct the document" for fault in faults.values()]


def _surveyed(documents: Sequence[Document]) -> Split:
    texts: list[str] = []
    targets: list[Hashable] = []
    for document in documents:
        if isinstance(document, TextDocument):
            texts.append(document.text)
            targets.append(document.spans)
        elif isinstance(document, TokenDocument):
            texts.append(" ".join(document.tokens))
            targets.append(document.tags)
        else:
            texts.append("")
            targets.append(document.label_ids)
    return Split(texts, targets, [document.id for document in documents])


def _label_names(document: Document) -> set[str]:
    if isinstance(document, TextDocument):
        return {f"B-{span.label}" for span in document.spans}
    if isinstance(document, TokenDocument):
        return set(document.tags)
    return set()


def _resolved(document: Document, notes: Counter[str]) -> Document:
    if not isinstance(document, TextDocument):
        return document
    spans, fates = resolve(document.text, document.spans)
    notes.update(fates)
    return TextDocument(document.id, document.text, spans)
