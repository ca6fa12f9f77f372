"""The rules on the size of updates: `lr-zero`, `lr-off-schedule`, `tiny-updates`.

A learning rate of exactly zero is an absolute fact; the others compare with the run's own peak, or with its plan.
"""

import math
from typing import ClassVar

from msgspec import field

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.noise import median
from rundir.alerts.track import Track
from rundir.records import OutcomeEvent, Record, Severity, StepRecord, number

EARLY_STEPS = 20
"""A warm-up begins at or near zero."""
SMOOTH_END = 0.05
"""A rate that comes down to this part of its peak before it is zero has been led there."""


class LrZeroState(RuleState, kw_only=True):
    """What the rule remembers."""

    num: int = 0
    since_step: int = 0
    last_positive: float | None = None


class LrZeroRule(Rule[LrZeroState]):
    """Warning: the learning rate is zero while there are steps to go."""

    name = "lr-zero"
    title = "learning rate that is exactly zero before the end"
    gravest = Severity.WARNING
    reads = (StepRecord,)
    needs = ("lr",)
    limits: ClassVar = {"records": 3.0, "steps": 10.0, "end_share": 0.05}
    cooldown = 0
    state_type = LrZeroState

    def forget_beyond(self, step: int) -> None:
        self.state.num = 0

    def judge(self, record: StepRecord, track: Track) -> list[AlertChange]:
        state, lr = self.state, number(record.lr)
        if not math.isfinite(lr):
            return []
        if lr != 0.0:
            state.num, state.last_positive = 0, abs(lr)
            return self.clear(record.step, f"learning rate {lr:.3g} at step {record.step}")
        state.num += 1
        state.since_step = record.step if state.num == 1 else state.since_step
        span = record.step - state.since_step + track.stride
        if state.num < self.limit["records"] or span < self.limit["steps"] or record.step <= EARLY_STEPS:
            return []
        if self._is_the_end(record, track, span):
            return []
        finding = Finding(
            severity=Severity.WARNING,
            message=f"learning rate is 0 since step {state.since_step}: the weights no longer change",
            step=record.step,
            onset_step=state.since_step,
            evidence={"lr": 0.0, "lr_peak": track.lr_peak, "records": state.num, "steps": span},
        )
        return self.hold(finding, track)

    def _is_the_end(self, record: StepRecord, track: Track, span: int) -> bool:
        planned = self.facts.planned_steps
        if planned is not None:
            return record.step > (1.0 - self.limit["end_share"]) * planned
        before = self.state.last_positive
        is_smooth = before is not None and before <= SMOOTH_END * track.lr_peak
        return is_smooth and span <= self.limit["end_share"] * record.step


class OffScheduleState(RuleState, kw_only=True):
    """What the rule remembers."""

    num_off: int = 0
    since_step: int = 0
    is_steered: bool = False
    """An order has changed the rate or the plan: what was planned holds no more."""


class LrOffScheduleRule(Rule[OffScheduleState]):
    """Warning: the learning rate is far from what the configured schedule says. Silent where an order changed it."""

    name = "lr-off-schedule"
    title = "learning rate far from the configured schedule"
    gravest = Severity.WARNING
    reads = (StepRecord, OutcomeEvent)
    needs = ("lr", "facts.schedule", "facts.planned_steps", "facts.lr_peak")
    limits: ClassVar = {"of_peak": 0.35, "records": 10.0, "steps": 30.0}
    state_type = OffScheduleState

    def judge(self, record: Record, track: Track) -> list[AlertChange]:
        state = self.state
        if isinstance(record, OutcomeEvent):
            state.is_steered |= record.result == "applied" and record.verb in ("set", "rollback")
            return []
        assert isinstance(record, StepRecord)  # noqa: S101
        lr, planned = number(record.lr), self._planned(record.step)
        if planned is None or state.is_steered or not math.isfinite(lr):
            return []
        peak = self.facts.lr_peak or 0.0
        if abs(lr - planned) <= self.limit["of_peak"] * peak:
            state.num_off = 0
            return self.clear(record.step, f"learning rate {lr:.3g} is as planned", track=track)
        state.num_off += 1
        state.since_step = record.step if state.num_off == 1 else state.since_step
        if state.num_off < self.limit["records"] or record.step - state.since_step < self.limit["steps"]:
            return []
        finding = Finding(
            severity=Severity.WARNING,
            message=f"learning rate {lr:.3g} at step {record.step}, where the {self.facts.schedule} schedule has "
            f"{planned:.3g}",
            step=record.step,
            onset_step=state.since_step,
            evidence={"lr": lr, "lr_planned": planned, "lr_peak": peak, "records": state.num_off},
        )
        return self.hold(finding, track)

    def forget_beyond(self, step: int) -> None:
        self.state.num_off = 0

    def _planned(self, step: int) -> float | None:
        """The rate of a step by the plan; None where the plan's shape is not known."""
        facts = self.facts
        peak, total, warmup = facts.lr_peak, facts.planned_steps, facts.warmup_steps or 0
        if peak is None or total is None or total <= warmup:
            return None
        if step <= warmup:
            return peak * step / max(warmup, 1)
        share = min((step - warmup) / (total - warmup), 1.0)
        match facts.schedule:
            case "constant":
                return peak
            case "linear":
                return peak * (1.0 - share)
            case "cosine":
                return peak * 0.5 * (1.0 + math.cos(math.pi * share))
            case _:
                return None


class TinyUpdatesState(RuleState, kw_only=True):
    """What the rule remembers."""

    ratios: list[float] = field(default_factory=list)
    first_step: int = 0


class TinyUpdatesRule(Rule[TinyUpdatesState]):
    """Warning: updates so small against the weights that nothing can come of them, and nothing has."""

    name = "tiny-updates"
    title = "updates minute against the weights, and little learnt"
    gravest = Severity.WARNING
    reads = (StepRecord,)
    needs = ("update_ratio",)
    limits: ClassVar = {"ratio": 1e-6, "samples": 5.0, "steps": 40.0, "progress": 0.2}
    state_type = TinyUpdatesState

    def forget_beyond(self, step: int) -> None:
        self.state.ratios = []

    def judge(self, record: StepRecord, track: Track) -> list[AlertChange]:
        state, ratio = self.state, number((record.metrics or {}).get("update_ratio"))
        lr = number(record.lr)
        if not math.isfinite(ratio) or lr < 0.5 * track.lr_peak:
            return []  # a warm-up, or the end of a decay
        if lr == 0.0 or self._is_warming_up(record.step):
            return []
        if not state.ratios:
            state.first_step = record.step
        state.ratios.append(ratio)
        del state.ratios[: -int(self.limit["samples"])]
        usual = median(state.ratios)
        if usual > 2.0 * self.limit["ratio"]:
            return self.clear(record.step, f"updates are {usual:.1e} of the weights", track=track)
        is_learnt = not self.is_signed(track) and track.progress > self.limit["progress"] * abs(track.start or 0.0)
        is_short = len(state.ratios) < self.limit["samples"] or record.step - state.first_step < self.limit["steps"]
        if not 0.0 < usual < self.limit["ratio"] or is_learnt or is_short:  # exactly zero is a frozen tensor
            return []
        finding = Finding(
            severity=Severity.WARNING,
            message=f"an update changes the weights by {usual:.1e} of their size (1e-4 to 1e-2 is usual), and the "
            "loss has hardly moved",
            step=record.step,
            onset_step=state.first_step,
            evidence={"update_ratio": usual, "samples": len(state.ratios), "lr": lr if math.isfinite(lr) else None},
        )
        return self.hold(finding, track)

    def _is_warming_up(self, step: int) -> bool:
        return self.facts.warmup_steps is not None and step < 0.5 * self.facts.warmup_steps
