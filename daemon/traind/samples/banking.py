"""Generated questions of a bank's customers, one or two sentences each: a corpus for a small language model.

Every question is a pure function of (seed, index) and depends on no library's random numbers, so that it is the same
on every machine. None stands twice. Its parts hang together: what was bought suits the shop, and the second sentence
the first.
"""

import random
import re
from typing import TypeVar

T = TypeVar("T")

NUM_TRAIN = 2400
NUM_EVAL = 240
SEED = 20200310

_SLOT = re.compile(r"\{(a )?(\w+)\}")
_SHARE_OPENED = 0.22
_SHARE_FOLLOWED = 0.45

TOPICS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "card arrival": (
        (
            "I ordered {a card} {ago} and it has not arrived.",
            "My {card} was posted {ago}, where is it?",
            "How long does it take for {a card} to reach {country}?",
            "Can I track the {card} that you sent {ago}?",
        ),
        ("Should I order another one?", "Did you send it to my old address?", "Can you send it by express instead?"),
    ),
    "lost card": (
        (
            "I lost my {card} in {town} {ago}.",
            "My {card} was stolen {ago}.",
            "I cannot find my {card} since I came back from {country}.",
            "I left my {card} in {a shop} in {town}.",
        ),
        ("Please block it.", "How do I freeze it?", "Can somebody else use it?", "Can you send me a new one?"),
    ),
    "cash": (
        (
            "The machine in {town} kept my {card}.",
            "I asked the machine for {amount} and got only {less}.",
            "Why was I charged {fee} for taking out cash in {country}?",
            "How much cash can I take out in {country} with my {card}?",
        ),
        ("Is there a fee for that?", "Who gives me back the rest?", "Which machines can I use for nothing?"),
    ),
    "transfer": (
        (
            "I sent {amount} to {person} {ago} and {they_have} not got it.",
            "My transfer of {amount} to {country} is still pending.",
            "How long does a transfer to {country} take?",
            "I sent {amount} to the wrong account {ago}.",
            "Can I cancel the transfer that I made {ago}?",
        ),
        ("Can you call it back?", "When will the money be there?", "The balance has gone down already."),
    ),
    "top-up": (
        (
            "I topped up {amount} {ago} but my balance is the same.",
            "Can I top up with {means}?",
            "My top-up of {amount} by {means} was declined.",
            "Is there a limit for a top-up by {means}?",
        ),
        ("Is there a fee for it?", "What can I do now?", "It worked before."),
    ),
    "exchange": (
        (
            "What is your exchange rate from {pair}?",
            "The rate was wrong when I paid in {currency} {ago}.",
            "Can I hold {currency} in my account?",
            "I want to change {amount} into {currency}.",
        ),
        ("How often do the rates change?", "Is it cheaper at the weekend?", "Do you charge for the exchange?"),
    ),
    "payment": (
        (
            "I was charged twice for {goods} in {town}.",
            "There is a payment of {amount} to {a shop} that I did not make.",
            "The {shop} gave me my money back {ago} but I cannot see it.",
            "My payment for {goods} was declined {ago}.",
            "Why was I charged {fee} when I paid for {goods} in {country}?",
        ),
        ("I have kept the receipt.", "Please give me my {amount} back.", "I want to dispute it.", "Is my {card} safe?"),
    ),
    "account": (
        (
            "How do I change my {detail}?",
            "I have a new {detail} since {day}.",
            "The app does not accept my {document}.",
            "Why do you need my {document}?",
            "I would like to close my account on {day}.",
        ),
        ("Which documents do you accept?", "How long does that take?", "I have tried it twice."),
    ),
}
"""By topic: first sentences, and sentences that may follow one."""

OPENINGS: tuple[str, ...] = ("Hello.", "Hi there.", "Good morning.", "Please help.", "Hi, I have a question.")

SLOTS: dict[str, tuple[str, ...]] = {
    "card": ("card", "credit card", "debit card", "virtual card", "second card"),
    "ago": (
        *("yesterday", "this morning", "last {weekday}", "two days ago", "three days ago", "a week ago"),
        *("two weeks ago", "an hour ago"),
    ),
    "day": ("{weekday}", "the first of {month}", "the last day of {month}"),
    "weekday": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "month": ("January", "March", "April", "June", "July", "September", "October", "December"),
    "country": ("France", "Spain", "Poland", "Ireland", "Japan", "Canada", "Turkey", "Brazil", "Norway", "Kenya"),
    "town": ("Paris", "Madrid", "Warsaw", "Dublin", "Osaka", "Toronto", "Ankara", "Recife", "Oslo", "Nairobi"),
    "amount": ("{number} {currency}",),
    "number": ("20", "40", "50", "75", "100", "120", "200", "250", "300", "500", "750", "1000"),
    "less": ("10 {currency}", "half of it", "a receipt"),
    "fee": ("2 {currency}", "3 {currency}", "5 {currency}", "a fee"),
    "currency": ("euros", "pounds", "dollars", "zloty", "yen", "kroner", "reais"),
    "pair": ("euros to pounds", "pounds to dollars", "dollars to euros", "zloty to euros", "yen to pounds"),
    "means": ("bank transfer", "cheque", "cash", "phone", "another card", "a gift card"),
    "detail": ("address", "phone number", "name", "PIN", "password", "e-mail address"),
    "document": ("passport", "driving licence", "identity card", "residence permit", "photo"),
}
"""What a slot may hold; a value may have slots of its own."""

GOODS: dict[str, tuple[str, ...]] = {
    "supermarket": ("milk and bread", "a bottle of wine", "some vegetables"),
    "hotel": ("a room", "two nights", "a breakfast"),
    "bookshop": ("a novel", "two maps", "a dictionary"),
    "garage": ("petrol", "a new tyre", "a repair"),
    "station": ("a train ticket", "a bus ticket", "a month of travel"),
    "restaurant": ("a dinner", "two pizzas", "a cup of coffee"),
}
"""What each shop sells."""

PEOPLE: tuple[tuple[str, str], ...] = (
    *(("my mother", "she has"), ("my sister", "she has"), ("my landlady", "she has"), ("my aunt", "she has")),
    *(("my father", "he has"), ("my brother", "he has"), ("my landlord", "he has"), ("my uncle", "he has")),
    *(("my friends", "they have"), ("my parents", "they have")),
)


def train_questions() -> list[str]:
    return _distinct()[:NUM_TRAIN]


def eval_questions() -> list[str]:
    """Questions of the same kind, none of them a training question."""
    return _distinct()[NUM_TRAIN:]


def _distinct() -> list[str]:
    """Short questions come up more than once; the first time counts."""
    questions: dict[str, None] = {}
    index = 0
    while len(questions) < NUM_TRAIN + NUM_EVAL:
        questions.setdefault(question(SEED, index))
        index += 1
    return list(questions)


def question(seed: int, index: int) -> str:
    """One customer's words. A slot that stands twice in them has the same value in both places."""
    rng = random.Random(f"banking:{seed}:{index}")
    firsts, seconds = TOPICS[_pick(rng, tuple(TOPICS))]
    sentences = [_pick(rng, OPENINGS)] if rng.random() < _SHARE_OPENED else []
    sentences.append(_pick(rng, firsts))
    if rng.random() < _SHARE_FOLLOWED:
        sentences.append(_pick(rng, seconds))
    return _fill(rng, " ".join(sentences))


def _fill(rng: random.Random, template: str) -> str:
    known = _consistent(rng)

    def value(match: re.Match[str]) -> str:
        article, name = match[1], match[2]
        if name not in known:
            known[name] = _SLOT.sub(value, _pick(rng, SLOTS[name]))
        return ("an " if known[name][0] in "aeiou" else "a ") + known[name] if article else known[name]

    return _SLOT.sub(value, template)


def _consistent(rng: random.Random) -> dict[str, str]:
    """The values that must suit each other."""
    person, they_have = _pick(rng, PEOPLE)
    shop = _pick(rng, tuple(GOODS))
    place = _below(rng, len(SLOTS["town"]))
    return {
        "person": person,
        "they_have": they_have,
        "shop": shop,
        "goods": _pick(rng, GOODS[shop]),
        "town": SLOTS["town"][place],
        "country": SLOTS["country"][place],
    }


def _below(rng: random.Random, limit: int) -> int:
    """From `random()` alone: its values are promised to stay the same in later Pythons, those of `choice` are not."""
    return int(rng.random() * limit)


def _pick(rng: random.Random, options: tuple[T, ...]) -> T:
    return options[_below(rng, len(options))]
