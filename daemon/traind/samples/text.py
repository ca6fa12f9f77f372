"""A generated play: plain text with a structure worth learning, for a character model.

Every scene is a pure function of (seed, index) and depends on no library's random numbers, so that it is the same on
every machine. To be learnt: spelling, the layout of a play, who speaks with whom, verbs that agree with their subject,
answers that take up the noun of the question, and songs whose lines rhyme.
"""

import random
import re
from typing import TypeAlias, TypeVar

T = TypeVar("T")
Asked: TypeAlias = tuple[str, tuple[str, ...]] | None
"""The noun of an open question, and its answers."""

NUM_SCENES = 300
SCENES_AN_ACT = 20
SEED = 18560711

_SLOT = re.compile(r"\{(\w+)\}")
_SHARE_SONG = 0.15
_SHARE_QUESTION = 0.4

SPEAKERS: tuple[str, ...] = (
    *("MILLER", "MILLER'S WIFE", "FERRYMAN", "CAPTAIN", "WIDOW ASH", "SCHOOLMASTER", "FIRST SMITH", "SECOND SMITH"),
    *("SHEPHERD", "COOK", "OLD QUEEN", "YOUNG KING", "FOOL", "GARDENER", "MESSENGER", "NIGHT WATCHMAN"),
)

PLACES: tuple[str, ...] = (
    *("A mill by the river.", "The kitchen of the castle.", "A ferry at dusk.", "A forge.", "A road over the hills."),
    *("The market.", "A garden after rain.", "The wall of the town, at night.", "A school room.", "The harbour."),
)

SLOTS: dict[str, tuple[str, ...]] = {
    "one": ("the {thing}", "my {thing}", "our {quality} {thing}", "the {quality} {thing}", "this {thing}"),
    "many": ("the {thing}s", "my {thing}s", "all {quality} {thing}s", "the {quality} {thing}s", "those {thing}s"),
    "thing": (
        *("boat", "lantern", "river", "bell", "garden", "letter", "hammer", "window", "field", "road", "crown"),
        *("candle", "basket", "stone", "tower", "mirror", "ladder", "kettle", "bridge", "orchard"),
    ),
    "quality": ("old", "quiet", "broken", "golden", "narrow", "early", "patient", "distant", "borrowed", "heavy"),
    "does": ("waits", "turns", "sleeps", "remembers", "listens", "stands", "falls", "burns", "answers", "returns"),
    "do": ("wait", "turn", "sleep", "remember", "listen", "stand", "fall", "burn", "answer", "return"),
    "place": ("by the door", "under the hill", "at the gate", "in the snow", "behind the house", "over the water"),
    "time": ("tonight", "in the morning", "before the harvest", "when it rains", "every winter", "at noon"),
    "clause": (
        *("{one} {does} {place}", "{many} {do} {place}", "{one} {does} {time}", "{many} {do} {time}"),
        *("I have seen how {many} {do}", "nobody asked why {one} {does}"),
    ),
    "statement": (
        *("{clause}.", "{clause}, and {clause}.", "{clause}, but {clause}.", "When {one} {does}, {many} {do}."),
        *("I told you: {clause}.", "If {many} {do}, then {one} {does}."),
    ),
    "call": ("Come in.", "Hush!", "Well, well.", "Alas!", "Good evening.", "Not so loud.", "Listen."),
    "deed": ("lights a lamp", "looks out", "sits down", "laughs", "counts coins", "shuts the door", "weeps"),
}
"""What a slot may hold; a value may have slots of its own."""

QUESTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Who has seen the {noun}?",
        ("Not I; the {noun} was gone before me.", "The {noun} is where you left it.", "I sold the {noun} long ago."),
    ),
    (
        "What shall we do with the {noun}?",
        ("Keep the {noun}, and say nothing.", "Give the {noun} to the poor.", "Let the {noun} be."),
    ),
    (
        "Is the {noun} yours?",
        ("It was my father's {noun}.", "Every {noun} in this town is mine.", "No {noun} is anybody's."),
    ),
    (
        "Why do you fear the {noun}?",
        (
            "Because the {noun} {does} {time}.",
            "I do not fear the {noun}; I honour it.",
            "You have not heard the {noun}.",
        ),
    ),
)
"""A question about a noun, and answers that take it up."""

RHYMES: tuple[tuple[str, ...], ...] = (
    ("night", "light", "bright", "white"),
    ("day", "away", "grey", "stay"),
    ("sea", "tree", "free", "me"),
    ("stone", "alone", "grown", "unknown"),
    ("rain", "again", "lane", "grain"),
    ("hill", "still", "mill", "until"),
)

VERSES: tuple[str, ...] = (
    *(
        "  O sing of the {thing} and {end},",
        "  The {thing}s and the {thing}s and {end},",
        "  The {quality} {thing}, {end},",
    ),
    "  And the {thing} {does}, {end},",
)


def play() -> str:
    """All of it: acts of scenes of speeches."""
    parts = []
    for index in range(NUM_SCENES):
        act, number = divmod(index, SCENES_AN_ACT)
        if number == 0:
            parts.append(f"ACT {act + 1}\n\n")
        parts.append(f"SCENE {number + 1}. {scene(SEED, index)}")
    return "".join(parts)


def scene(seed: int, index: int) -> str:
    """One scene: its place, who enters, what two or three people say in turn, and who leaves."""
    rng = random.Random(f"play:{seed}:{index}")
    cast = _cast(rng)
    lines = [_pick(rng, PLACES), f"[Enter {' and '.join(cast)}.]"]
    asked: Asked = None
    for turn in range(4 + _below(rng, 6)):
        speech, asked = _speech(rng, asked)
        lines.append(f"{cast[turn % len(cast)]}:\n{speech}")
    lines.append(f"[{cast[-1]} {_expand(rng, '{deed}')}. Exeunt.]")
    return "\n\n".join(lines) + "\n\n\n"


def _speech(rng: random.Random, asked: Asked) -> tuple[str, Asked]:
    lines: list[str] = []
    if asked is not None:
        noun, answers = asked
        lines.append(_sentence(rng, _pick(rng, answers).replace("{noun}", noun)))
    elif rng.random() < _SHARE_SONG:
        return _song(rng), None
    else:
        lines.append(_pick(rng, SLOTS["call"]))
    lines += [_sentence(rng, "{statement}") for _ in range(_below(rng, 3))]
    if rng.random() < _SHARE_QUESTION:
        question, answers = _pick(rng, QUESTIONS)
        noun = _pick(rng, SLOTS["thing"])
        return "\n".join([*lines, question.replace("{noun}", noun)]), (noun, answers)
    return "\n".join(lines), None


def _song(rng: random.Random) -> str:
    """Four lines; the first two rhyme, and the last two."""
    lines = ["[Sings]"]
    for _ in range(2):
        ends = _pick(rng, RHYMES)
        first = _below(rng, len(ends))
        second = (first + 1 + _below(rng, len(ends) - 1)) % len(ends)
        lines += [_expand(rng, _pick(rng, VERSES).replace("{end}", ends[at])) for at in (first, second)]
    return "\n".join(lines).removesuffix(",") + "."


def _cast(rng: random.Random) -> list[str]:
    wanted = 2 + _below(rng, 2)
    cast: list[str] = []
    while len(cast) < wanted:
        speaker = _pick(rng, SPEAKERS)
        if speaker not in cast:
            cast.append(speaker)
    return cast


def _sentence(rng: random.Random, template: str) -> str:
    text = _expand(rng, template)
    return text[0].upper() + text[1:]


def _expand(rng: random.Random, template: str) -> str:
    return _SLOT.sub(lambda match: _expand(rng, _pick(rng, SLOTS[match[1]])), template)


def _below(rng: random.Random, limit: int) -> int:
    """From `random()` alone: its values are promised to stay the same in later Pythons, those of `choice` are not."""
    return int(rng.random() * limit)


def _pick(rng: random.Random, options: tuple[T, ...]) -> T:
    return options[_below(rng, len(options))]
