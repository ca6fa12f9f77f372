"""Orders where several processes train one model: the first hears them, all act on them at the same step."""

import select
from collections.abc import Iterator
from typing import Any

from rundir.control import Order, Verb
from rundir.writer import RunWriter

HOLD_S = 0.5
"""Between two words from the first process in a pause: the others wait inside a collective, which has a time limit."""


def agreed_orders(run: RunWriter | None, step: int, num_processes: int) -> Iterator[Order]:
    """The run's orders after `step` steps, on every process; only the first has the `run`. A pause holds them all.

    With several processes this is a collective call: all must make it at the same steps.
    """
    if num_processes == 1:
        if run is not None:
            yield from run.orders(step)
        return
    from torch import distributed

    if not distributed.is_initialized():
        raise RuntimeError(f"{num_processes} processes and no process group: no order would reach them all")
    is_held = True
    while is_held:
        told: list[Any] = [None]
        if run is not None:
            heard = [(str(order.verb), order.id, order.args) for order in run.orders(step, hold=False)]
            told = [(heard, run.is_paused)]
        distributed.broadcast_object_list(told, src=0)
        heard, is_held = told[0]
        yield from (Order(verb=Verb(verb), id=order_id, args=args) for verb, order_id, args in heard)
        if is_held and run is not None:
            select.select([], [], [], HOLD_S)
