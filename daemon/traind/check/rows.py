"""What can be wrong with the texts of a corpus, labels aside: none, empty ones, repeats, train among eval."""

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from traind.check.finding import Finding, fault, ok, some, warn
from traind.data.survey import Split, Survey

MANY_REPEATS = 0.05
"""Share of repeated rows from which an epoch is notably more than one pass."""
LEAK = 0.01
"""Share of the eval set found in the training set from which its scores are flattered."""
VOID_LEAK = 0.5
CONTRADICTIONS = 0.01


def examine_rows(survey: Survey) -> Iterator[Finding]:
    """Counts, lengths, empty rows, repeats, contradictions, leakage."""
    yield _counts(survey)
    yield from _lengths(survey)
    yield from _empty(survey)
    train, evaluation = _keys(survey.train), _keys(survey.eval)
    yield from _repeats(survey.train, train)
    yield from _leak(survey.eval, train, evaluation)


def is_blank(text: str, target: Hashable) -> bool:
    """Whether a row has no text; that of a document of token ids is unknown, not missing."""
    return not text.strip() and not (isinstance(target, tuple) and target)


def _counts(survey: Survey) -> Finding:
    return ok("rows", f"{len(survey.train):,} to train, {len(survey.eval):,} to evaluate")


def _lengths(survey: Survey) -> Iterator[Finding]:
    lengths = np.array([len(text) for text in survey.train.texts if text])
    if len(lengths):
        middle, high = np.percentile(lengths, (50, 95))
        yield ok("lengths", f"median {middle:,.0f} characters, 95% within {high:,.0f}, longest {lengths.max():,}")


def _empty(survey: Survey) -> Iterator[Finding]:
    for name, split in (("train", survey.train), ("eval", survey.eval)):
        blank = [
            place
            for text, target, place in zip(split.texts, split.targets, split.places, strict=True)
            if is_blank(text, target)
        ]
        if not blank:
            continue
        text = f"{len(blank):,} of {len(split):,} {name} texts are empty: {some(blank)}"
        cure = "take them out, or correct the column or key that the text is read from (data.text)"
        yield fault("empty texts", text, cure) if 2 * len(blank) >= len(split) else warn("empty texts", text, cure)


def _keys(split: Split) -> list[int]:
    """One number a text; the same for texts that differ in case and white space only. 0 for texts not known."""
    return [hash(key) if (key := " ".join(text.casefold().split())) else 0 for text in split.texts]


def _repeats(split: Split, keys: Sequence[int]) -> Iterator[Finding]:
    first: dict[int, int] = {}
    repeated, contradicted = [], []
    for index, key in enumerate(keys):
        if key and first.setdefault(key, index) != index:
            repeated.append(index)
            if split.targets[index] != split.targets[first[key]]:
                contradicted.append(index)
    total = len(keys) or 1
    if len(repeated) >= MANY_REPEATS * total and len(repeated) > 1:
        yield warn(
            "duplicates",
            f"{len(repeated):,} of {total:,} train texts ({len(repeated) / total:.0%}) repeat an earlier one: "
            f"{some([split.places[i] for i in repeated])}",
            "keep one of each, unless their weight is meant",
        )
    else:
        yield ok("duplicates", f"{len(repeated):,} of {total:,} train texts repeat an earlier one")
    if len(contradicted) >= CONTRADICTIONS * total and len(contradicted) > 1:
        yield warn(
            "contradictions",
            f"{len(contradicted):,} train texts have another label where they occur before: "
            f"{some([split.places[i] for i in contradicted])}",
            "decide which label is right; no model can learn both",
        )


def _leak(split: Split, train: Sequence[int], evaluation: Sequence[int]) -> Iterator[Finding]:
    known = set(train) - {0}
    leaked = [place for key, place in zip(evaluation, split.places, strict=True) if key in known]
    share = len(leaked) / (len(evaluation) or 1)
    if share < LEAK:
        yield ok("leakage", f"{len(leaked):,} of {len(evaluation):,} eval texts are among the train texts")
        return
    text = f"{len(leaked):,} of {len(evaluation):,} eval texts ({share:.0%}) are among the train texts: {some(leaked)}"
    cure = "take them out of one of the two: scores on what was learnt by heart say nothing about new texts"
    yield fault("leakage", text, cure) if share >= VOID_LEAK else warn("leakage", text, cure)
