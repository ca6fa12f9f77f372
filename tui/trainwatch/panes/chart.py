"""The chart: a braille curve of a column over an axis, with what was odd about it. Pure; owns no data."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from rundir.column import Column, Floats
from trainwatch import format as fmt
from trainwatch.downsample import Binned, Window, bin_column, smooth
from trainwatch.paint import Row, Span, box
from trainwatch.raster import DOTS_X, DOTS_Y, braille, spans
from trainwatch.scale import Axis, growing_end, nice_step, value_axis

_EMPTY = np.empty(0)
SMOOTHING = 0.01
"""Half-life of the smoothed curve, as a share of the visible points."""


@dataclass(frozen=True, slots=True)
class Chart:
    """What a chart shows: views into the store, taken for one painting."""

    title: str
    x: Floats
    column: Column | None
    value: float = math.nan
    """Shown in the title: the newest."""
    value_format: Callable[[float], str] = fmt.number
    unit: float = 1.0
    """What one of the value axis stands for, so that its ticks are nice numbers of it."""
    unit_name: str = ""
    """Written behind the ticks; zero needs none."""
    x_format: Callable[[float], str] = fmt.short_count
    x_start: float = 0.0
    x_total: float | None = None
    ended: bool = False
    smoothed: bool = False
    from_zero: bool = False
    points_x: Floats = field(default_factory=lambda: _EMPTY)
    """Single measurements drawn as marks on the curve (evaluations)."""
    points_y: Floats = field(default_factory=lambda: _EMPTY)
    points_name: str = "eval"
    seams: Sequence[float] = ()
    """Where a later attempt went on."""
    empty: str = "no values yet"


@dataclass(frozen=True, slots=True)
class Scales:
    """The axes a chart was last drawn with; handed back in, they move only when they must."""

    x_end: float = 0.0
    y: Axis | None = None
    size: tuple[int, int] = (0, 0)
    """Of the chart they were made for: another one begins anew."""


def paint_chart(chart: Chart, width: int, height: int, scales: Scales) -> tuple[list[Row], Scales]:
    """Rows of exactly width × height, and the scales for the next time."""
    if scales.size != (width, height):
        scales = Scales(size=(width, height))
    gutter = 8 if width >= 44 else 7
    columns, lines = width - 2 - gutter, height - 2
    if columns < 4 or lines < 2:
        return box(_title(chart, math.nan), [], width, height), scales
    last = float(chart.x[-1]) if len(chart.x) else 0.0
    if len(chart.points_x):
        last = max(last, float(chart.points_x[-1]))
    span = last - chart.x_start
    x_end = growing_end(span, chart.x_total, ended=chart.ended, previous=scales.x_end)
    window = Window(chart.x_start, chart.x_start + x_end, columns * DOTS_X)
    column = chart.column or Column()
    binned = bin_column(chart.x if chart.column else _EMPTY, column, window)
    level = smooth(binned, max(4.0, SMOOTHING * len(chart.x) * x_end / max(span, 1e-9))) if chart.smoothed else _EMPTY
    y = _value_axis(chart, binned, lines, scales.y)
    cells = _Cells(columns, lines)
    _draw_curves(cells, chart, binned, level, y)
    _draw_marks(cells, chart, binned, window, y)
    if not len(chart.points_x) and not np.any(binned.count > 0) and not binned.odd.any():
        cells.write(chart.empty, "dim")
    labels = _tick_labels(y, lines, gutter, chart.unit_name)
    body = [[(label, "axis"), *row] for label, row in zip(labels, cells.rows(), strict=True)]
    newest = float(level[~np.isnan(level)][-1]) if (~np.isnan(level)).any() else math.nan
    note = _oddities(chart, column, columns)
    foot = _x_ticks(chart, window, columns, gutter)
    return box(_title(chart, newest), body, width, height, note=note, foot=foot), Scales(x_end, y, (width, height))


def _title(chart: Chart, level: float) -> Row:
    title: Row = [(chart.title, "title")]
    if not math.isnan(chart.value) or len(chart.x):
        style = "value" if math.isfinite(chart.value) else "alert"
        missing = math.isnan(chart.value) and (chart.column is None or not len(chart.column.marks))
        shown = fmt.MISSING if missing else chart.value_format(chart.value)
        title += [(" " + shown, style if not missing else "dim")]
    if not math.isnan(level):
        title += [("  smoothed ", "dim"), (chart.value_format(level), "smooth")]
    if len(chart.points_y):
        title += [(f"  ● {chart.points_name} ", "dim"), (chart.value_format(float(chart.points_y[-1])), "point")]
    return title


def _oddities(chart: Chart, column: Column, columns: int) -> Row:
    marks = column.marks
    if not len(marks):
        return []
    first = chart.x_format(float(chart.x[marks[0]])) if chart.x_total is None else fmt.count(float(chart.x[marks[0]]))
    if columns < 40:
        return [(f"× {len(marks):,}", "alert")]
    return [(f"× {len(marks):,} not finite, first at {first}", "alert")]


def _value_axis(chart: Chart, binned: Binned, lines: int, previous: Axis | None) -> Axis:
    points = chart.points_y[np.isfinite(chart.points_y)]
    lows, highs = np.append(binned.low, points), np.append(binned.high, points)
    there = lows[~np.isnan(lows)]
    low, high = (float(there.min()), float(np.nanmax(highs))) if len(there) else (math.nan, math.nan)
    low, high = low / chart.unit, high / chart.unit
    return value_axis(low, high, max(1, min(8, lines // 3)), previous, from_zero=chart.from_zero)


class _Cells:
    """The canvas of one painting: a character and a style a cell."""

    def __init__(self, columns: int, lines: int) -> None:
        self.columns, self.lines = columns, lines
        self._characters = [[" "] * columns for _ in range(lines)]
        self._styles = [[""] * columns for _ in range(lines)]

    def draw(self, pictures: Sequence[str], style: str) -> None:
        """Lay a braille picture over; its cells replace those below."""
        for characters, styles, picture in zip(self._characters, self._styles, pictures, strict=True):
            for i, character in enumerate(picture):
                if character != " ":
                    characters[i] = character
                    styles[i] = style

    def put(self, column: int, line: int, character: str, style: str, *, below: bool = False) -> None:
        if 0 <= column < self.columns and 0 <= line < self.lines and not (below and self._styles[line][column]):
            self._characters[line][column] = character
            self._styles[line][column] = style

    def write(self, text: str, style: str) -> None:
        """A remark in the middle."""
        text = fmt.clip(text, self.columns)
        start = (self.columns - len(text)) // 2
        for i, character in enumerate(text):
            self.put(start + i, self.lines // 2, character, style)

    def rows(self) -> list[Row]:
        lines = zip(self._characters, self._styles, strict=True)
        return [_spans(zip(characters, styles, strict=True)) for characters, styles in lines]


def _spans(cells: Iterable[Span]) -> Row:
    """Single cells joined into spans of one style."""
    return [("".join(text for text, _ in run), style) for style, run in groupby(cells, key=lambda cell: cell[1])]


def _to_dots(values: Floats, unit: float, y: Axis, lines: int) -> Floats:
    inside = np.clip(values / unit, y.low, y.high)
    return np.asarray((inside - y.low) / (y.high - y.low) * (lines * DOTS_Y - 1), dtype=np.float64)


def _draw_curves(cells: _Cells, chart: Chart, binned: Binned, level: Floats, y: Axis) -> None:
    height = cells.lines * DOTS_Y
    low, high = (_to_dots(values, chart.unit, y, cells.lines) for values in (binned.low, binned.high))
    cells.draw(braille(spans(low, high, binned.odd, height)), "raw" if chart.smoothed else "curve")
    known = np.flatnonzero(binned.count)
    if len(known) == 1:  # a single dot is too small to be seen
        at = int(known[0])
        cells.put(at // DOTS_X, cells.lines - 1 - round(float(high[at])) // DOTS_Y, "•", "curve")
        return
    if len(level):
        dots = _to_dots(level, chart.unit, y, cells.lines)
        cells.draw(braille(spans(dots, dots, binned.odd & np.isnan(level), height)), "smooth")


def _draw_marks(cells: _Cells, chart: Chart, binned: Binned, window: Window, y: Axis) -> None:
    per_cell = (window.stop - window.start) / cells.columns
    for seam in chart.seams:
        at = int((seam - window.start) / per_cell)
        for line in range(cells.lines):
            cells.put(at, line, "┊", "seam", below=True)
    places: dict[tuple[int, int], tuple[str, str]] = {}
    for x, value in zip(chart.points_x.tolist(), chart.points_y.tolist(), strict=True):
        at = min(int((x - window.start) / per_cell), cells.columns - 1)
        if not math.isfinite(value):
            places[at, 0] = ("×", "alert")
            continue
        dot = _to_dots(np.array([value]), chart.unit, y, cells.lines)
        places[at, cells.lines - 1 - round(float(dot[0])) // DOTS_Y] = ("●", "point")
    for (at, line), (character, style) in places.items():
        cells.put(at, line, character, style)
    for at in np.unique(np.flatnonzero(binned.odd) // DOTS_X).tolist():
        cells.put(at, 0, "×", "alert")


def _tick_labels(y: Axis, lines: int, gutter: int, unit_name: str) -> list[str]:
    labels = [" " * gutter] * lines
    for value in y.ticks:
        line = lines - 1 - round((value - y.low) / (y.high - y.low) * (lines * DOTS_Y - 1)) // DOTS_Y
        text = fmt.tick(value, y.step) + (unit_name if value else "")
        labels[line] = fmt.clip(text, gutter - 1).rjust(gutter - 1) + " "
    return labels


def _x_ticks(chart: Chart, window: Window, columns: int, gutter: int) -> Row:
    """The lower edge of the box with the axis' ticks in it."""
    extent = window.stop - window.start
    edge = [("─", "border")] * (columns + gutter)
    step = max(1.0, nice_step(extent, max(1, columns // 11), (1.0, 2.0, 5.0)))  # half a step there is none
    taken = 0
    for k in range(int(extent / step + 1e-9) + 1):
        label = f" {chart.x_format(k * step)} "
        at = gutter + int(k * step / extent * (columns - 1)) - len(label) // 2
        at = min(at, columns + gutter - len(label))
        if at >= taken:
            edge[at : at + len(label)] = [(character, "axis") for character in label]
            taken = at + len(label)
    return _spans(edge)
