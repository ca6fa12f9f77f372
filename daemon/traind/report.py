"""The last word on a run: the best checkpoint's scores against the baseline, and a plain verdict. Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_WELL_ABOVE = 0.1
"""Share of the room between baseline and perfection that must be gained to be called well above it."""
_OVERFITTING_RISE = 0.02
"""By how much the eval loss must stand over its lowest at the end, as a share of it, to be called overfitting."""

_PERFECT = 1.0
"""Of a score, beyond which no epoch leads."""
_NOT_ABOVE = "not above the baseline"


class Point(NamedTuple):
    """One evaluation of the run."""

    epoch: float
    loss: float
    value: float
    """Of the metric that chooses the best checkpoint."""


class Report(NamedTuple):
    """A verdict in words, and what it rests on."""

    message: str
    detail: dict[str, Any]


def report(
    metric: str,
    metrics: Mapping[str, float],
    loss: float,
    best_step: int,
    steps_per_epoch: int,
    baseline: Mapping[str, float],
    history: Sequence[Point],
    *,
    is_lower: bool,
) -> Report:
    """What is to be said of a finished run.

    `metrics` and `loss` are those of the best checkpoint, evaluated again; `history` are the evaluations that were due,
    in order. `is_lower`: the lower value of the metric is the better.
    """
    value = loss if metric == "loss" else metrics[metric]
    epoch = best_step / steps_per_epoch
    parts = [f"best {metric} {value:.4g} at step {best_step:,} (epoch {epoch:.4g})"]
    detail: dict[str, Any] = {"metric": metric, "value": value, "step": best_step, "epoch": epoch, "loss": loss}
    detail |= {"metrics": dict(metrics), "baseline": dict(baseline)}
    if metric in baseline:
        standing, improvement = _standing(value, baseline[metric], is_lower=is_lower)
        parts.append(f"{standing} ({baseline[metric]:.4g}, {improvement:+.4g})")
        detail |= {"standing": standing, "improvement": improvement}
    overfitting = _overfits(history)
    detail["overfitting"] = overfitting
    if overfitting:
        measured = _measured(history)
        lowest = min(measured, key=lambda point: point.loss)
        rise = measured[-1].loss - lowest.loss
        by = f"{rise / abs(lowest.loss):.0%}" if lowest.loss else f"{rise:.3g}"
        parts.append(f"overfitting: eval loss rose {by} over its lowest, of epoch {lowest.epoch:.4g}")
    elif len(history) > 1:
        parts.append("no overfitting")
    was_rising = not overfitting and _was_rising(history, is_lower=is_lower)
    if detail.get("standing") == _NOT_ABOVE and not was_rising:
        parts.append("use no checkpoint of it: traind diagnose says what may be wrong")
    else:
        parts.append(_advice(best_step, steps_per_epoch, history, was_rising=was_rising))
    return Report("; ".join(parts), detail)


def _standing(value: float, baseline: float, *, is_lower: bool) -> tuple[str, float]:
    improvement = value - baseline
    gain = -improvement if is_lower else improvement
    room = abs(baseline) if is_lower else max(1.0 - baseline, 0.0)
    if math.isnan(gain) or gain <= 0:
        return _NOT_ABOVE, improvement
    return ("well above the baseline" if gain >= _WELL_ABOVE * room else "barely above the baseline"), improvement


def _overfits(history: Sequence[Point]) -> bool:
    losses = [point.loss for point in _measured(history)]
    return len(losses) > 1 and losses[-1] - min(losses) > abs(min(losses)) * _OVERFITTING_RISE


def _measured(history: Sequence[Point]) -> list[Point]:
    return [point for point in history if math.isfinite(point.loss)]


def _was_rising(history: Sequence[Point], *, is_lower: bool) -> bool:
    """Whether the last evaluation beat every earlier one by its metric, not by its loss alone, and could be beaten."""
    if len(history) < 2:
        return False
    *earlier, last = (-point.value if is_lower else point.value for point in history)
    has_room = is_lower or last < _PERFECT
    return has_room and all(last > value for value in earlier if math.isfinite(value))


def _advice(best_step: int, steps_per_epoch: int, history: Sequence[Point], *, was_rising: bool) -> str:
    use = f"use checkpoints/best, of epoch {best_step / steps_per_epoch:.4g}"
    last = history[-1].epoch * steps_per_epoch if history else best_step
    if best_step >= last - 0.5 and was_rising:
        return f"{use}: it was still getting better, more epochs may help"
    return use
