"""The page of the machine: its GPUs and the host as they were last sampled, and small charts of their past. Pure.

What was not recorded is said to be unknown, never taken for nothing.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from rundir.column import Column, Floats
from rundir.records import GpuProcess, GpuSample, SystemRecord
from rundir.size import size
from rundir.text import plain
from trainwatch import format as fmt
from trainwatch.layout import Layout, Rect
from trainwatch.metric import GIB, MIB
from trainwatch.paint import Row, box, row_width
from trainwatch.panes.chart import Chart, Curve
from trainwatch.store import Store
from trainwatch.waiting import OVER, Waiting

WIDE = 100
CHART_WIDTH, CHART_HEIGHT = 34, 8
"""A chart is at least so large, where the screen is."""
MOST_CHARTS = 12
STALE_S = 30.0
"""A sample that is older says how the machine was, not how it is."""
MOST_IN_FULL = 2
"""GPUs; of more of them the chosen one is shown in full, the others in a line."""
SHORT_BAR = 10
MOST_PROCESSES = 6
"""Of one GPU, that have a line."""
NARROW = 44
"""A chart of fewer cells names its second curve, and does not say what it is."""
_LABEL = 6
_UNKNOWN = "not known"


def arrange_machine(width: int, height: int, num_lines: int) -> Layout:
    """What is now at the left, its past at the right; on a small screen above one another."""
    if width < 1 or height < 1:
        return {}
    head, foot = (1 if height >= 5 else 0), (2 if height >= 12 else 1 if height >= 3 else 0)
    body = height - head - foot
    now, area = Rect(0, head, width, body), Rect(0, head, 0, 0)
    if width >= WIDE and body >= CHART_HEIGHT:
        left = width * 9 // 20
        now, area = Rect(0, head, left, body), Rect(left, head, width - left, body)
    elif width >= CHART_WIDTH and body >= 2 * CHART_HEIGHT:
        lines = min(num_lines + 2, body - CHART_HEIGHT)
        now, area = Rect(0, head, width, lines), Rect(0, head + lines, width, body - lines)
    places = {"header": Rect(0, 0, width, head), "now": now, **_grid(area)}
    places["status"] = Rect(0, height - foot, width, min(1, foot))
    places["keys"] = Rect(0, height - 1, width, foot - 1)
    return {name: place for name, place in places.items() if place.height > 0}


def _grid(area: Rect) -> Layout:
    """Charts `chart-0`, `chart-1`, … as many as have room."""
    columns, rows = max(1, min(4, area.width // CHART_WIDTH)), area.height // CHART_HEIGHT
    rows = min(rows, MOST_CHARTS // columns)
    places = {}
    for number in range(columns * rows):
        left, right = (area.width * (number % columns + i) // columns for i in (0, 1))
        top, bottom = (area.height * (number // columns + i) // rows for i in (0, 1))
        places[f"chart-{number}"] = Rect(area.x + left, area.y + top, right - left, bottom - top)
    return places


# --- now -------------------------------------------------------------------------------------------------------------


def paint_now(lines: Sequence[Row], store: Store, width: int, height: int, now: float, scroll: int) -> list[Row]:
    """Rows of exactly width × height; the title says how old the sample is by the clock of its host."""
    room = max(0, height - 2)
    start = min(scroll, max(0, len(lines) - room))
    note: Row = []
    if store.machine is not None:
        age_s = max(0.0, now - store.machine.at)
        style = "warn" if age_s > STALE_S and store.is_moving else "dim"
        note = [(f"sampled {fmt.age(age_s)} ago" if age_s >= 10 else "sampled just now", style)]
    if len(lines) > room:
        note += [(f"  {start + 1}–{min(len(lines), start + room)} of {len(lines)}", "dim")]
    return box(
        [("machine", "title")], [[(" ", ""), *line] for line in lines[start : start + room]], width, height, note=note
    )


def now_lines(store: Store, waiting_percent: float, chosen_gpu: int, width: int) -> list[Row]:
    """Every GPU, then the host; `waiting_percent`: of the time of steps that is waiting for data, nan: not known."""
    record = store.machine
    if record is None:
        return [[("no sample of the machine was recorded" if store.caught_up else "reading …", "dim")]]
    lines: list[Row] = []
    is_crowd = len(record.gpus) > MOST_IN_FULL
    for gpu in record.gpus:
        is_chosen = len(record.gpus) > 1 and gpu.index == chosen_gpu
        if is_crowd and not is_chosen:
            lines.append(_gpu_line(gpu))
        else:
            lines += [*_gpu_lines(gpu, width, is_chosen=is_chosen), []]
    lines += [[]] if is_crowd and lines[-1] else []
    if not record.gpus:
        lines += [[("no GPU was seen on this machine", "dim")], []]
    return [*lines, *_host_lines(record, store, waiting_percent, width)]


def _gpu_lines(gpu: GpuSample, width: int, *, is_chosen: bool) -> list[Row]:
    style = "chosen" if is_chosen else "title"
    name = f"gpu{gpu.index}  {plain(gpu.name)}" if gpu.name else f"gpu{gpu.index}"
    lines: list[Row] = [[(fmt.clip(name, width), style)]]
    lines.append(_bar_line("util", [(_share(gpu.util_percent, 100.0), "ok", "█")], _percent(gpu.util_percent), width))
    lines += _memory_lines(gpu, width)
    figures = [
        ("temp", _known(gpu.temperature_c, lambda value: f"{value:.0f} °C")),
        ("power", _of(gpu.power_w, gpu.power_limit_w, "W")),
        ("clock", _of(gpu.clock_mhz, gpu.clock_max_mhz, "MHz")),
    ]
    lines += _flowed(figures, width)
    if gpu.slowed_by:
        lines.append([(f"slowed by {plain(', '.join(gpu.slowed_by))}", "warn")])
    return lines + _process_lines(gpu, width)


def _gpu_line(gpu: GpuSample) -> Row:
    """One of many, in short."""
    used, total, own = gpu.mem_used_bytes, gpu.mem_total_bytes, gpu.run_mem_bytes
    share = _share(used, total)
    mine = _share(own, total)
    parts = [(mine, "ok", "█"), (share - mine, "warn", "▓")] if math.isfinite(mine) else [(share, "curve", "▓")]
    return [
        (fmt.fit(f"gpu{gpu.index}", _LABEL), "dim"),
        *_short_bar("util ", [(_share(gpu.util_percent, 100.0), "ok", "█")], _share(gpu.util_percent, 100.0)),
        *_short_bar("  mem ", parts, share),
        ("  " + _known(gpu.temperature_c, lambda value: f"{value:.0f} °C"), "value"),
        ("  " + _known(gpu.power_w, lambda value: f"{value:.0f} W"), "value"),
        ("  slowed" if gpu.slowed_by else "", "warn"),
    ]


def _short_bar(label: str, parts: Sequence[tuple[float, str, str]], share: float) -> Row:
    if not math.isfinite(share):
        return [(label, "dim"), (fmt.fit(_UNKNOWN, SHORT_BAR + 5), "dim")]
    return [(label, "dim"), *_bar(parts, SHORT_BAR), (f" {share:4.0%}", "value")]


def _memory_lines(gpu: GpuSample, width: int) -> list[Row]:
    """This run, others and free, as one bar; of a share that is not known only what is used."""
    used, total, own = gpu.mem_used_bytes, gpu.mem_total_bytes, gpu.run_mem_bytes
    if used is None or not total:
        return [_bar_line("mem", [], _UNKNOWN, width)]
    if own is None:
        words: list[tuple[str, str]] = [
            ("used ", "dim"),
            (size(used), "value"),
            ("  this run's share not known", "dim"),
        ]
        parts = [(used / total, "curve", "▓")]
    else:
        others = max(0, used - own)
        words = [("run ", "ok"), (size(own), "value"), ("  others ", "warn"), (size(others), "value")]
        parts = [(own / total, "ok", "█"), (others / total, "warn", "▓")]
    words += [("  free ", "dim"), (size(max(0, total - used)), "value")]
    return [_bar_line("mem", parts, f"{used / total:.0%} of {size(total)}", width), *_under(words, width)]


def _process_lines(gpu: GpuSample, width: int) -> list[Row]:
    processes = gpu.processes
    if processes is None:
        return [[("processes on it: not known", "dim")]]
    if not processes:
        hidden = bool(gpu.run_mem_bytes is None and (gpu.mem_used_bytes or 0) > 2**30)
        return [[("NVML shows no process on it" + (", which holds memory all the same" if hidden else ""), "dim")]]
    lines = [_process_line(process, width) for process in processes[:MOST_PROCESSES]]
    more = len(processes) - MOST_PROCESSES
    return [*lines, [(f"  and {more} more", "dim")]] if more > 0 else lines


def _process_line(process: GpuProcess, width: int) -> Row:
    whose, style = ("this run", "ok") if process.is_run else ("other", "warn")
    held = size(process.mem_bytes) if process.mem_bytes is not None else _UNKNOWN
    user = plain(process.user) or "owner not known"
    room = max(8, width - 8 - 9 - 10 - 3)
    named = fmt.fit(f"{user}  {plain(process.name)}", room)
    return [(f"{whose:<8} ", style), (f"{process.pid:>8} ", "dim"), (named + " ", ""), (f"{held:>10}", "value")]


def _host_lines(record: SystemRecord, store: Store, waiting_percent: float, width: int) -> list[Row]:
    host = plain(store.status.host) if store.status is not None and store.status.host else ""
    lines: list[Row] = [[("host", "title"), (f"  {fmt.clip(host, 30)}", "dim")]]
    cpu = _percent(record.cpu_percent)
    own_cores = _known(record.run_cpu_percent, lambda value: f"{value / 100:.1f}")
    cores = f" of {record.num_cpus} CPUs" if record.num_cpus else ""
    lines.append(_bar_line("cpu", [(_share(record.cpu_percent, 100.0), "ok", "█")], cpu, width))
    lines += _under([("this run ", "dim"), (own_cores, "value"), (cores, "dim")], width)
    lines += _ram_lines(record, width)
    if record.shm_total_bytes is not None:
        shares = [(_share(record.shm_used_bytes, record.shm_total_bytes), "curve", "█")]
        lines.append(_bar_line("shm", shares, _of_bytes(record.shm_used_bytes, record.shm_total_bytes), width))
    free, total = record.disk_free_bytes, record.disk_total_bytes
    shares = [(_share(None if free is None or total is None else total - free, total), "curve", "█")]
    room = f"{size(free)} free" if free is not None else _UNKNOWN
    lines.append(_bar_line("disk", shares, room + (f" of {size(total)}" if total else ""), width))
    past = store.system
    rates = [("read", "disk_read_per_s"), ("written", "disk_written_per_s")]
    lines += _indented([(label, _rate(past.last(name))) for label, name in rates], "", width)
    rates = [("in", "net_received_per_s"), ("out", "net_sent_per_s")]
    lines += _indented([(label, _rate(past.last(name))) for label, name in rates], "net", width)
    style = "warn" if waiting_percent > 20 else "value"  # a fifth is "high" to XProf, and to the rule `data-bound`
    waits = f"{waiting_percent:.0f} % of a step" if math.isfinite(waiting_percent) else _UNKNOWN
    words: Row = [("waiting for data ", "dim"), (waits, style if math.isfinite(waiting_percent) else "dim")]
    return [*lines, [*words, (f", last {OVER} records", "dim")] if math.isfinite(waiting_percent) else words]


def _ram_lines(record: SystemRecord, width: int) -> list[Row]:
    used, total, own = record.mem_used_bytes, record.mem_total_bytes, record.run_rss_bytes
    own_words: Row = [("this run ", "ok"), (size(own), "value")]
    if used is None or not total:
        return [_bar_line("ram", [], _UNKNOWN, width), *(_under(own_words, width) if own is not None else [])]
    mine = min(own or 0, used)  # pages that its processes share are counted by each of them
    parts = [(mine / total, "ok", "█"), ((used - mine) / total, "warn", "▓")]
    words: Row = [*(own_words if own is not None else []), ("  others ", "warn"), (size(used - mine), "value")]
    words += [("  free ", "dim"), (size(max(0, total - used)), "value")]
    return [_bar_line("ram", parts, f"{used / total:.0%} of {size(total)}", width), *_under(words, width)]


def _bar_line(label: str, parts: Sequence[tuple[float, str, str]], value: str, width: int) -> Row:
    """`label ████▓▓░░░ value`: the parts of a whole, told apart by character as well as by colour."""
    at = fmt.fit(label, _LABEL)
    room = max(0, min(40, width - _LABEL - 27))
    known = [part for part in parts if math.isfinite(part[0])]
    bar: Row = [*_bar(known, room), ("  ", "")] if known and room >= 8 else []
    return [(at, "dim"), *bar, (value, "dim" if value == _UNKNOWN else "value")]


def _bar(parts: Sequence[tuple[float, str, str]], room: int) -> Row:
    """Parts of a whole in so many cells; a part that is there has one at least."""
    row: Row = []
    filled, reached = 0, 0.0
    for share, style, character in parts:
        reached = min(1.0, reached + max(0.0, share))
        cells = max(round(reached * room), filled + (share > 0 and filled < room)) - filled
        row.append((character * cells, style))
        filled += cells
    return [*row, ("░" * (room - filled), "faint")]


def _under(words: Row, width: int) -> list[Row]:
    """A line under a bar; where it is too narrow for all of it, what does not fit goes to the next."""
    lines: list[Row] = []
    for label, value in zip(words[::2], [*words[1::2], ("", "")], strict=False):
        pair: Row = [label, value]
        if lines and row_width(lines[-1]) + row_width(pair) <= width:
            lines[-1] += pair
        else:
            lines.append([(" " * _LABEL, ""), (label[0].lstrip(), label[1]), value])
    return lines


def _indented(figures: Sequence[tuple[str, str]], label: str, width: int) -> list[Row]:
    """Figures under a bar, or beside a label of their own."""
    first, *more = _flowed(figures, width - _LABEL)
    return [[(fmt.fit(label, _LABEL), "dim"), *first], *([(" " * _LABEL, ""), *line] for line in more)]


def _flowed(figures: Sequence[tuple[str, str]], width: int) -> list[Row]:
    lines: list[Row] = []
    for label, value in figures:
        pair: Row = [(label + " ", "dim"), (value, "dim" if value == _UNKNOWN else "value")]
        if lines and row_width(lines[-1]) + 3 + row_width(pair) <= width:
            lines[-1] += [("   ", ""), *pair]
        else:
            lines.append(pair)
    return lines


def _share(value: float | None, total: float | None) -> float:
    return math.nan if value is None or not total else min(1.0, max(0.0, value / total))


def _known(value: float | None, words: Callable[[float], str]) -> str:
    return _UNKNOWN if value is None else words(fmt.as_float(value))


def _percent(value: float | None) -> str:
    return _known(value, lambda percent: f"{percent:.0f} %")


def _of(value: float | None, limit: float | None, unit: str) -> str:
    most = "" if limit is None else f" of {limit:,.0f}"
    return _known(value, lambda number: f"{number:,.0f}{most} {unit}")


def _of_bytes(value: int | None, total: int) -> str:
    return _known(value, lambda number: f"{size(number)} of {size(total)}")


def _rate(bytes_per_s: float) -> str:
    return f"{size(bytes_per_s)}/s" if math.isfinite(bytes_per_s) else _UNKNOWN


# --- past ------------------------------------------------------------------------------------------------------------


def machine_charts(store: Store, waiting: Waiting, gpu: int) -> list[Chart]:
    """What was measured over time, of the chosen GPU and of the host; what was not has no chart."""
    prefix = f"gpu{gpu}"
    several = store.machine is not None and len(store.machine.gpus) > 1
    on = f"{prefix} " if several else ""
    at, share = waiting.read()
    charts = [
        _chart(store, f"{on}utilisation", f"{prefix}_util", unit="%"),
        _chart(store, f"{on}memory", f"{prefix}_used", bytes_of=GIB, other=prefix, said="run"),
        _chart(store, "cpu", "cpu", unit="%"),
        _chart(store, "ram", "ram", bytes_of=GIB, other="rss", said="run"),
        _plain_chart(store, "waiting for data", at, share if len(at) else None, unit="%"),
        _chart(
            store, "disk read", "disk_read_per_s", bytes_of=MIB, other="disk_written_per_s", said="written", per="/s"
        ),
        _chart(store, "network in", "net_received_per_s", bytes_of=MIB, other="net_sent_per_s", said="out", per="/s"),
        _chart(store, f"{on}temperature", f"{prefix}_temperature", unit="°C"),
        _chart(store, f"{on}power", f"{prefix}_power", unit="W"),
        _chart(store, f"{on}clock", f"{prefix}_clock", unit="MHz"),
        _chart(store, "disk free", "disk_free", bytes_of=GIB),
        _chart(store, "shm", "shm", bytes_of=GIB),
    ]
    return [chart for chart in charts if chart.column is not None]


def _chart(
    store: Store, title: str, name: str, *, unit: str = "", bytes_of: float = 0.0, other: str = "", said: str = "",
    per: str = "",
) -> Chart:  # fmt: skip
    chart = _plain_chart(store, title, store.system.x, store.system.column(name), unit=unit, bytes_of=bytes_of, per=per)
    second = store.system.column(other) if other else None
    if second is None:
        return chart
    last = store.system.last(other)
    style = "ok" if said == "run" else "point"  # as in the bars
    note: Row = [(f"━ {said} ", style), (chart.value_format(last), "value")]
    return replace(chart, overlay=[Curve(store.system.x, second, style=style)], note=note)


def _plain_chart(
    store: Store, title: str, x: Floats, column: Column | None, *, unit: str = "", bytes_of: float = 0.0, per: str = ""
) -> Chart:
    began = float(store.system.x[0]) if len(store.system) else 0.0
    values = column.values if column is not None else np.empty(0)
    known = np.flatnonzero(np.isfinite(values[-512:]))
    last = float(values[-512:][known[-1]]) if len(known) else math.nan

    def written(value: float) -> str:
        if not math.isfinite(value):
            return fmt.MISSING
        if per:  # two of them have to find room in a title
            return size(value).replace("iB", "") + per
        return size(value) if bytes_of else f"{value:,.0f} {unit}"

    return Chart(
        title=title,
        x=x,
        column=column,
        value=last,
        value_format=written,
        unit=bytes_of or 1.0,
        unit_name={GIB: "G", MIB: "M"}.get(bytes_of, "%" if unit == "%" else ""),
        x_format=fmt.elapsed,
        x_start=began,
        x_reach=float(store.system.x[-1]) - began if len(store.system) else 0.0,
        ended=store.has_ended,
        from_zero=True,
        empty="no values yet" if store.caught_up else "reading …",
    )
