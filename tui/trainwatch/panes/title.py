"""The title of a chart: the newest of what is seen, or what the crosshair reads. Pure."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rundir.column import Column, Floats
from trainwatch import format as fmt
from trainwatch.lens import Extent, Lens
from trainwatch.paint import Row

if TYPE_CHECKING:
    from trainwatch.panes.chart import Chart


def title_of(chart: "Chart", lens: Lens, level: float) -> Row:
    """`level`: the last of the smoothed curve, nan where there is none."""
    title: Row = [(chart.title, "title")]
    if lens.cursor is not None and chart.column is not None:
        return [*title, *_read_at(chart.x, chart.column, lens.cursor, chart)]
    if not math.isnan(chart.value) or len(chart.x):
        style = "value" if math.isfinite(chart.value) else "alert"
        missing = math.isnan(chart.value) and (chart.column is None or not len(chart.column.marks))
        shown = fmt.MISSING if missing else chart.value_format(chart.value)
        title += [(" " + shown, style if not missing else "dim")]
    if not math.isnan(level):
        title += [("  smoothed ", "dim"), (chart.value_format(level), "smooth")]
    if len(chart.points_y) and chart.points_name:
        title += [(f"  ● {chart.points_name} ", "dim"), (chart.value_format(float(chart.points_y[-1])), "point")]
    return title


def as_seen(chart: "Chart", lens: Lens) -> "Chart":
    """For the title: where the newest is not in sight, the last that is; else it would stand beside older figures."""
    seen = lens.seen
    if seen is None or lens.follows:
        return chart
    if len(chart.points_x) and not seen.start <= chart.points_x[-1] <= seen.stop:
        first, last = _between(chart.points_x, seen)
        chart = replace(chart, points_x=chart.points_x[first:last], points_y=chart.points_y[first:last])
    if chart.column is None or not len(chart.x) or seen.start <= chart.x[-1] <= seen.stop:
        return chart
    first, last = _between(chart.x, seen)
    recent = chart.column.values[max(first, last - 512) : last]
    there = recent[~np.isnan(recent)]
    return replace(chart, value=float(there[-1]) if len(there) else math.nan)


def _between(x: Floats, seen: Extent) -> tuple[int, int]:
    return int(np.searchsorted(x, seen.start)), int(np.searchsorted(x, seen.stop, side="right"))


def value_near(x: Floats, values: Floats, at: float) -> tuple[float, float]:
    """Place and value of the record nearest to a place on the axis; nan where there is none."""
    if not len(x):
        return math.nan, math.nan
    after = int(np.searchsorted(x, at))
    near = min((i for i in (after - 1, after) if 0 <= i < len(x)), key=lambda i: abs(float(x[i]) - at))
    return float(x[near]), float(values[near])


def _read_at(x: Floats, column: Column, at: float, chart: "Chart") -> Row:
    """What a curve is at the crosshair."""
    place, value = value_near(x, column.values, at)
    if math.isnan(place):
        return [(" " + fmt.MISSING, "dim")]
    where = fmt.count(place) if chart.x_format is fmt.short_count else chart.x_format(place - chart.x_start)
    return [(" " + chart.value_format(value), "value"), (f" @ {where}", "dim")]
