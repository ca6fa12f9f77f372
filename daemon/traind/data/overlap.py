"""The rule by which overlapping and nested spans become spans that BIO labels can say.

A token has one label, so two spans cannot share characters. The rule: **the shortest span is placed first** (of equal
ones the one that starts earlier, then the label first in the alphabet). A span that meets characters already taken
keeps its longest free stretch (the first of equal ones); one with no free stretch left is dropped. This keeps the most
spans whole: a short phrase inside a long one survives, and the long one still has its longest part, where longest-first
would lose every nested span entirely.
"""

from collections import Counter
from collections.abc import Sequence

from traind.data.document import Span

CUT = "cut short where it overlaps a shorter span"
COVERED = "dropped: covered by shorter spans"
DUPLICATE = "dropped: the same span and label twice"
EMPTY = "dropped: empty or only white space"


def resolve(text: str, spans: Sequence[Span]) -> tuple[tuple[Span, ...], Counter[str]]:
    """The spans that stay, in order and without overlap, white space trimmed; and how many met each fate above.

    Whitespace at a span's edges is not part of it and is taken off uncounted.
    """
    fates: Counter[str] = Counter()
    trimmed = []
    for span in spans:
        start, end = _trim(text, span.start, span.end)
        if start >= end:
            fates[EMPTY] += 1
        else:
            trimmed.append(Span(start, end, span.label))
    unique = set(trimmed)
    fates[DUPLICATE] += len(trimmed) - len(unique)
    kept: list[Span] = []
    for span in sorted(unique, key=lambda s: (s.end - s.start, s.start, s.label)):
        start, end = _longest_free(text, span, kept)
        if start >= end:
            fates[COVERED] += 1
            continue
        fates[CUT] += (start, end) != (span.start, span.end)
        kept.append(Span(start, end, span.label))
    return tuple(sorted(kept, key=lambda s: s.start)), +fates


def _longest_free(text: str, span: Span, kept: Sequence[Span]) -> tuple[int, int]:
    best = (span.start, span.start)
    position = span.start
    taken = sorted((k.start, k.end) for k in kept if k.end > span.start and k.start < span.end)
    for start, end in [*taken, (span.end, span.end)]:
        free = _trim(text, position, start)
        if free[1] - free[0] > best[1] - best[0]:
            best = free
        position = max(position, end)
    return best


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
