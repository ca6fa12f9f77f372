"""The page of all metrics: one chart each, all looked at through one lens. Pure."""

from dataclasses import replace

import numpy as np

from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.gallery import Gallery
from trainwatch.lens import Lens, XAxis, words
from trainwatch.metric import Lines, group_of, unit_of, written
from trainwatch.paint import Row, box, hint_line, spread
from trainwatch.panes.chart import Chart, Mark, Scales, paint_chart
from trainwatch.panes.charts import event_marks

_EMPTY = np.empty(0)


def metric_chart(name: str, lines: Lines, lens: Lens, marks: list[Mark]) -> Chart:
    """The chart of one metric over the lens' axis; an empty one where the run has none of the name.

    `marks` are at steps, wherever on the axis those lie.
    """
    store, line, axis = lines.store, lines.line(name, lens.axis), lens.axis
    unit, unit_name = unit_of(name)
    x, column = (line.x, line.column) if line is not None else (_EMPTY, None)
    points = (line.x, line.column.values) if line is not None and line.is_sparse else (_EMPTY, _EMPTY)
    value, at = _last(name, lines), lines.at_steps([mark.x for mark in marks], axis)
    return Chart(
        title=plain(name),
        x=x,
        column=column,
        value=value,
        value_format=lambda number: written(name, number),
        unit=unit,
        unit_name=unit_name,
        x_format=fmt.elapsed if axis is XAxis.TIME else fmt.short_count,
        x_total=lines.ends(axis),
        x_least=1.0 if axis is XAxis.STEP else 0.0,
        x_reach=float(lines.axis(axis)[-1]) if len(store.steps) else 0.0,
        ended=store.ends_with_data,
        smoothed=name == "loss",
        from_zero=name == "lr" or name.startswith("system/"),
        points_x=points[0],
        points_y=points[1],
        points_name="",
        seams=lines.at_steps([float(seam.step) for seam in store.seams], axis).tolist(),
        marks=[replace(mark, x=x) for mark, x in zip(marks, at.tolist(), strict=True)],
        empty="no values yet" if store.caught_up else "reading …",
    )


def _last(name: str, lines: Lines) -> float:
    if name.startswith("system/"):
        return lines.store.system.last(name.removeprefix("system/"))
    if lines.store.steps.column(name) is not None:
        return lines.store.steps.last(name)
    line = lines.line(name, XAxis.STEP)
    return float(line.column.values[-1]) if line is not None and len(line.column) else float("nan")


def paint_gallery_chart(gallery: Gallery, number: int, size: int, width: int, height: int) -> list[Row]:
    """Rows of exactly width × height: the chart of a place on the page, or blanks; its scales are kept."""
    page = [gallery.chosen] if gallery.alone else gallery.page(size)
    if number >= len(page) or not page[number]:
        rows: list[Row] = [[(" " * width, "")]] * height
        return box([], [], width, height) if number == 0 and not page else rows
    name = page[number]
    marks = event_marks(gallery.lines.store) if gallery.shows_events else []
    chart = metric_chart(name, gallery.lines, gallery.lens, marks)
    style = "border-chosen" if name == gallery.chosen and not gallery.alone else "border"
    rows, gallery.scales[name] = paint_chart(
        chart, width, height, gallery.scales.get(name, Scales()), gallery.lens, style
    )
    return rows


def paint_gallery_header(gallery: Gallery, size: int, width: int) -> list[Row]:
    """One line: the run, its groups of metrics, which page; how they are looked at."""
    names, store = gallery.names, gallery.lines.store
    left: Row = [(" " + fmt.clip(plain(store.run.id), max(10, width // 3)), "title")]
    for group in dict.fromkeys(map(group_of, names)):
        left += [(f"  {plain(group)} ", "dim"), (str(sum(group_of(name) == group for name in names)), "value")]
    if len(names) > size and not gallery.alone:
        page = names.index(gallery.chosen) // size + 1 if gallery.chosen in names else 1
        left.append((f"  page {page} of {-(-len(names) // size)}", "dim"))
    look = " · ".join(part for part in (words(gallery.lens), f"filter {gallery.text}" if gallery.text else "") if part)
    return [spread(left, [(plain(look) + " ", "notice")] if look else [], width)]


def paint_gallery_status(
    gallery: Gallery, width: int, notice: str, pointed: str, trouble: str = "", as_of: str = ""
) -> list[Row]:
    """One line. "N metrics" is written only once all was read.

    `trouble`: why this is not the newest; `as_of`: the place in the past.
    """
    store = gallery.lines.store
    if as_of:
        left: Row = [(" ◷ ", "notice"), (as_of, "notice")]
    elif store.caught_up:
        left = [
            (f" {fmt.counted(len(gallery.names), 'metric')}", "value"),
            (f" of {fmt.counted(store.last_step, 'step')}", "dim"),
        ]
    else:
        left = [(f" reading … {min(99, int(store.progress * 100))}%", "warn")]
    return [hint_line(left, notice, pointed, width, trouble)]
