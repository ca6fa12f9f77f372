"""Orders and what became of them, newest first. An effect is claimed only when its outcome was read. Pure."""

from typing import Any

from rundir.control import Verb
from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.paint import Row, box
from trainwatch.panes.words import ANSWER_STYLES, state_words
from trainwatch.scores import values_of
from trainwatch.store import Answer, OrderView, Store


def paint_orders(
    store: Store, width: int, height: int, now: float, scroll: int = 0, style: str = "border"
) -> list[Row]:
    """Rows of exactly width × height."""
    orders = sorted(store.orders.values(), key=lambda order: order.sent_at, reverse=True)
    pending = sum(order.answer(now) in (Answer.PENDING, Answer.NO_ANSWER) for order in orders)
    title: Row = [("orders", "title")]
    if pending:
        title.append((f" {pending} open", "warn"))
    room = max(1, height - 2)
    start = min(scroll, max(0, len(orders) - room))
    lines = [_line(store, order, now) for order in orders[start : start + room]]
    return box(title, lines or [[(" none given", "dim")]], width, height, style=style)


def _line(store: Store, order: OrderView, now: float) -> Row:
    answer = order.answer(now)
    words = describe(order)
    row: Row = [(" " + fmt.fit(words, max(12, min(24, len(words)))) + " ", ""), (answer, ANSWER_STYLES[answer])]
    outcome = order.outcome
    if outcome is not None and outcome.result == "applied" and outcome.step is not None:
        row.append((f" at step {fmt.count(outcome.step)}", "dim"))
        if order.verb == Verb.EVAL:
            row.append((_score_at(store, outcome.step), "value"))
    if answer is not Answer.PENDING and (reason := reason_of(order, store)):
        row.append(((" " if outcome is not None else ", ") + reason, "dim"))
    return row


def reason_of(order: OrderView, store: Store) -> str:
    """The reason in its outcome, which may be empty; of an order without outcome how the run is."""
    if order.outcome is not None:
        return plain(order.outcome.reason)
    return f"run is {state_words(store.status.state if store.status else None, store.verdict)[0]}"


def _score_at(store: Store, step: int) -> str:
    """What the newest evaluation at a step measured."""
    record = next((record for record in reversed(store.scores.records) if record.step == step), None)
    if record is None:
        return ""
    return "".join(f" {plain(name)} {fmt.number(value)}" for name, value in list(values_of(record).items())[:2])


def describe(order: OrderView) -> str:
    """`set lr=1e-5`, `pause`: an order in the words of the command line."""
    return words_of(order.verb, order.args)


def words_of(verb: str, args: dict[str, Any], most: int = 40) -> str:
    """The same of a verb and its arguments, in `most` cells."""
    parts = [verb or "(no order)", *(f"{key}={_written(value)}" for key, value in args.items())]
    return fmt.clip(plain(" ".join(parts)), most)


def _written(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return fmt.number(value) if 0 < abs(value) < 1e-3 else f"{value:g}"
