"""The rule on what a program without a model scores: `below-baseline`."""

import math
from typing import ClassVar

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.track import Track
from rundir.records import EvalRecord, LifecycleEvent, Record, Severity, number

UNPLANNED_EVALS = 3
"""Evaluations that must have been made where the length of the run is unknown."""


class BelowBaselineState(RuleState, kw_only=True):
    """What the rule remembers."""

    baseline: float | None = None
    best: float | None = None
    best_step: int = 0
    first_step: int = 0
    num: int = 0
    above_step: int | None = None
    """Of the first evaluation that was better than the baseline."""


class BelowBaselineRule(Rule[BelowBaselineState]):
    """Warning: half of the run is over, and no evaluation scores better than a program without a model.

    Both are of the metric that chooses the best checkpoint; the trainer writes the baseline's down. An absolute fact.
    """

    name = "below-baseline"
    title = "evaluations no better than a program without a model"
    gravest = Severity.WARNING
    reads = (EvalRecord, LifecycleEvent)
    needs = ("event.baseline", "facts.eval_metric")
    limits: ClassVar = {"share": 0.5}
    state_type = BelowBaselineState

    def forget_beyond(self, step: int) -> None:
        if self.state.best_step > step:
            self.state.best, self.state.num = None, 0
        if self.state.above_step is not None and self.state.above_step > step:
            self.state.above_step = None

    def judge(self, record: Record, track: Track) -> list[AlertChange]:
        state, metric = self.state, self.facts.eval_metric
        if isinstance(record, LifecycleEvent):
            if record.what == "baseline" and metric is not None:
                known = number((record.detail or {}).get(metric))
                state.baseline = known if math.isfinite(known) else None
            return []
        if not isinstance(record, EvalRecord) or metric is None or state.baseline is None:
            return []
        value = number(record.loss) if metric == "loss" else number((record.metrics or {}).get(metric))
        if not math.isfinite(value):
            return []
        state.num += 1
        state.first_step = record.step if state.num == 1 else state.first_step
        sign = -1.0 if self.facts.is_lower_better else 1.0
        if state.best is None or sign * value > sign * state.best:
            state.best, state.best_step = value, record.step
        if state.above_step is None and sign * state.best > sign * state.baseline:
            state.above_step = record.step
        if state.above_step is not None:
            return self.clear(
                record.step, f"{metric} {value:.4g} is above the baseline {state.baseline:.4g}", track=track
            )
        planned = self.facts.planned_steps
        is_late = state.num >= UNPLANNED_EVALS if planned is None else record.step >= self.limit["share"] * planned
        if not is_late:
            return []
        finding = Finding(
            severity=Severity.WARNING,
            message=f"no evaluation is better than the baseline: {metric} {state.best:.4g} at best, "
            f"{state.baseline:.4g} without a model",
            step=record.step,
            onset_step=state.first_step,
            evidence={"best": state.best, "baseline": state.baseline, "evals": state.num},
        )
        return self.hold(finding, track)
