"""What can be wrong with the labels of a corpus: all the same, some missing or rare, or nothing to do with the texts.

A row's target is a label name, the spans or tags in its text, or None where the text itself is learnt.
"""

import random
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from itertools import groupby

from traind.check.finding import Finding, fault, ok, warn
from traind.check.probe import probe, words
from traind.data.document import Span
from traind.data.survey import Split, Survey

IMBALANCE = 20.0
"""Times as often as the rarest label, from which a loss without class weights learns the most frequent alone."""
FEW_TO_LEARN = 5
FEW_TO_JUDGE = 30
"""Eval examples under which a score is uncertain by more than nine points either way."""
MANY_CUT_WORDS = 0.2
_FIRST_WITHOUT_SPACES = "\u3040"
"""Scripts from here on do not part words."""
_OUTSIDE = "O"
_NUM_SHOWN = 6

Stretch = tuple[str, str]
"""Text, and its class."""


def examine_targets(survey: Survey, *, is_weighted: bool) -> Iterator[Finding]:
    """Label counts, balance, labels without examples, size of the eval set, connection with the texts.

    `is_weighted`: the loss has class weights. Nothing is said of texts without labels.
    """
    if all(target is None for target in survey.train.targets):
        return
    train, evaluation = _count(survey.train), _count(survey.eval)
    names = list(dict.fromkeys(name.split("-", 1)[-1] if _is_bio(survey) else name for name in survey.labels))
    names = [name for name in names if not (_is_bio(survey) and name == _OUTSIDE)]
    yield from _distribution(train, names, is_weighted=is_weighted, has_spans=_is_bio(survey))
    yield from _eval_counts(train, evaluation, has_spans=_is_bio(survey))
    yield from _boundaries(survey.train)
    yield from _connection(survey)


def _is_bio(survey: Survey) -> bool:
    return any(isinstance(target, tuple) for target in survey.train.targets)


def _count(split: Split) -> Counter[str]:
    """Examples by label: rows, or spans."""
    counts: Counter[str] = Counter()
    for target in split.targets:
        counts.update(_labels_of(target))
    return counts


def _labels_of(target: Hashable) -> Iterator[str]:
    if not isinstance(target, tuple):
        yield str(target)
        return
    for item in target:
        if isinstance(item, Span):
            yield item.label
        elif isinstance(item, str) and item.startswith("B-"):
            yield item[2:]


def _distribution(
    counts: Counter[str], names: Sequence[str], *, is_weighted: bool, has_spans: bool
) -> Iterator[Finding]:
    total, things = counts.total(), "spans" if has_spans else "rows"
    shown = " · ".join(f"{name} {count:,}" for name, count in counts.most_common(_NUM_SHOWN))
    shown += f" · … ({len(counts):,} labels)" if len(counts) > _NUM_SHOWN else ""
    if len(counts) == 1 and not has_spans:
        yield fault(
            "labels",
            f"all {total:,} train rows have the label {shown.rsplit(' ', 1)[0]}: there is nothing to tell apart",
            "correct the column or key that the label is read from (data.label), or give rows of other labels too",
        )
        return
    yield ok("labels", f"{total:,} train {things}: {shown}")
    yield from _missing(counts, names, things)
    rarest, most = min(counts.values(), default=0), max(counts.values(), default=0)
    if rarest and most >= IMBALANCE * rarest and not is_weighted:
        yield warn(
            "balance",
            f"the most frequent label has {most / rarest:,.0f} times the {things} of the rarest",
            'task.class_weights = "sqrt-inverse" or "inverse", and judge by a macro average',
        )
    elif counts:
        yield ok("balance", f"most frequent ÷ rarest {most / rarest:,.1f}" + (", weighted" if is_weighted else ""))


def _missing(counts: Counter[str], names: Sequence[str], things: str) -> Iterator[Finding]:
    absent = [name for name in names if not counts[name]]
    if absent:
        yield warn(
            "absent labels",
            f"{len(absent):,} of {len(names):,} labels have no train {things}: {_some(absent)}",
            "give examples of them, or take them out of task.labels: none will ever be predicted",
        )
    few = [name for name in names if 0 < counts[name] < FEW_TO_LEARN]
    if few:
        yield warn(
            "rare labels",
            f"{len(few):,} labels have fewer than {FEW_TO_LEARN} train {things}: {_some(few)}",
            "give more examples of them, or merge them with others",
        )


def _eval_counts(train: Counter[str], evaluation: Counter[str], *, has_spans: bool) -> Iterator[Finding]:
    total, things = evaluation.total(), "spans" if has_spans else "rows"
    cure = "give a larger data.eval, or raise data.eval_fraction"
    if not total:
        yield fault("eval set", f"has no {things}: nothing can be judged", cure)
        return
    if len(evaluation) == 1 and len(train) > 1:
        name = next(iter(evaluation))
        yield fault(
            "eval set",
            f"all {total:,} {things} have the label {name}: saying it always scores 100%",
            "mix the rows before you split them; without data.eval, eval_fraction is drawn at random",
        )
        return
    unseen = [name for name in evaluation if not train[name]]
    if unseen:
        yield warn(
            "eval set",
            f"has labels that training has no example of: {_some(unseen)}",
            "divide the data so that every label is in both",
        )
    absent = [name for name in train if not evaluation[name]]
    if absent:
        yield warn("eval set", f"has no example of {len(absent):,} of {len(train):,} labels: {_some(absent)}", cure)
    error = 50 / total**0.5
    if total < FEW_TO_JUDGE:
        yield warn("eval set", f"has {total:,} {things}: a score is uncertain by ±{error:.0f} points", cure)
    elif not unseen and not absent:
        yield ok("eval set", f"{total:,} {things}, every label among them; a score is uncertain by ±{error:.1f} points")


def _boundaries(split: Split) -> Iterator[Finding]:
    """Spans that begin or end within a word have been counted in another text than this one."""
    spans = [
        (text, span, place)
        for text, target, place in zip(split.texts, split.targets, split.places, strict=True)
        if isinstance(target, tuple)
        for span in target
        if isinstance(span, Span)
    ]
    odd = [place for text, span, place in spans if _is_within(text, span.start) or _is_within(text, span.end)]
    if len(odd) > MANY_CUT_WORDS * len(spans):
        yield warn(
            "span ends",
            f"{len(odd):,} of {len(spans):,} train spans begin or end within a word: {_some(list(dict.fromkeys(odd)))}",
            "count offsets in characters (not bytes) of the very text that is in the file; the end is exclusive",
        )
    elif spans:
        yield ok("span ends", f"{len(odd):,} of {len(spans):,} train spans begin or end within a word")


def _is_within(text: str, offset: int) -> bool:
    around = text[max(0, offset - 1) : offset + 1]
    return len(around) == 2 and all(c.isalnum() and c < _FIRST_WITHOUT_SPACES for c in around)


def _connection(survey: Survey) -> Iterator[Finding]:
    rows = _stretches(survey.train) if _is_bio(survey) else _rows(survey.train)
    classes = {name: index for index, name in enumerate(dict.fromkeys(name for _, name in rows))}
    verdict = probe([words(text) for text, _ in rows], [classes[name] for _, name in rows])
    if verdict is None:
        return
    figures = f"from the words alone {verdict.recall:.0%} mean recall, {verdict.chance:.0%} is chance"
    if verdict.is_connected:
        yield ok("labels fit texts", figures)
    elif verdict.is_telling:
        yield warn(
            "labels fit texts",
            f"labels look unrelated to their texts: {figures} (±{verdict.standard_error:.1%})",
            "look at some rows: labels shuffled, or shifted by a row? (Go on if only word order tells them apart.)",
        )
    else:
        yield ok("labels fit texts", f"too few rows to tell: {figures}")


def _rows(split: Split) -> list[Stretch]:
    return [(text, str(target)) for text, target in zip(split.texts, split.targets, strict=True)]


def _stretches(split: Split) -> list[Stretch]:
    """The text of every span with its type, and for each a stretch of as many words outside of all spans."""
    found: list[Stretch] = []
    for text, target in zip(split.texts, split.targets, strict=True):
        if isinstance(target, tuple) and text:
            found += _with_outside(list(_pieces(text, target)))
    return found


def _with_outside(pieces: Sequence[Stretch]) -> Iterator[Stretch]:
    draw = random.Random(0)
    outside = [words for text, name in pieces if name == _OUTSIDE and (words := text.split())]
    for text, name in pieces:
        if name == _OUTSIDE:
            continue
        yield text, name
        if outside:
            of = draw.choice(outside)
            length = min(len(text.split()), len(of))
            begin = draw.randint(0, len(of) - length)
            yield " ".join(of[begin : begin + length]), _OUTSIDE


def _pieces(text: str, target: tuple[Hashable, ...]) -> Iterator[Stretch]:
    """A text cut at the ends of its spans, or of its runs of tags."""
    if any(isinstance(item, str) for item in target):
        yield from _tag_pieces(text.split(), [str(item) for item in target])
        return
    end = 0
    for span in target:
        if isinstance(span, Span):
            yield text[end : span.start], _OUTSIDE
            yield text[span.start : span.end], span.label
            end = span.end
    yield text[end:], _OUTSIDE


def _tag_pieces(tokens: Sequence[str], tags: Sequence[str]) -> Iterator[Stretch]:
    if len(tokens) != len(tags):  # words with white space in them: which tag is whose cannot be told
        return
    for name, group in groupby(zip(tokens, tags, strict=True), key=lambda pair: pair[1].split("-", 1)[-1]):
        yield " ".join(token for token, _ in group), name


def _some(names: Sequence[str]) -> str:
    return " · ".join(names[:_NUM_SHOWN]) + (" · …" if len(names) > _NUM_SHOWN else "")
