"""Which curves a page shows, thinned to what a screen can: extremes are kept, gaps and non-finite values said. Pure."""

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from rundir.column import Floats, Indices
from rundir.direction import directions_in, is_lower_better
from rundir.records import number
from rundir.text import plain
from traind.export import facts
from traind.export.recording import Recording
from traind.scalars import as_float, scalars

BINS = 1200
"""Of each the lowest and the highest value is drawn: more than a chart has pixels."""
SMOOTH_FROM = 60
"""Points from which a smoothed line is drawn over the raw one."""
_SLOTS = 8
"""Colours there are; a chart has no more lines."""


class Trace(msgspec.Struct, omit_defaults=True):
    """One line. Names are escaped for plotly, which reads markup in them."""

    name: str
    x: list[float]
    y: list[float | None]
    """None where the value is missing or not finite: a gap."""
    slot: int = 0
    """Number of its colour."""
    look: Literal["line", "faint", "points", "dashed"] = "line"
    bad_x: list[float] = []
    """Where values stand that are not finite."""


class Chart(msgspec.Struct, omit_defaults=True):
    """One picture over steps or minutes."""

    title: str
    traces: list[Trace]
    x_title: Literal["step", "minutes"] = "step"
    unit: Literal["", "bytes", "s"] = ""
    seams: list[float] = []
    """Steps from which a later attempt went on."""
    best_x: float | None = None
    """Step of the best evaluation."""
    can_log: bool = False
    """Whether a logarithmic axis can show all of it."""


def charts(recording: Recording) -> list[Chart]:
    """Every curve of a run, those of most interest first; empty ones are left out."""
    best = recording.best
    seams = [float(record.step) for record in recording.resumes]
    made = [
        Chart("Loss", [*_smoothed("train", _of_steps(recording, "loss")), _eval_trace(recording, "loss", "eval", 1)]),
        *_score_charts(recording),
        Chart("Gradient norm", _smoothed("gradient norm", _of_steps(recording, "grad_norm"))),
        Chart("Learning rate", [_trace("learning rate", *_of_steps(recording, "lr"))]),
        *_speed_charts(recording),
        Chart(
            "GPU memory, peak of the allocator",
            [_trace("allocated", *_of_steps(recording, "gpu_mem_allocated_bytes"))],
            unit="bytes",
        ),
        *_other_charts(recording),
        _memory_chart(recording),
    ]
    found = []
    for chart in made:
        chart.traces = [trace for trace in chart.traces if trace.x or trace.bad_x]
        if not chart.traces:
            continue
        if chart.x_title == "step":
            chart.seams = seams
            chart.best_x = float(best.step) if best is not None else None
        values = [y for trace in chart.traces for y in trace.y if y is not None]
        chart.can_log = bool(values) and min(values) > 0
        found.append(chart)
    return found


def _of_steps(recording: Recording, name: str) -> tuple[Floats, Floats, list[bool]]:
    """Steps, values (nan where there is none) and whether one is there, of a field or metric of step records."""
    field = hasattr(recording.steps[0], name) if recording.steps else True
    raw = [getattr(s, name) if field else (s.metrics or {}).get(name) for s in recording.steps]
    return _points([record.step for record in recording.steps], raw)


def _points(x: Sequence[float], raw: Sequence[Any]) -> tuple[Floats, Floats, list[bool]]:
    values = np.array([math.nan if value is None else as_float(value) for value in raw], dtype=np.float64)
    return np.array(x, dtype=np.float64), values, [value is not None for value in raw]


def _trace(name: str, x: Floats, y: Floats, there: Sequence[bool], **looks: Any) -> Trace:
    """A line of at most 3 * BINS points."""
    shown = np.array(there, dtype=bool)
    x, y = x[shown], y[shown]
    kept = thin(y)
    bad = x[~np.isfinite(y)]
    bad = bad[:: max(1, len(bad) // BINS)]
    return Trace(_escaped(name), _rounded(x[kept]), _rounded(y[kept]), bad_x=_rounded(bad), **looks)  # type: ignore[arg-type]


def _smoothed(name: str, points: tuple[Floats, Floats, list[bool]]) -> list[Trace]:
    """The raw line, and over it, from some length on, its moving mean."""
    x, y, there = points
    if sum(there) < SMOOTH_FROM:
        return [_trace(name, x, y, there)]
    raw = _trace(f"{name}, every step", x, y, there, look="faint")
    mean = _trace(name, x, moving_mean(y, max(5, len(y) // 60)), there)
    return [raw, msgspec.structs.replace(mean, bad_x=[])]


def moving_mean(values: Floats, span: int) -> Floats:
    """Exponential moving mean of a span, unbiased at its beginning; non-finite values leave a gap and do not count."""
    weight, total, norm = 2 / (span + 1), 0.0, 0.0
    out = np.full(len(values), np.nan)
    for i, value in enumerate(values.tolist()):
        if math.isfinite(value):
            total += weight * (value - total)
            norm += weight * (1 - norm)
            out[i] = total / norm
    return out


def thin(values: Floats) -> Indices:
    """Indices, ascending, of what must be drawn: of each bin the lowest, the highest and one that is not finite."""
    size = len(values)
    if size <= 3 * BINS:
        return np.arange(size)
    edges = np.linspace(0, size, BINS + 1).astype(np.int64)
    kept = {0, size - 1}
    for low, high in zip(edges.tolist(), edges[1:].tolist(), strict=False):
        part = values[low:high]
        finite = np.flatnonzero(np.isfinite(part))
        if len(finite) < len(part):
            kept.add(low + int(np.flatnonzero(~np.isfinite(part))[0]))
        if len(finite):
            kept |= {low + int(finite[part[finite].argmin()]), low + int(finite[part[finite].argmax()])}
    return np.array(sorted(kept), dtype=np.int64)


def _eval_trace(recording: Recording, metric: str, name: str, slot: int) -> Trace:
    evals = recording.evals
    raw = [record.loss if metric == "loss" else (record.metrics or {}).get(metric) for record in evals]
    return _trace(name, *_points([record.step for record in evals], raw), slot=slot, look="points")


def _score_charts(recording: Recording) -> Iterable[Chart]:
    """Scores between 0 and 1 share a picture, with the baseline of that which chooses; others have one each."""
    shares: list[str] = []
    others: list[str] = []
    told = directions_in(recording.config)
    for name in facts.metric_names(recording):
        values = [as_float((e.metrics or {}).get(name, 0.0)) for e in recording.evals]
        is_share = all(0 <= v <= 1 for v in values if math.isfinite(v)) and not is_lower_better(name, told)
        (shares if is_share else others).append(name)
    below = facts.baseline(recording)
    while shares:
        group, shares = shares[:_SLOTS], shares[_SLOTS:]
        traces = [_eval_trace(recording, name, name, slot) for slot, name in enumerate(group)]
        yield Chart("Scores on the eval set", [*traces, *_baseline(recording, group[0], below)])
    for name in others:
        traces = [_eval_trace(recording, name, name, 1), *_baseline(recording, name, below)]
        yield Chart(_escaped(f"{name} on the eval set"), traces)
    epochs = recording.epochs
    names = list(dict.fromkeys(name for record in epochs for name in record.metrics or {}))
    by_epoch = [[(record.metrics or {}).get(name) for record in epochs] for name in names]
    steps = [record.step for record in epochs]
    traces = [
        _trace(name, *_points(steps, raw), slot=slot, look="points")
        for slot, (name, raw) in enumerate(zip(names[:_SLOTS], by_epoch, strict=False))
    ]
    yield Chart("Scores in training, by epoch", traces)


def _baseline(recording: Recording, name: str, below: dict[str, float]) -> list[Trace]:
    """A level line at the score of a program without a model."""
    value = below.get(name, math.nan)
    if not recording.evals or not math.isfinite(value):
        return []
    ends = [0.0, float(max(recording.evals[-1].step, recording.steps[-1].step if recording.steps else 0))]
    return [Trace(_escaped(f"baseline {name}"), ends, [value, value], look="dashed")]


def _speed_charts(recording: Recording) -> Iterable[Chart]:
    yield Chart("Throughput, tokens a second", _smoothed("tokens/s", _of_steps(recording, "tokens_per_s")))
    waits = _of_steps(recording, "data_wait_s")
    traces = [
        *_smoothed("step", _of_steps(recording, "step_s")),
        *([_trace("waiting for data", *waits, slot=1)] if any(waits[2]) else []),
    ]
    yield Chart("Seconds a step", traces, unit="s")


def _other_charts(recording: Recording) -> Iterable[Chart]:
    """What a task measures at a step beside the usual; the mark of a bad step is on the loss already."""
    names = dict.fromkeys(name for record in recording.steps for name in record.metrics or {})
    for name in names:
        if name != "first_bad_step" and (not recording.steps or not hasattr(recording.steps[0], name)):
            yield Chart(_escaped(name), _smoothed(name, _of_steps(recording, name)))


def _memory_chart(recording: Recording) -> Chart:
    """GPU and host memory over time, as the machine said it."""
    begun = recording.system[0].at if recording.system else 0.0
    minutes = [(record.at - begun) / 60 for record in recording.system]
    rows = [scalars(record) for record in recording.system]
    tags = dict.fromkeys(tag for row in rows for tag in row if tag.startswith("system/gpu") and "mem_used" in tag)
    named = {tag: tag.removeprefix("system/").removesuffix("_mem_used_bytes") + " in use" for tag in tags}
    named["system/run_rss_bytes"] = "host, this run"
    traces = [
        _trace(name, *_points(minutes, [row.get(tag) for row in rows]), slot=slot)
        for slot, (tag, name) in enumerate(list(named.items())[:_SLOTS])
    ]
    return Chart("Memory", traces, x_title="minutes", unit="bytes")


def _escaped(name: str) -> str:
    return html.escape(plain(name), quote=False)


def _rounded(values: Floats) -> list[float | None]:
    """Seven significant digits are more than a screen shows."""
    return [float(f"{value:.7g}") if math.isfinite(value) else None for value in values.tolist()]


def confusion(recording: Recording) -> dict[str, Any] | None:
    """Counts of the best evaluation by true (row) and predicted label, with the share of the row; None without any."""
    best = recording.best
    if best is None or not best.confusion:
        return None
    rows = best.confusion
    width = max(map(len, rows))
    names = [_escaped(name) for name in best.labels or {}]
    names += [str(i) for i in range(len(names), max(len(rows), width))]
    sums = [max(1, sum(row)) for row in rows]
    shares = [[round(number(count) / total, 4) for count in row] for row, total in zip(rows, sums, strict=True)]
    return {"labels": names[: max(len(rows), width)], "counts": rows, "shares": shares, "step": best.step}
