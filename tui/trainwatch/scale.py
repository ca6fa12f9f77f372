"""Axes: ranges that move in jumps, ticks at nice numbers, so that a growing curve seldom repaints a chart. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_FILLED = 0.4
"""An axis is kept while the data lies within it and fills at least this share."""

WIDEST = 1e290
"""What lies beyond is drawn at the edge, so that the arithmetic of axes stays finite."""
NARROWEST = 1e-290


@dataclass(frozen=True, slots=True)
class Axis:
    """A range with its tick distance."""

    low: float
    high: float
    step: float

    @property
    def ticks(self) -> list[float]:
        first = math.ceil(self.low / self.step - 1e-9)
        last = math.floor(self.high / self.step + 1e-9)
        return [k * self.step for k in range(first, min(last, first + 200) + 1)]


def nice_step(extent: float, parts: int, factors: Sequence[float] = (1.0, 2.0, 2.5, 5.0)) -> float:
    """The smallest of `factors` × 10^k that covers an extent in at most `parts` parts."""
    raw = extent / max(parts, 1)
    if not math.isfinite(raw) or raw <= 1e-300:
        return 1.0
    power = 10.0 ** math.floor(math.log10(raw))
    return next((f * power for f in factors if f * power >= raw * (1 - 1e-9)), 10 * power)


_TIME_STEPS_S = (
    *(1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(60.0 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(3600.0 * hours for hours in (1, 2, 3, 6, 12)),
)
"""Between ticks of an axis of time, up to a day."""
DAY_S = 86400.0


def time_step(extent_s: float, parts: int) -> float:
    """Like `nice_step` for an axis of seconds: whole parts of a minute, an hour, a day; then whole days."""
    raw = extent_s / max(parts, 1)
    if raw <= 1.0:
        return nice_step(extent_s, parts, (1.0, 2.0, 5.0))
    in_a_day = next((step for step in _TIME_STEPS_S if step >= raw * (1 - 1e-9)), None)
    return in_a_day or max(1.0, nice_step(extent_s / DAY_S, parts, (1.0, 2.0, 5.0))) * DAY_S


def log_ticks(axis: Axis, most: int) -> list[float]:
    """Where a logarithmic axis, of powers of ten, has its ticks: at decades, with little of an axis at 1, 2, 5 times
    them or at 1, 3 times, with less still at nice numbers. At least two, where that is possible, and `most` at most."""
    if not -300 < axis.low <= axis.high < 300:
        return axis.ticks
    decades = range(math.floor(axis.low), math.ceil(axis.high) + 1)
    inside: list[float] = []
    for times in ((1, 2, 5), (1, 3), (1,)):
        ticks = [decade + math.log10(number) for decade in decades for number in times]
        inside = [tick for tick in ticks if axis.low - 1e-9 <= tick <= axis.high + 1e-9]
        if 3 <= len(inside) <= most:
            return inside
    if len(inside) > most:
        step = nice_step(axis.high - axis.low, most, (1.0, 2.0, 5.0))
        return [tick for tick in inside if abs(tick / step - round(tick / step)) < 1e-9]
    low, high = 10.0**axis.low, 10.0**axis.high
    step = nice_step(high - low, most)
    first, last = max(1, math.ceil(low / step - 1e-9)), math.floor(high / step + 1e-9)
    return [math.log10(k * step) for k in range(first, min(last, first + most) + 1)]


def value_axis(low: float, high: float, parts: int, previous: Axis | None = None, *, from_zero: bool = False) -> Axis:
    """The axis of the values between `low` and `high` (nan: no value); the previous one while it still serves."""
    if math.isnan(low) or math.isnan(high):
        return previous or Axis(0.0, 1.0, nice_step(1.0, parts))
    parts = max(parts, 2)  # a range around 0 has two parts, however wide the step
    low, high = min(max(low, -WIDEST), WIDEST), min(max(high, -WIDEST), WIDEST)
    if from_zero and low >= 0:
        low = 0.0
    if previous and previous.low <= low and high <= previous.high:
        fills = (high - low) >= LEAST_FILLED * (previous.high - previous.low)
        if (fills or low == high) and len(previous.ticks) <= parts + 1:
            return previous
    if high - low <= max(1e-12 * max(abs(low), abs(high)), NARROWEST):
        room = abs(high) * 0.5 if abs(high) > NARROWEST else 1.0
        low, high = (low if from_zero and low == 0 else low - room), high + room
    step = nice_step(high - low, parts)
    # The rounding may add a part: then the next nicer step is taken.
    while math.ceil(high / step - 1e-9) - math.floor(low / step + 1e-9) > parts:
        step = nice_step(step * 1.01, 1)
    return Axis(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step)


def growing_end(last: float, total: float | None, *, ended: bool, previous: float = 0.0) -> float:
    """Where an axis that grows from 0 ends, never at 0: at `total` once half is done, else at a nice number of one
    and a half to two times `last`, kept until `last` reaches it."""
    if ended:
        return max(last, 1.0)
    if total is not None and total <= 0:
        total = None  # nothing is planned: an axis without an extent could not be drawn
    if total is not None and total >= last >= 0.5 * total:
        return float(total)
    if 0 < previous >= last and (last >= 0.3 * previous or previous <= 10) and (total is None or previous != total):
        return previous
    nice = nice_step(max(1.5 * last, 10), 1, (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0))
    return nice if total is None or last > total else min(nice, float(total))
