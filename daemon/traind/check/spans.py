"""The spans in a row's target, in whichever form it comes, and whether they lie on whole words."""

import re
from collections.abc import Hashable, Iterator, Sequence

from traind.check.finding import Finding, ok, some, warn
from traind.check.probe import WITHOUT_SPACES
from traind.data.document import Span
from traind.data.labels import IGNORED, OUTSIDE
from traind.data.survey import Split

MANY_CUT_WORDS = 0.2
_UNPARTED = re.compile(f"[{WITHOUT_SPACES}\uac00-\ud7a3]")
"""Korean parts its words, but hangs particles on them that belong to no span."""


def has_spans(split: Split) -> bool:
    """Whether spans or tags are learnt, rather than a label a row."""
    return any(isinstance(target, tuple) for target in split.targets)


def span_labels(target: tuple[Hashable, ...], names: Sequence[str]) -> Iterator[str]:
    """The type of each span: of spans, of tags, or of label ids whose tags are `names`.

    A span of tags begins at B-X, and at an I-X that follows no X (IOB1 begins most spans that way).
    """
    before = OUTSIDE
    for item in target:
        if isinstance(item, Span):
            yield item.label
        elif item != IGNORED:
            tag = names[item] if isinstance(item, int) else str(item)
            if tag != OUTSIDE and (tag.startswith("B-") or before[2:] != tag[2:]):
                yield tag[2:]
            before = tag


def examine_boundaries(split: Split) -> Iterator[Finding]:
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
            f"{len(odd):,} of {len(spans):,} train spans begin or end within a word: {some(list(dict.fromkeys(odd)))}",
            "count offsets in characters (not bytes) of the very text that is in the file; the end is exclusive",
        )
    elif spans:
        yield ok("span ends", f"{len(odd):,} of {len(spans):,} train spans begin or end within a word")


def _is_within(text: str, offset: int) -> bool:
    around = text[max(0, offset - 1) : offset + 1]
    return len(around) == 2 and around.isalnum() and not _UNPARTED.search(around)
