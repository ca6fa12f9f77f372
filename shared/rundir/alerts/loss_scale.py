"""The rule `loss-scale-collapse`: the loss scaler of fp16 finds no scale that fits.

Exempt from scaling: 2^-5 is a property of fp16.
"""

import math
from typing import ClassVar

from msgspec import field

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.track import Track
from rundir.records import Severity, StepRecord, number

CLEAR_AFTER = 20


class ScaleState(RuleState, kw_only=True):
    """What the rule remembers."""

    window: list[tuple[int, float]] = field(default_factory=list)
    """Step and scale."""
    good_in_a_row: int = 0


class LossScaleRule(Rule[ScaleState]):
    """Critical: the scale is so low that gradients underflow. Warning: it was halved again and again."""

    name = "loss-scale-collapse"
    title = "fp16 loss scale that has collapsed"
    gravest = Severity.CRITICAL
    reads = (StepRecord,)
    needs = ("loss_scale",)
    limits: ClassVar = {"least": 2.0**-5, "halvings": 5.0, "window": 100.0}
    """The least scale is metaseq's limit (min_loss_scale)."""
    state_type = ScaleState

    def forget_beyond(self, step: int) -> None:
        self.state.window = [entry for entry in self.state.window if entry[0] <= step]

    def judge(self, record: StepRecord, track: Track) -> list[AlertChange]:
        state = self.state
        scale = number(record.metrics.get("loss_scale")) if record.metrics else math.nan
        if not math.isfinite(scale):
            return []
        window = state.window
        window.append((record.step, scale))
        del window[: -int(self.limit["window"])]
        if not scale > self.limit["least"]:
            state.good_in_a_row = 0
            text = f"loss scale has come down to {scale:.3g}: fp16 gradients underflow"
            return self.hold(self._finding(Severity.CRITICAL, text, record, scale), track)
        # The search at the start goes down too, and ends above 1.
        highest = max((each for _, each in window), default=scale)
        halvings = math.log2(highest / scale)
        is_falling = halvings >= self.limit["halvings"] and scale < 1.0 and scale == min(each for _, each in window)
        if is_falling:
            state.good_in_a_row = 0
            text = f"loss scale was halved {halvings:.0f} times within {len(window)} records, to {scale:.3g}"
            return self.hold(self._finding(Severity.WARNING, text, record, scale), track)
        state.good_in_a_row += 1
        if state.good_in_a_row >= CLEAR_AFTER:
            return self.clear(record.step, f"loss scale is {scale:.3g}", track=track)
        return []

    def _finding(self, severity: Severity, text: str, record: StepRecord, scale: float) -> Finding:
        window = self.state.window
        highest = max(window, key=lambda entry: entry[1]) if window else (record.step, scale)
        return Finding(
            severity=severity,
            message=text,
            step=record.step,
            onset_step=highest[0],
            evidence={"loss_scale": scale, "highest_of_late": highest[1], "window_records": len(window)},
        )
