"""The ticks of a chart's two axes and what is written beside them. Pure."""

import itertools
import math
from collections.abc import Callable

from trainwatch import format as fmt
from trainwatch.paint import Row
from trainwatch.panes.canvas import joined
from trainwatch.raster import DOTS_Y
from trainwatch.scale import Axis, log_ticks, nice_step, time_step

CELLS_A_LABEL = 11
"""Of the axis of places, between two ticks at least."""


def value_labels(y: Axis, lines: int, unit_name: str, *, is_log: bool) -> list[str]:
    """What stands beside each of so many lines, empty where no tick is; `unit_name` behind all but zero."""
    labels = [""] * lines
    if is_log:
        places = log_ticks(y, max(2, lines // 2))
        least = min((after - before for before, after in itertools.pairwise(places)), default=1.0)
        ticks = [(tick, log_label(tick, least)) for tick in places]
    else:
        ticks = [(tick, fmt.tick(tick, y.step) + (unit_name if tick else "")) for tick in y.ticks]
    for tick, label in ticks:
        line = lines - 1 - round((tick - y.low) / (y.high - y.low) * (lines * DOTS_Y - 1)) // DOTS_Y
        labels[min(max(line, 0), lines - 1)] = label
    return labels


def log_label(exponent: float, distance: float) -> str:
    """10 to a power, as a label, with the figures that tell it from others so far away, in powers of ten."""
    if not -300 < exponent < 300:
        return f"1e{exponent:.0f}"
    value = 10.0**exponent
    figures = max(1, min(12, 1 + math.ceil(-math.log10(max(10.0 ** min(distance, 1.0) - 1.0, 1e-11)))))
    if 1e-3 * (1 - 1e-9) <= value < 1e5 * (1 - 1e-9):
        return f"{float(f'{value:.{figures}g}'):.10g}"
    mantissa, _, power = f"{value:.{figures - 1}e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(power)}"


def margin(label: str, gutter: int) -> str:
    """A label in the cells before the canvas."""
    return fmt.clip(label, gutter - 1).rjust(gutter - 1) + " "


def place_edge(
    first: float, extent: float, columns: int, gutter: int, x_format: Callable[[float], str], least_step: float
) -> Row:
    """The lower edge of the box with the ticks of the places `first` … `first + extent` in it."""
    edge = [("─", "border")] * (columns + gutter)
    parts = max(1, columns // CELLS_A_LABEL)
    nice = time_step(extent, parts) if x_format is fmt.elapsed else nice_step(extent, parts, (1.0, 2.0, 5.0))
    step = max(least_step, nice)
    taken = 0
    for k in range(math.ceil(first / step - 1e-9), math.floor((first + extent) / step + 1e-9) + 1):
        label = f" {_place_label(x_format, k * step, step)} "
        at = gutter + int((k * step - first) / extent * (columns - 1)) - len(label) // 2
        at = max(0, min(at, columns + gutter - len(label)))
        if at >= taken:
            edge[at : at + len(label)] = [(character, "axis") for character in label]
            taken = at + len(label)
    return joined(edge)


def _place_label(x_format: Callable[[float], str], value: float, step: float) -> str:
    """As the chart writes it; in full where neighbours would read the same."""
    text = x_format(value)
    if text not in (x_format(value + step), x_format(value - step)):
        return text
    unit = "s" if x_format is fmt.elapsed else ""
    if step >= 1:
        return fmt.count(value) + unit
    return f"{value:.{min(9, max(0, -math.floor(math.log10(step) + 1e-9)))}f}{unit}"
