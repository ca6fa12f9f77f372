"""Whether the labels of a corpus have anything to do with its texts: what is drawn for the probe, and its verdict.

Looks at as many rows as the probe takes, whatever the size of the corpus.
"""

import random
from collections.abc import Hashable, Iterator, Sequence
from itertools import groupby

import numpy as np

from traind.check.finding import Finding, ok, warn
from traind.check.probe import MAX_ROWS, probe, words
from traind.check.spans import has_spans
from traind.data.document import Span
from traind.data.labels import OUTSIDE
from traind.data.survey import Split, Survey

MAX_CLASSES = 200
"""The probe has ten rows of each then; beyond, it needs much memory to say nothing."""

Stretch = tuple[str, str]
"""Text, and its class."""


def examine_connection(survey: Survey) -> Iterator[Finding]:
    """One row, none where there is nothing to compare."""
    rows = _stretches(survey.train) if has_spans(survey.train) else _rows(survey.train)
    classes = {name: index for index, name in enumerate(dict.fromkeys(name for _, name in rows))}
    if len(classes) > MAX_CLASSES:
        yield ok("labels fit texts", f"not looked at: {len(rows):,} rows of {len(classes):,} labels tell nothing")
        return
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


def _drawn(num_rows: int) -> list[int]:
    """Which rows are looked at, in random order: those of a file may be sorted."""
    chosen: list[int] = np.random.default_rng(0).permutation(num_rows)[:MAX_ROWS].tolist()
    return chosen


def _rows(split: Split) -> list[Stretch]:
    return [(split.texts[index], str(split.targets[index])) for index in _drawn(len(split))]


def _stretches(split: Split) -> list[Stretch]:
    """The text of spans with their types, and for each a stretch of as many words outside of all spans."""
    marked = [index for index, target in enumerate(split.targets) if _is_marked(target)]
    found: list[Stretch] = []
    for drawn in _drawn(len(marked)):
        target = split.targets[marked[drawn]]
        if isinstance(target, tuple):
            found += _with_outside(list(_pieces(split.texts[marked[drawn]], target)))
        if len(found) >= MAX_ROWS:
            break
    return found


def _is_marked(target: Hashable) -> bool:
    return isinstance(target, tuple) and any(item != OUTSIDE for item in target)


def _with_outside(pieces: Sequence[Stretch]) -> Iterator[Stretch]:
    draw = random.Random(0)
    outside = [words for text, name in pieces if name == OUTSIDE and (words := text.split())]
    for text, name in pieces:
        if name == OUTSIDE:
            continue
        yield text, name
        if outside:
            of = draw.choice(outside)
            length = min(len(text.split()), len(of))
            begin = draw.randint(0, len(of) - length)
            yield " ".join(of[begin : begin + length]), OUTSIDE


def _pieces(text: str, target: tuple[Hashable, ...]) -> Iterator[Stretch]:
    """A text cut at the ends of its spans, or of its runs of tags."""
    if any(isinstance(item, str) for item in target):
        yield from _tag_pieces(text.split(), [str(item) for item in target])
        return
    end = 0
    for span in target:
        if isinstance(span, Span):
            yield text[end : span.start], OUTSIDE
            yield text[span.start : span.end], span.label
            end = span.end
    yield text[end:], OUTSIDE


def _tag_pieces(tokens: Sequence[str], tags: Sequence[str]) -> Iterator[Stretch]:
    if len(tokens) != len(tags):  # words with white space in them: which tag is whose cannot be told
        return
    for name, group in groupby(zip(tokens, tags, strict=True), key=lambda pair: pair[1].split("-", 1)[-1]):
        yield " ".join(token for token, _ in group), name
