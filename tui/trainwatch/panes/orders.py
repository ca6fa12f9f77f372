"""Orders and what became of them, newest first. An effect is claimed only when its outcome was read. Pure."""

from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.paint import Row, box
from trainwatch.panes.words import ANSWER_STYLES, state_words
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
    if answer is not Answer.PENDING and (reason := reason_of(order, store)):
        row.append(((" " if outcome is not None else ", ") + reason, "dim"))
    return row


def reason_of(order: OrderView, store: Store) -> str:
    """The reason in its outcome, which may be empty; of an order without outcome how the run is."""
    if order.outcome is not None:
        return plain(order.outcome.reason)
    return f"run is {state_words(store.status.state if store.status else None, store.verdict)[0]}"


def describe(order: OrderView) -> str:
    """`set lr=1e-5`, `pause`: an order in the words of the command line."""
    parts = [order.verb or "(no order)"]
    for key, value in order.args.items():
        parts.append(f"{key}={value:g}".replace("e-0", "e-") if isinstance(value, float) else f"{key}={value}")
    return fmt.clip(plain(" ".join(parts)), 40)
