"""The chart: braille curves over an axis, with what was odd about them. Pure; owns no data."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from rundir.column import Column, Floats
from trainwatch import format as fmt
from trainwatch.downsample import Binned, Window, bin_column, smooth, unrecorded
from trainwatch.lens import Extent, Lens
from trainwatch.paint import Row, box
from trainwatch.panes.canvas import Cells
from trainwatch.panes.span import Span, span_of
from trainwatch.panes.ticks import margin, place_edge, value_labels
from trainwatch.panes.title import as_seen, title_of
from trainwatch.raster import DOTS_X, DOTS_Y, braille, spans
from trainwatch.scale import Axis, growing_end, value_axis

_EMPTY = np.empty(0)
SMOOTHING = 0.01
"""Half-life of the smoothed curve, as a share of the visible points."""
MOST_RAW = 3
"""Of more curves only the smoothed ones are drawn: what was measured would hide them."""
GAP_S, GAP_RECORDS = 60.0, 6
"""Over time a curve breaks where nothing was recorded for so long, and for so many times what usually lies between two
records: then nothing ran, or nobody measured."""
_BYTE_UNITS = ("B", "K", "M", "G")
"""Names of units of bytes, each 1024 times the one before."""
WHOLE = Lens()


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a chart: views into a store, taken for one painting."""

    x: Floats
    column: Column | None
    style: str = "curve"
    faint: str = "raw"
    """Of what was measured, where a smoothed curve is drawn over it in `smooth`."""
    smooth: str = "smooth"
    points_x: Floats = field(default_factory=lambda: _EMPTY)
    points_y: Floats = field(default_factory=lambda: _EMPTY)
    points_style: str = "point"
    letter: str = ""
    """At its end, where several share the colours that can be told apart."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened, drawn at the foot of a chart."""

    x: float
    character: str
    style: str


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
    x_reach: float = 0.0
    """How far the axis reaches at least: as far as that of other charts beside this one."""
    ended: bool = False
    smoothed: bool = False
    from_zero: bool = False
    points_x: Floats = field(default_factory=lambda: _EMPTY)
    """Single measurements drawn as marks on the curve (evaluations)."""
    points_y: Floats = field(default_factory=lambda: _EMPTY)
    points_name: str = "eval"
    """Before the newest of them in the title; empty where the value itself is that."""
    overlay: Sequence[Curve] = ()
    """More curves, other runs'."""
    seams: Sequence[float] = ()
    """Where a later attempt went on."""
    marks: Sequence[Mark] = ()
    rules: Sequence[Mark] = ()
    """Lines from top to bottom, at places that something is said of."""
    note: Row = field(default_factory=list)
    """At the right of the title, where nothing is odd: what those lines are."""
    x_least: float = 1.0
    """Between two ticks: half a step there is none, half an epoch there is."""
    empty: str = "no values yet"

    @property
    def curves(self) -> list[Curve]:
        main = Curve(self.x, self.column, points_x=self.points_x, points_y=self.points_y)
        has_main = self.column is not None or len(self.points_x) > 0 or not self.overlay
        return [main, *self.overlay] if has_main else list(self.overlay)


@dataclass(frozen=True, slots=True)
class Scales:
    """The axes a chart was last drawn with; handed back in, they move only when they must."""

    x_end: float = 0.0
    y: Axis | None = None
    key: tuple[object, ...] = ()
    """Size and look they were made for: others begin anew."""
    whole: Extent | None = None
    """Of the axis; None before the first painting."""
    seen: Extent | None = None
    gutter: int = 0
    """Cells before the canvas, the box's edge not among them."""
    unit: float = 1.0
    """Of the value axis."""

    def at(self, x: int, width: int) -> float | None:
        """What of the axis lies under a column of cells of the whole chart; None beside the canvas."""
        columns = width - 2 - self.gutter
        cell = x - 1 - self.gutter
        if self.seen is None or not 0 <= cell < columns:
            return None
        return self.seen.at((cell + 0.5) / columns)

    def between(self, x: int, other: int, width: int) -> tuple[float, float] | None:
        """What of the axis lies between two columns, these included; what is beside the canvas counts as its edge."""
        columns = width - 2 - self.gutter
        if self.seen is None or columns < 1:
            return None
        first, last = (min(max(cell - 1 - self.gutter, 0), columns - 1) for cell in sorted((x, other)))
        return self.seen.at(first / columns), self.seen.at((last + 1) / columns)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A curve as it goes onto the canvas."""

    curve: Curve
    binned: Binned
    level: Floats
    """The smoothed one; empty where there is none."""
    breaks: npt.NDArray[np.bool_]
    """Columns that no line leads across."""


def paint_chart(
    chart: Chart, width: int, height: int, scales: Scales, lens: Lens = WHOLE, style: str = "border"
) -> tuple[list[Row], Scales]:
    """Rows of exactly width × height, and the scales for the next time."""
    key = (width, height, lens.log_y, lens.robust, lens.axis)
    if scales.key != key:
        scales = Scales(key=key)
    gutter = max(scales.gutter, 8 if width >= 44 else 7)
    if width - 2 - gutter < 4 or height < 4:
        return box(title_of(chart, lens, math.nan), [], width, height, style=style), scales
    rows, drawn_with = _painted(chart, width, height, scales, lens, style, gutter)
    if drawn_with.gutter > gutter:  # a label has no room: once more with as much as it needs
        rows, drawn_with = _painted(chart, width, height, scales, lens, style, drawn_with.gutter)
    return rows, drawn_with


def _painted(
    chart: Chart, width: int, height: int, scales: Scales, lens: Lens, style: str, gutter: int
) -> tuple[list[Row], Scales]:
    """The chart with a gutter of so many cells; the scales have a wider one where a label would need that."""
    columns, lines = width - 2 - gutter, height - 2
    span, x_end = _x_span(chart, scales)
    whole = Extent(chart.x_start, chart.x_start + x_end)
    seen = lens.over(whole)
    window = Window(seen.start, seen.stop, columns * DOTS_X)
    drawn = [_drawn(chart, curve, lens, window, span) for curve in chart.curves]
    span_y = _value_span(drawn, lens, window)
    chart = chart if lens.log_y else _in_fitting_unit(chart, span_y.high)
    unit_y, from_zero = 1.0 if lens.log_y else chart.unit, chart.from_zero and not lens.log_y
    previous, parts = scales.y if scales.unit == chart.unit else None, max(1, min(8, lines // 3))
    y = value_axis(span_y.low / unit_y, span_y.high / unit_y, parts, previous, from_zero=from_zero)
    cells = Cells(columns, lines)
    for each in drawn:  # what was measured lies below all smoothed curves
        _draw_measured(cells, each, lens, chart.unit, y, is_raw_drawn=len(drawn) <= MOST_RAW)
    for each in drawn:
        _draw_smoothed(cells, each, lens, chart.unit, y)
    _draw_letters(cells, drawn, lens, chart.unit, y)
    _draw_marks(cells, chart, drawn, lens, window, y)
    if lens.marked is not None:
        _draw_marked(cells, lens.marked, window)
    if not any(len(d.curve.points_x) or np.any(d.binned.count > 0) or d.binned.odd.any() for d in drawn):
        cells.write(chart.empty, "dim")
    labels = value_labels(y, lines, chart.unit_name, is_log=lens.log_y)
    body = [[(margin(label, gutter), "axis"), *row] for label, row in zip(labels, cells.rows(), strict=True)]
    level = drawn[0].level if drawn else _EMPTY
    newest = float(level[~np.isnan(level)][-1]) if (~np.isnan(level)).any() and chart.column is not None else math.nan
    note = _oddities(chart, chart.column or Column(), columns) or chart.note
    note = note or (_left_out(span_y, drawn) if lens.robust else [])
    foot = place_edge(
        seen.start - chart.x_start, seen.stop - seen.start, columns, gutter, chart.x_format, chart.x_least
    )
    rows = box(title_of(as_seen(chart, lens), lens, newest), body, width, height, note=note, foot=foot, style=style)
    needed = min(max(gutter, *(len(label) + 1 for label in labels)), width - 6)
    return rows, Scales(x_end, y, scales.key, whole, seen, needed, chart.unit)


def _in_fitting_unit(chart: Chart, most: float) -> Chart:
    """Bytes in the largest unit, up to the chart's own, of which what is drawn, `most` at its highest, reaches one."""
    if chart.unit_name not in _BYTE_UNITS or not most > 0:
        return chart
    names = _BYTE_UNITS[: _BYTE_UNITS.index(chart.unit_name) + 1]
    name = next((name for name in reversed(names) if most >= 1024.0 ** names.index(name)), "B")
    return replace(chart, unit=1024.0 ** names.index(name), unit_name=name)


def _x_span(chart: Chart, scales: Scales) -> tuple[float, float]:
    """How far the data reach, and how far the axis does, both from its start."""
    ends = [float(x[-1]) for curve in chart.curves for x in (curve.x, curve.points_x) if len(x)]
    span = max(max(ends, default=0.0) - (chart.x_start if ends else 0.0), chart.x_reach)
    return span, growing_end(span, chart.x_total, ended=chart.ended, previous=scales.x_end)


def _drawn(chart: Chart, curve: Curve, lens: Lens, window: Window, span: float) -> _Drawn:
    column = curve.column or Column()
    binned = bin_column(curve.x if curve.column else _EMPTY, column, window)
    share = lens.smoothing if lens.smoothing is not None else (SMOOTHING if chart.smoothed else 0.0)
    if len(curve.points_x) and curve.points_x is curve.x:
        share = 0.0  # an average over a handful of single measurements would say what nobody has measured
    visible = len(curve.x) * (window.stop - window.start) / max(span, 1e-9)
    level = smooth(binned, max(4.0, share * visible)) if share > 0 else _EMPTY
    return _Drawn(curve, binned, level, binned.odd | _unrecorded(chart, curve, binned, window))


def _unrecorded(chart: Chart, curve: Curve, binned: Binned, window: Window) -> npt.NDArray[np.bool_]:
    """Columns within a gap of an axis of time. Single measurements are as far apart as they are."""
    if chart.x_format is not fmt.elapsed or curve.points_x is curve.x or len(curve.x) < 2:
        return np.zeros(len(binned.count), dtype=np.bool_)
    usual_s = float(np.median(np.diff(curve.x[-512:])))
    longest_s = max(GAP_S, GAP_RECORDS * usual_s)
    return unrecorded(binned, (window.stop - window.start) / window.width, longest_s)


def _oddities(chart: Chart, column: Column, columns: int) -> Row:
    marks = column.marks
    if not len(marks):
        return []
    first = chart.x_format(float(chart.x[marks[0]])) if chart.x_total is None else fmt.count(float(chart.x[marks[0]]))
    if columns < 40:
        return [(f"× {len(marks):,}", "alert")]
    return [(f"× {len(marks):,} not finite, first at {first}", "alert")]


def _value_span(drawn: Sequence[_Drawn], lens: Lens, window: Window) -> Span:
    """Between what the axis has to lie, as the axis has its values."""
    curves: list[tuple[Floats, Floats]] = []
    for each in drawn:
        x, y = each.curve.points_x, each.curve.points_y
        points = _scaled(y[(x >= window.start) & (x <= window.stop) & np.isfinite(y)], lens)
        low, high = _scaled(each.binned.low, lens), _scaled(each.binned.high, lens)
        curves.append((np.concatenate([low, points]), np.concatenate([high, points])))
    return span_of(curves, is_robust=lens.robust, is_log=lens.log_y)


def _left_out(span: Span, drawn: Sequence[_Drawn]) -> Row:
    """What an axis without outliers is not made for."""
    letters = " ".join(drawn[i].curve.letter for i in span.far)
    if letters.strip():
        return [(f"beyond the axis: {letters}", "notice")]
    return [] if span.cuts or math.isnan(span.low) else [("there are no outliers", "notice")]


def _scaled(values: Floats, lens: Lens) -> Floats:
    """Values as the axis has them: of a logarithmic one, what is not above 0 has no place."""
    if not lens.log_y:
        return values
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(values > 0, np.log10(np.maximum(values, 1e-300)), np.nan), dtype=np.float64)


def _to_dots(values: Floats, unit: float, y: Axis, lines: int) -> Floats:
    inside = np.clip(values / unit, y.low, y.high)
    return np.asarray((inside - y.low) / (y.high - y.low) * (lines * DOTS_Y - 1), dtype=np.float64)


def _draw_measured(cells: Cells, drawn: _Drawn, lens: Lens, unit: float, y: Axis, *, is_raw_drawn: bool) -> None:
    curve, binned, level = drawn.curve, drawn.binned, drawn.level
    if len(level) and not is_raw_drawn:
        return
    unit = 1.0 if lens.log_y else unit
    low, high = (_to_dots(_scaled(values, lens), unit, y, cells.lines) for values in (binned.low, binned.high))
    low = np.where(np.isnan(low) & ~np.isnan(high), 0.0, low)  # what of a column is not above 0 reaches to the foot
    picture = braille(spans(low, high, drawn.breaks, cells.lines * DOTS_Y))
    cells.draw(picture, curve.faint if len(level) else curve.style)


def _draw_smoothed(cells: Cells, drawn: _Drawn, lens: Lens, unit: float, y: Axis) -> None:
    curve, binned, level = drawn.curve, drawn.binned, drawn.level
    unit = 1.0 if lens.log_y else unit
    known = np.flatnonzero(binned.count)
    if len(known) == 1:  # a single dot is too small to be seen
        dot = _to_dots(_scaled(binned.high[known], lens), unit, y, cells.lines)
        if not math.isnan(dot[0]):
            at = int(known[0])
            cells.put(at // DOTS_X, cells.lines - 1 - round(float(dot[0])) // DOTS_Y, "•", curve.style)
    elif len(level):
        dots = _to_dots(_scaled(level, lens), unit, y, cells.lines)
        cells.draw(braille(spans(dots, dots, drawn.breaks & np.isnan(level), cells.lines * DOTS_Y)), curve.smooth)


def _draw_letters(cells: Cells, drawn: Sequence[_Drawn], lens: Lens, unit: float, y: Axis) -> None:
    """At the end of each curve that has one; further back on it where another curve's stands there."""
    taken: set[tuple[int, int]] = set()
    for each in (each for each in drawn if each.curve.letter):
        values = _scaled(each.level if len(each.level) else each.binned.high, lens)
        dots = _to_dots(values, 1.0 if lens.log_y else unit, y, cells.lines)
        for at in np.flatnonzero(~np.isnan(dots) & (each.binned.count > 0))[::-1].tolist():
            place = (at // DOTS_X, cells.lines - 1 - round(float(dots[at])) // DOTS_Y)
            if place not in taken:
                taken.add(place)
                cells.put(*place, each.curve.letter, each.curve.style)
                break


def _draw_marks(cells: Cells, chart: Chart, drawn: Sequence[_Drawn], lens: Lens, window: Window, y: Axis) -> None:
    per_cell = (window.stop - window.start) / cells.columns
    if lens.cursor is not None and window.start <= lens.cursor <= window.stop:
        cells.rule(min(int((lens.cursor - window.start) / per_cell), cells.columns - 1), "│", "cursor")
    for rule in (rule for rule in chart.rules if window.start <= rule.x <= window.stop):
        cells.rule(math.floor((rule.x - window.start) / per_cell), rule.character, rule.style)
    for seam in (seam for seam in chart.seams if window.start <= seam <= window.stop):
        cells.rule(math.floor((seam - window.start) / per_cell), "┊", "seam")
    for mark in chart.marks:
        if window.start <= mark.x <= window.stop:
            at = min(int((mark.x - window.start) / per_cell), cells.columns - 1)
            cells.put(at, cells.lines - 1, mark.character, mark.style)
    for each in drawn:
        for (at, line), (character, style) in _places(cells, each.curve, lens, chart.unit, window, y).items():
            cells.put(at, line, character, style)
        for at in np.unique(np.flatnonzero(each.binned.odd) // DOTS_X).tolist():
            cells.put(at, 0, "×", "alert")


def _draw_marked(cells: Cells, marked: Extent, window: Window) -> None:
    """What a drag has chosen so far: between two rules, all else faint; nothing where it is not in sight."""
    if marked.start >= window.stop or marked.stop <= window.start:
        return
    start, stop = (
        round((at - window.start) / (window.stop - window.start) * cells.columns) for at in (marked.start, marked.stop)
    )
    start, stop = max(0, min(start, cells.columns - 1)), max(1, min(stop, cells.columns))
    cells.fade(start, stop, "faint")
    for column in (start, stop - 1):
        cells.rule(column, "┃", "chosen")


def _places(
    cells: Cells, curve: Curve, lens: Lens, unit: float, window: Window, y: Axis
) -> dict[tuple[int, int], tuple[str, str]]:
    """Where the single measurements lie; of two in one cell the later."""
    per_cell = (window.stop - window.start) / cells.columns
    places: dict[tuple[int, int], tuple[str, str]] = {}
    for x, value in zip(curve.points_x.tolist(), _scaled(curve.points_y, lens).tolist(), strict=True):
        if not window.start <= x <= window.stop:
            continue
        at = min(int((x - window.start) / per_cell), cells.columns - 1)
        if not math.isfinite(value):
            places[at, 0] = ("×", "alert")
            continue
        dot = _to_dots(np.array([value]), 1.0 if lens.log_y else unit, y, cells.lines)
        places[at, cells.lines - 1 - round(float(dot[0])) // DOTS_Y] = ("●", curve.points_style)
    return places
