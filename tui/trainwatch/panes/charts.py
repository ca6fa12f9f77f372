"""Which charts there are and what each takes from the store. Pure."""

from dataclasses import replace

import numpy as np

from rundir.series import MAX_STEP
from rundir.size import size
from trainwatch import format as fmt
from trainwatch.metric import GIB, elapsed
from trainwatch.panes.chart import Chart
from trainwatch.store import ALLOCATED, Store

CHARTS = ("loss", "grad_norm", "lr", "memory")


def chart_of(name: str, store: Store) -> Chart:
    """One of `CHARTS`, or any column of the steps, as it stands now."""
    if name == "memory":
        return _memory(store)
    points_x, points_y = store.scores.points() if name == "loss" else (np.empty(0), np.empty(0))
    total = store.total_steps
    return Chart(
        title={"grad_norm": "grad norm"}.get(name, name),
        x=store.steps.x,
        column=store.steps.column(name),
        value=store.steps.last(name),
        x_total=fmt.as_float(total) if total is not None else None,
        ended=store.has_ended,
        smoothed=name == "loss",
        from_zero=name == "lr",
        points_x=points_x,
        points_y=points_y,
        seams=[float(seam.step) for seam in store.seams if 0 <= seam.step < MAX_STEP],
        empty="no values yet" if store.caught_up else "reading …",
    )


def _memory(store: Store) -> Chart:
    title, name = store.memory()
    if name == ALLOCATED:
        by_step = replace(chart_of(ALLOCATED, store), title=title, from_zero=True)
        return replace(by_step, value_format=size, unit=GIB, unit_name="G")
    x = store.system.x
    return Chart(
        title=title,
        x=x,
        column=store.system.column(name),
        value=store.system.last(name),
        value_format=size,
        unit=GIB,
        unit_name="G",
        x_format=elapsed,
        x_start=float(x[0]) if len(x) else 0.0,
        ended=store.has_ended,
        from_zero=True,
    )
