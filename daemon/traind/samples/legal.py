"""A generated corpus of contract clauses, each with a score of 0 to 5: how much it puts at risk whoever signs it.

The score is what a clause demands (0 to 3) plus how far it reaches (0 to 2) less what it grants in return (0 to 2), and
nothing where the other side is the one that is bound. So no word alone tells it. One score in sixteen is off by one, as
between two readers. Every clause is a pure function of (seed, index) and of no library's random numbers.
"""

import random
import re
from typing import TypeVar

_T = TypeVar("_T")

NUM_TRAIN = 2000
NUM_EVAL = 400
SEED = 20211012

COUNTS = (2002, 607, 465, 623, 1102, 401)
"""How often each score is drawn, in proportion."""
SHARE_OFF_BY_ONE = 1 / 16
_SHARE_BINDS_OTHER = 0.4
"""Of the clauses of score 0: all the demands there are, made of the other side."""
_SHARE_PLAIN = 0.4
"""Of them: clauses that bind nobody. In the rest what is granted outweighs what is demanded."""
_SHARE_ASIDE = 0.5

SIGNERS = ("the Customer", "the Licensee", "the Tenant", "the Contractor", "the Subscriber", "the Supplier")
OTHERS = ("the Company", "the Licensor", "the Landlord", "the Client", "the Provider", "the Purchaser")

DEMANDS: tuple[tuple[str, ...], ...] = (
    (
        "shall inform {you} of a change of address",
        "shall name a person who answers questions about {matter}",
        "shall keep a copy of {paper}",
        "may be asked to confirm {paper} in writing",
    ),
    (
        "shall reimburse {you} for the reasonable cost of {matter}",
        "shall permit an inspection of {paper}",
        "shall treat {paper} as confidential",
        "shall deliver {paper} within {days} days",
    ),
    (
        "shall indemnify {you} against claims that arise from {matter}",
        "shall not offer {matter} to a competitor of {you}",
        "shall pay a penalty for each delay in {matter}",
        "accepts that {you} may suspend {matter}",
    ),
    (
        "waives every claim against {you} that concerns {matter}",
        "assigns all rights in {paper} to {you}",
        "is liable without fault for any loss from {matter}",
        "accepts that {you} may terminate this agreement at any moment",
    ),
)
REACHES: tuple[tuple[str, ...], ...] = (
    ("", "", "during the term of this agreement", "as far as {matter} is concerned"),
    ("also after the end of this agreement", "in every country", "for its affiliates as well", "at its own expense"),
    (
        "without any limit of time or amount",
        "irrevocably and in all circumstances",
        "even where {you} has acted negligently",
        "at the sole discretion of {you} and without notice",
    ),
)
GRANTS: tuple[tuple[str, ...], ...] = (
    ("", "", "as set out in Schedule {letter}", "as described in section {number}"),
    (
        "after {days} days of written notice",
        "unless {matter} is delayed by an event beyond its control",
        "to the extent permitted by section {number}",
        "up to the fees paid in the last {months} months",
    ),
    (
        "provided that {you} is bound in the same way",
        "and may refuse without giving a reason",
        "and receives full compensation for it",
        "but only with its prior written consent",
    ),
)
PLAIN = (
    "headings such as that of section {number} are for convenience and do not affect the meaning of Schedule {letter}",
    "section {number} may be signed in counterparts, each of which is an original, as may {paper}",
    "neither party is liable for a loss from {matter} that an event beyond its control prevents for {days} days",
    "notices under section {number} shall be in writing and name {matter}",
    "each party bears its own cost of {matter} for the first {months} months",
    "Schedule {letter} lists {matter} and {paper}",
    "if a provision about {matter} is invalid, those about {paper} remain in force",
    "both parties shall treat {paper} as confidential for {months} months",
)
ASIDES = (
    "Section {number} remains unaffected.",
    "Terms defined in Schedule {letter} have the same meaning here.",
    "This applies to {matter}.",
    "The parties have discussed {matter}.",
    "A copy of {paper} is attached.",
)
SLOTS: dict[str, tuple[str, ...]] = {
    "matter": (
        *("the services", "the software", "the premises", "the delivery", "the maintenance work", "the data transfer"),
        *("the support", "the goods", "the hosting", "the equipment", "the training", "the installation"),
    ),
    "paper": (
        *("the source code", "the accounts", "the insurance policy", "the drawings", "the customer list"),
        *("the work product", "the price list", "the audit report", "the permits", "the design files"),
    ),
    "days": ("five", "ten", "fourteen", "thirty", "sixty"),
    "months": ("three", "six", "twelve", "twenty-four"),
    "number": ("2.1", "3.4", "4", "5.2", "7", "8.3", "9.1", "11", "12.5"),
    "letter": ("A", "B", "C", "D"),
}
_SLOT = re.compile(r"\{(\w+)\}")
_HIGHEST = len(COUNTS) - 1


def train_texts() -> list[tuple[str, int]]:
    """The clauses to learn from, each with its score; no two are the same."""
    return _distinct(NUM_TRAIN)


def eval_texts() -> list[tuple[str, int]]:
    """Clauses of the same kind, none of them among those to learn from."""
    return _distinct(NUM_TRAIN + NUM_EVAL)[NUM_TRAIN:]


def _distinct(count: int) -> list[tuple[str, int]]:
    found: dict[str, int] = {}
    index = 0
    while len(found) < count:
        text, score = clause(SEED, index)
        found.setdefault(text, score)
        index += 1
    return list(found.items())


def clause(seed: int, index: int) -> tuple[str, int]:
    """One clause, and the score that a reader gave it."""
    rng = random.Random(f"legal:{seed}:{index}")
    score = _drawn_score(rng)
    text = _sentence(rng, score)
    if rng.random() < _SHARE_ASIDE:
        aside = _fill(rng, _pick(rng, ASIDES), "")
        text = f"{aside} {text}" if rng.random() < 0.5 else f"{text} {aside}"
    if rng.random() < SHARE_OFF_BY_ONE:
        up = score == 0 or (score < _HIGHEST and rng.random() < 0.5)
        score += 1 if up else -1
    return text, score


def true_score(demand: int, reach: int, grant: int) -> int:
    """What a clause of these parts is worth where it binds the signer."""
    return min(max(demand + reach - grant, 0), _HIGHEST)


def _drawn_score(rng: random.Random) -> int:
    draw = rng.random() * sum(COUNTS)
    for score, count in enumerate(COUNTS):
        draw -= count
        if draw < 0:
            return score
    return _HIGHEST


def _sentence(rng: random.Random, score: int) -> str:
    kind = rng.random() if score == 0 else 1.0
    if kind < _SHARE_PLAIN:
        return _capital(_fill(rng, _pick(rng, PLAIN), "")) + "."
    bound, you = _pick(rng, SIGNERS), _pick(rng, OTHERS)
    parts = _PARTS[score]
    if kind < _SHARE_PLAIN + _SHARE_BINDS_OTHER:
        bound, you = you, bound
        parts = _PARTS[1 + _below(rng, _HIGHEST)]
    demand, reach, grant = _pick(rng, parts)
    written = [bound, *(_pick(rng, options) for options in (DEMANDS[demand], REACHES[reach], GRANTS[grant]))]
    return _capital(_fill(rng, " ".join(part for part in written if part), you)) + "."


_PARTS = tuple(
    tuple(
        (demand, reach, grant)
        for demand in range(len(DEMANDS))
        for reach in range(len(REACHES))
        for grant in range(len(GRANTS))
        if true_score(demand, reach, grant) == score
    )
    for score in range(_HIGHEST + 1)
)
"""For each score the parts that add up to it."""


def _fill(rng: random.Random, template: str, you: str) -> str:
    return _SLOT.sub(lambda match: you if match[1] == "you" else _pick(rng, SLOTS[match[1]]), template)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _below(rng: random.Random, limit: int) -> int:
    """From `random()` alone: its values are promised to stay the same in later Pythons, those of `choice` are not."""
    return int(rng.random() * limit)


def _pick(rng: random.Random, options: tuple[_T, ...]) -> _T:
    return options[_below(rng, len(options))]
