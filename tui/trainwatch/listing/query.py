"""The filter: what is typed after `/` as a question to a run. Pure.

Words apart by blanks all have to hold; `-` before one turns it round. A word is `state:running`, `cfg.lr>=1e-4`, or
stands alone and is looked for in whatever names the run.
"""

import operator
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from trainwatch.listing.entry import Entry

_ALSO_CALLED = {"token-classification": "ner", "text-classification": "sentiment", "causal-lm": "language-model"}
"""What people call a task by its usual use."""


def _task_words(entry: Entry) -> list[str]:
    return [entry.task, entry.short_task, _ALSO_CALLED.get(entry.task, "")]


TEXT_FIELDS: dict[str, Callable[[Entry], list[str]]] = {
    "state": lambda e: [str(e.state or e.source or "no-status"), str(e.verdict)],
    "task": _task_words,
    "name": lambda e: [e.name],
    "id": lambda e: [e.id],
    "host": lambda e: [e.host],
    "user": lambda e: [e.info.user if e.info is not None else ""],
    "tag": lambda e: e.tags,
    "note": lambda e: [e.remarks.note],
    "alert": lambda e: [alert.rule for alert in e.alerts],
    "is": lambda e: ["archived" if e.remarks.archived else "listed", "live" if e.is_moving else "still"],
}
"""Before a colon. A run answers by any of its texts that holds the word, by `tag` and `is` only as a whole."""
_WHOLE = ("tag", "is")
_KINDS = ("archived", "listed", "live", "still")
"""Behind `is:`."""

NUMBER_FIELDS: dict[str, Callable[[Entry, float], float | None]] = {
    "step": lambda e, _: e.step,
    "total": lambda e, _: e.total_steps,
    "progress": lambda e, _: None if e.share is None else 100 * e.share,
    "loss": lambda e, _: e.figures.loss,
    "eta": lambda e, _: e.eta_s,
    "age": lambda e, now: e.age_s(now),
    "alerts": lambda e, _: len(e.serious),
    "attempt": lambda e, _: e.status.attempt if e.status is not None else None,
}
"""Before a comparison; times in seconds, or as 90s, 5m, 2h, 3d; progress in percent."""

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge, "<=": operator.le, "!=": operator.ne, ">": operator.gt, "<": operator.lt, "=": operator.eq,
}  # fmt: skip
_COMPARED = re.compile(r"([\w.@/-]+?)(>=|<=|!=|>|<|=)(.*)")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class QueryError(Exception):
    """The filter cannot be understood; the text says which word, and what would do."""


@dataclass(frozen=True, slots=True)
class _Term:
    holds: Callable[[Entry, float], bool]
    negated: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A filter that was understood."""

    text: str = ""
    terms: tuple[_Term, ...] = ()
    asks_archived: bool = False
    """Whether it speaks of runs that were put away: else they are left out."""

    def matches(self, entry: Entry, now: float) -> bool:
        if entry.remarks.archived and not self.asks_archived:
            return False
        return self.holds(entry, now)

    def holds(self, entry: Entry, now: float) -> bool:
        """Whether a run passes, put away or not."""
        return all(term.holds(entry, now) is not term.negated for term in self.terms)


def parse(text: str, names: Callable[[], Iterable[str]] = tuple) -> Query:
    """Raises QueryError where a word cannot be understood.

    `names`: what runs have, as `cfg.train.lr` and `best.f1`; asked for only where a word may have meant one of them.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        raise QueryError("a quotation mark is not closed") from None
    terms = [_term(word, names) for word in words if word != "-"]
    asks_archived = any(word.removeprefix("-") == "is:archived" for word in words)
    return Query(text.strip(), tuple(terms), asks_archived)


def _term(word: str, names: Callable[[], Iterable[str]]) -> _Term:
    negated, word = word.startswith("-"), word.removeprefix("-")
    if compared := _COMPARED.fullmatch(word):
        name, sign, value = compared.groups()
        if name not in TEXT_FIELDS:
            return _Term(_comparison(name, sign, value, names), negated)
        if sign not in ("=", "!="):
            raise QueryError(f"{name} is a text: write {name}:{value or 'TEXT'}")
        negated, word = negated is not (sign == "!="), f"{name}:{value}"
    name, colon, value = word.partition(":")
    if not colon:
        return _Term(_bare(word.casefold()), negated)
    if name.startswith(("cfg.", "best.", "last.")):
        return _Term(_comparison(name, "=", value, names), negated)
    if name in NUMBER_FIELDS:
        raise QueryError(f"{name} is a number: write {name}={value or 'N'}, or <, >, <=, >=")
    if name not in TEXT_FIELDS:
        raise QueryError(f"{name}: is not known; there are {', '.join(TEXT_FIELDS)}, cfg.KEY, best.METRIC")
    if name == "is" and not any(kind.startswith(value.casefold()) for kind in _KINDS):
        raise QueryError(f"is:{value} is not known; there are is:{', is:'.join(_KINDS)}")
    # What is still being typed asks for nothing.
    is_begun = not value or (name == "is" and value.casefold() not in _KINDS)
    return (
        _Term(lambda _entry, _now: True, negated=False) if is_begun else _Term(_text(name, value.casefold()), negated)
    )


def _bare(word: str) -> Callable[[Entry, float], bool]:
    def holds(entry: Entry, _now: float) -> bool:
        texts = (
            entry.id,
            entry.name,
            entry.task,
            entry.short_task,
            entry.host,
            str(entry.state or ""),
            entry.remarks.note,
            *entry.tags,
        )
        return any(word in text.casefold() for text in texts)

    return holds


def _text(name: str, value: str) -> Callable[[Entry, float], bool]:
    texts_of = TEXT_FIELDS[name]
    if name in _WHOLE:
        return lambda entry, _now: any(value == text.casefold() for text in texts_of(entry))
    return lambda entry, _now: any(value in text.casefold() for text in texts_of(entry))


def _comparison(
    name: str, sign: str, wanted: str, names: Callable[[], Iterable[str]]
) -> Callable[[Entry, float], bool]:
    compare = _COMPARISONS[sign]
    if name.startswith("cfg."):
        return _config_comparison(name.removeprefix("cfg."), sign, wanted)
    if not name.startswith(("best.", "last.")) and name not in NUMBER_FIELDS:
        if meant := _meant(name, names()):
            raise QueryError(f"{name}{sign} is not known; did you mean {meant}{sign}{wanted}?")
        known = ", ".join(NUMBER_FIELDS)
        raise QueryError(f"{name}{sign} is not known; there are {known}, cfg.KEY, best.METRIC, last.METRIC")
    limit = _number(name, wanted)
    if name.startswith(("best.", "last.")):
        side, _, metric = name.partition(".")
        return lambda entry, _now: _holds(compare, _score(entry, side, metric), limit)
    value_of = NUMBER_FIELDS[name]
    return lambda entry, now: _holds(compare, value_of(entry, now), limit)


def _meant(name: str, names: Iterable[str]) -> str:
    """Of what runs have that which ends so, the shortest first, or else is spelled alike; empty where nothing is."""
    known = sorted({*names, *NUMBER_FIELDS}, key=lambda each: (len(each), each))
    ending = next((each for each in known if each.endswith("." + name)), "")
    by_end = {each.rpartition(".")[2]: each for each in reversed(known)}
    return ending or next((by_end[end] for end in get_close_matches(name.rpartition(".")[2], by_end, n=1)), "")


def _holds(compare: Callable[[Any, Any], bool], value: float | None, limit: float) -> bool:
    return value is not None and compare(value, limit)


def _score(entry: Entry, side: str, metric: str) -> float | None:
    values = entry.figures.best if side == "best" else entry.figures.latest
    return values.get(metric, values.get(metric.removeprefix("eval_")))


def _number(name: str, wanted: str) -> float:
    unit = _UNITS_S.get(wanted[-1:], 0) if name in ("age", "eta") else 0
    try:
        return float(wanted[:-1]) * unit if unit else float(wanted)
    except ValueError:
        like = "3d, 2h or 90s" if name in ("age", "eta") else "0.8 or 1e-4"
        raise QueryError(f"{name}: {wanted!r} is no number; write it like {like}") from None


def _config_comparison(path: str, sign: str, wanted: str) -> Callable[[Entry, float], bool]:
    compare = _COMPARISONS[sign]
    try:
        limit: float | None = float(wanted)
    except ValueError:
        limit = None
        if sign not in ("=", "!="):
            raise QueryError(f"cfg.{path}{sign}: {wanted!r} is no number; compare texts by = or !=") from None

    def holds(entry: Entry, _now: float) -> bool:
        return any(_agrees(value, wanted, limit, compare) for value in config_values(entry.config or {}, path))

    return holds


def _agrees(value: Any, wanted: str, limit: float | None, compare: Callable[[Any, Any], bool]) -> bool:
    if limit is not None and isinstance(value, int | float) and not isinstance(value, bool):
        return compare(value, limit)
    return compare(_spelled(value).casefold(), wanted.casefold()) if compare in (operator.eq, operator.ne) else False


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def flattened(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of a configuration with its dotted path, in file order; lists are values."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def config_values(config: Mapping[str, Any], path: str) -> list[Any]:
    """The values under a dotted path, or under its end: `lr` finds `train.lr`."""
    return [value for key, value in flattened(config) if key == path or key.endswith("." + path)]
