"""What of a screen goes out: which series are seen, how much of them, and what the crosshair is on. Pure."""

import math
from collections.abc import Collection, Iterable

from trainwatch import format as fmt
from trainwatch.dashboard import View
from trainwatch.export.sheet import Sheet, sheet_of_run
from trainwatch.lens import Lens, XAxis
from trainwatch.metric import Lines
from trainwatch.panes.charts import CHARTS, series_of
from trainwatch.panes.title import value_near
from trainwatch.remote.run import place_of
from trainwatch.store import Store


def run_sheet(store: Store, view: View, places: Collection[str]) -> Sheet | None:
    """The series of the charts on a run's page, and the evaluations that are on screen, by step."""
    lines, charts = view.lines_of(store), [chart for chart in CHARTS if chart in places]
    names = [series_of(chart, store) for chart in charts]
    if "evals" in places or "loss" in charts:
        names += [name for name in lines.names if name.startswith("eval/")]
    scales = view.scales.get("loss")
    whole = scales.whole if scales is not None and view.lens.seen is not None else None
    sheet = sheet_of_run(lines, names, XAxis.STEP, view.lens.over(whole) if whole is not None else None)
    return sheet if sheet.parts else None


def run_reading(store: Store, view: View, places: Collection[str]) -> str:
    """What the crosshair reads on a run's page, else the run's path."""
    names = [series_of(chart, store) for chart in CHARTS if chart in places]
    return reading_of(view.lines_of(store), names, view.lens) or place_of(store.run)


def reading_of(lines: Lines, names: Iterable[str], lens: Lens) -> str:
    """`step 500: loss 0.2355, grad_norm 14.93`, of each the record nearest to the crosshair; empty without one."""
    if lens.cursor is None:
        return ""
    read: dict[str, list[str]] = {}
    for name in names:
        line = lines.line(name, lens.axis)
        if line is not None:
            place, value = value_near(line.x, line.column.values, lens.cursor)
            if not math.isnan(place):
                read.setdefault(_place(place, lens.axis), []).append(f"{name} {value:.6g}")
    return "; ".join(f"{place}: {', '.join(values)}" for place, values in read.items())


def _place(place: float, axis: XAxis) -> str:
    return f"{axis} {fmt.elapsed(place) if axis is XAxis.TIME else f'{place:.10g}'}"
