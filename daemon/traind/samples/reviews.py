"""A generated corpus of review sentences, each with the verdict of its writer: 0 negative, 1 positive.

What makes it hard is in the patterns: two sentences in five deny the quality they name, weigh two against each other,
or report what others say; so words alone do not tell, and one rating in thirty is a slip of the pen. Every sentence is
a pure function of (seed, index) and of no library's random numbers, so that it is the same on every machine.
"""

import itertools
import random
import re

NUM_TRAIN = 4000
NUM_EVAL = 400
SEED = 20130601

SHARE_SLIPS = 0.03
"""Of the labels, in both sets: no model can be right about them."""
_SHARE_POSITIVE = 0.52
_SHARE_ASIDE = 0.35
_SHARES = (("says", 0.60), ("denies", 0.22), ("turns", 0.18))
_RESERVED_EVERY = 5
"""Of the pairs of a subject and a quality, every fifth is kept for the eval sentences, and they have no others."""

SUBJECTS: tuple[str, ...] = (
    *("the plot", "the acting", "the ending", "the music", "the camera work", "the dialogue", "the first half"),
    *("the cast", "the script", "the pacing", "the humour", "the love story", "the lead actor", "the villain"),
    *("the staging", "the voice-over", "the cutting", "the last act", "the costume design", "the opening scene"),
)

QUALITIES: tuple[tuple[str, ...], tuple[str, ...]] = (
    (
        *("dull", "awful", "clumsy", "boring", "lifeless", "shallow"),
        *("wooden", "predictable", "tedious", "weak", "muddled", "stale"),
    ),
    (
        *("gripping", "wonderful", "clever", "moving", "brilliant", "fresh"),
        *("charming", "superb", "witty", "strong", "elegant", "touching"),
    ),
)
"""Words by the verdict they speak when nothing stands against them: negative, positive."""

PATTERNS: dict[str, tuple[str, ...]] = {
    "says": (
        "{subject} was {x}",
        "{subject} was {degree} {x}",
        "i found {subject} {x}",
        "{subject} is {x} from start to finish",
        "what stays with me is how {x} {subject} was",
        "{subject} was {x}, and {other} was {x2}",
    ),
    "denies": (
        "{subject} was not {x}",
        "{subject} was anything but {x}",
        "{subject} was never {x}",
        "nobody could call {subject} {x}",
        "{subject} was far from {x}",
    ),
    "turns": (
        "{other} was {y}, but {subject} was {x}",
        "although {other} was {y}, {subject} was {x} and that is what counts",
        "{subject} was so {x} that it did not matter how {y} {other} was",
        "critics call it {y}; to me {subject} was {x}",
        "{subject} was {x}, even if {other} was {degree} {y}",
    ),
}
"""By how the verdict is spoken: that of {x} and {x2}, its opposite, or that of {x} against {y}."""

DEGREES: tuple[str, ...] = ("very", "really", "quite", "truly", "rather", "utterly", "pretty")

ASIDES: tuple[str, ...] = (
    "we saw it on a {day}",
    "it runs for {number} minutes",
    "the cinema was half empty",
    "it is set in a small town by the sea",
    "the terrible twins of the title are played by sisters",
    "a great many extras were hired",
    "the book it is based on is called a {word} summer",
    "two men rob a {word} old bank",
    "the poster shows a {word} dog",
    "i have read the novel twice",
    "it was shown at a festival in {number} countries",
    "my neighbour came along",
)
"""Sentences without a verdict; the words in {word} are no verdict either."""

_WORDS: dict[str, tuple[str, ...]] = {
    "day": ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    "number": ("ten", "forty", "ninety", "a hundred", "seven"),
    "word": (*QUALITIES[0][:6], *QUALITIES[1][:6]),
}
_SLOT = re.compile(r"\{(\w+)\}")


def train_texts() -> list[tuple[str, int]]:
    """Sentences with their label: 0 negative, 1 positive. None stands twice."""
    return _reviews(NUM_TRAIN, held_out=False)


def eval_texts() -> list[tuple[str, int]]:
    """Sentences of the same kind: in none of them does a subject meet a quality that it met in training."""
    return _reviews(NUM_EVAL, held_out=True)


def is_reserved(subject: str, quality: str) -> bool:
    """Whether a pair is kept for the eval sentences."""
    words = QUALITIES[0] if quality in QUALITIES[0] else QUALITIES[1]
    return (SUBJECTS.index(subject) + words.index(quality)) % _RESERVED_EVERY == 0


def _reviews(number: int, *, held_out: bool) -> list[tuple[str, int]]:
    reviews: dict[str, int] = {}
    for index in itertools.count():
        text, label = _review(index, held_out=held_out)
        reviews.setdefault(text, label)
        if len(reviews) == number:
            break
    return list(reviews.items())


def _review(index: int, *, held_out: bool) -> tuple[str, int]:
    rng = random.Random(f"{SEED}:{'eval' if held_out else 'train'}:{index}")
    label = int(rng.random() < _SHARE_POSITIVE)
    text = _verdict(rng, label, held_out=held_out)
    if rng.random() < _SHARE_ASIDE:
        aside = _SLOT.sub(lambda match: _pick(rng, _WORDS[match[1]]), _pick(rng, ASIDES))
        text = f"{text}. {aside}" if rng.random() < 0.5 else f"{aside}. {text}"
    return f"{text}.", label ^ int(rng.random() < SHARE_SLIPS)


def _verdict(rng: random.Random, label: int, *, held_out: bool) -> str:
    kind = _kind(rng)
    pattern = _pick(rng, PATTERNS[kind])
    spoken = label ^ int(kind == "denies")
    words = {"degree": _pick(rng, DEGREES)}
    words["subject"], words["x"] = _pair(rng, spoken, held_out=held_out)
    # The word that may stand beside the other subject: that pair, too, must be one of this set's.
    side = "x2" if "{x2}" in pattern else "y"
    words["other"], words[side] = _pair(rng, spoken if side == "x2" else 1 - spoken, held_out=held_out)
    return pattern.format(**words)


def _kind(rng: random.Random) -> str:
    draw = rng.random()
    for kind, share in _SHARES[:-1]:
        if draw < share:
            return kind
        draw -= share
    return _SHARES[-1][0]


def _pair(rng: random.Random, verdict: int, *, held_out: bool) -> tuple[str, str]:
    while True:
        subject, quality = _pick(rng, SUBJECTS), _pick(rng, QUALITIES[verdict])
        if is_reserved(subject, quality) == held_out:
            return subject, quality


def _pick(rng: random.Random, options: tuple[str, ...]) -> str:
    """From `random()` alone: its values are promised to stay the same in later Pythons, those of `choice` are not."""
    return options[int(rng.random() * len(options))]
