"""Which charts there are and what each takes from the store. Pure."""

from dataclasses import replace

import numpy as np

from rundir.records import AlertEvent, CheckpointEvent, NoteEvent, OutcomeEvent
from rundir.series import MAX_STEP
from rundir.size import size
from trainwatch import format as fmt
from trainwatch.lens import XAxis
from trainwatch.metric import GIB, Lines
from trainwatch.panes.chart import Chart, Mark
from trainwatch.panes.words import SEVERITY_STYLES
from trainwatch.store import ALLOCATED, Store

CHARTS = ("loss", "grad_norm", "lr", "memory")


def chart_of(name: str, store: Store, lines: Lines | None = None) -> Chart:
    """One of `CHARTS`, or any column of the steps, as it stands now.

    Memory has an axis of time; with `lines` it has that of the steps, as what is seen of the others is seen of it.
    """
    if name == "memory":
        return _memory(store) if lines is None else _memory_by_step(store, lines)
    points_x, points_y = store.scores.points() if name == "loss" else (np.empty(0), np.empty(0))
    total = store.total_steps
    return Chart(
        title={"grad_norm": "grad norm"}.get(name, name),
        x=store.steps.x,
        column=store.steps.column(name),
        value=store.steps.last(name),
        x_total=fmt.as_float(total) if total is not None else None,
        ended=store.ends_with_data,
        smoothed=name == "loss",
        from_zero=name == "lr",
        points_x=points_x,
        points_y=points_y,
        seams=[float(seam.step) for seam in store.seams if 0 <= seam.step < MAX_STEP],
        marks=event_marks(store) if name == "loss" else (),
        empty="no values yet" if store.caught_up else "reading …",
    )


def series_of(chart: str, store: Store) -> str:
    """The name among all metrics of what one of `CHARTS` shows."""
    if chart != "memory":
        return chart
    name = store.memory()[1]
    return name if name == ALLOCATED else f"system/{name}"


def _memory_by_step(store: Store, lines: Lines) -> Chart:
    by_time = _memory(store)
    line = lines.line(f"system/{store.memory()[1]}", XAxis.STEP)
    if line is None:
        return by_time
    total = store.total_steps
    return replace(
        by_time, x=line.x, column=line.column, x_start=0.0, x_format=fmt.short_count, x_reach=float(store.last_step),
        x_total=fmt.as_float(total) if total is not None else None,
    )  # fmt: skip


def event_marks(store: Store) -> list[Mark]:
    """What happened to the run and still holds, at the steps at which it did."""
    marks: list[Mark] = []
    for view in store.events:
        event, step = view.event, view.event.step
        if step is None or view.superseded or not 0 <= step < MAX_STEP:
            continue
        match event:
            case CheckpointEvent():
                marks.append(Mark(step, "◆", "dim"))
            case AlertEvent() if event.change != "cleared":
                onset = event.onset_step if event.onset_step is not None else step
                marks.append(Mark(fmt.as_float(onset), "▲", SEVERITY_STYLES[event.severity]))
            case NoteEvent():
                marks.append(Mark(step, "✎", "value"))
            case OutcomeEvent() if event.result == "applied":
                marks.append(Mark(step, "▸", "smooth"))
            case _:
                pass
    return marks


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
        x_format=fmt.elapsed,
        x_start=float(x[0]) if len(x) else 0.0,
        ended=store.ends_with_data,
        from_zero=True,
    )
