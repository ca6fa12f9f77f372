"""A generated corpus of news-like articles with spans of the 14 propaganda techniques of SemEval-2020 Task 11.

Owns how an article is composed; the sentences stand in `sentences`. Every article is a pure function of
(seed, index) and depends on no library's random numbers, so that it is the same on every machine.
"""

import random
import re
from dataclasses import dataclass

from traind.samples.sentences import CLAIMS, CUES, DECOYS, FILLERS, SLOTS, TECHNIQUES

NUM_TRAIN = 3400
NUM_EVAL = 300
SEED = 20200911

_SLOT = re.compile(r"\{(\w+)\}")
_SHARE_CUE = 0.34
_SHARE_DECOY = 0.26
_SHARE_LONG = 0.12
"""Of the articles: they have three times the sentences and do not fit into one window of the usual lengths."""


@dataclass(frozen=True, slots=True)
class Article:
    """A text and its spans: (first character, character after the last, technique), in order, none overlapping."""

    text: str
    spans: tuple[tuple[int, int, str], ...]


def train_articles() -> list[Article]:
    return [article(SEED, index) for index in range(NUM_TRAIN)]


def eval_articles() -> list[Article]:
    """Articles of the same kind, none of them a training article."""
    return [article(SEED, NUM_TRAIN + index) for index in range(NUM_EVAL)]


def article(seed: int, index: int) -> Article:
    """One article. A third of its sentences carry a technique, a quarter have the words of one without being one."""
    rng = random.Random(f"{seed}:{index}")
    num_sentences = 3 + _below(rng, 5)
    if rng.random() < _SHARE_LONG:
        num_sentences *= 3
    text = ""
    spans: list[tuple[int, int, str]] = []
    for _ in range(num_sentences):
        sentence, found = _sentence(rng)
        text += " " if text else ""
        spans += [(start + len(text), end + len(text), technique) for start, end, technique in found]
        text += sentence
    return Article(text, tuple(spans))


def _sentence(rng: random.Random) -> tuple[str, list[tuple[int, int, str]]]:
    draw = rng.random()
    if draw < _SHARE_CUE:
        technique = _pick(rng, TECHNIQUES)
        marked = _fill(rng, _pick(rng, CUES[technique]))
    elif draw < _SHARE_CUE + _SHARE_DECOY:
        technique, marked = "", _fill(rng, _pick(rng, DECOYS))
    else:
        technique, marked = "", _fill(rng, _pick(rng, FILLERS))
    return _unmark(marked, technique)


def _fill(rng: random.Random, template: str) -> str:
    """Put a word into every slot; `{claim}` is one sentence for the whole template, so that it can be repeated."""
    claim = _expand(rng, _pick(rng, CLAIMS))
    filled = _expand(rng, template.replace("{claim}", claim))
    first = 1 if filled.startswith("[") else 0
    return filled[:first] + filled[first].upper() + filled[first + 1 :]


def _expand(rng: random.Random, template: str) -> str:
    return _SLOT.sub(lambda match: _expand(rng, _pick(rng, SLOTS[match[1]])), template)


def _unmark(marked: str, technique: str) -> tuple[str, list[tuple[int, int, str]]]:
    """Take the square brackets out; what stood between them is a span."""
    text = ""
    spans = []
    start = 0
    for char in marked:
        if char == "[":
            start = len(text)
        elif char == "]":
            spans.append((start, len(text), technique))
        else:
            text += char
    return text, spans


def _below(rng: random.Random, limit: int) -> int:
    """From `random()` alone: its values are promised to stay the same in later Pythons, those of `choice` are not."""
    return int(rng.random() * limit)


def _pick(rng: random.Random, options: tuple[str, ...]) -> str:
    return options[_below(rng, len(options))]
