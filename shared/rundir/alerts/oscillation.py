"""The rule `oscillation`: a loss that swings from record to record. A mark: of twenty attempts to provoke one that
stays, none did.
"""

import itertools
import math
from typing import ClassVar

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.track import Track
from rundir.records import Severity, StepRecord

WINDOW = 64
CHECKS = 3


class OscillationState(RuleState, kw_only=True):
    """What the rule remembers."""

    num: int = 0


class OscillationRule(Rule[OscillationState]):
    """Info: neighbouring losses lie on opposite sides of their trend, again and again."""

    name = "oscillation"
    title = "loss swinging from record to record"
    gravest = Severity.INFO
    reads = (StepRecord,)
    needs = ("level of the loss",)
    limits: ClassVar = {"r1": -0.5, "r2": 0.3, "amplitude": 0.02}
    state_type = OscillationState

    def missing(self, track: Track) -> str | None:
        return None if track.num_losses >= WINDOW else f"needs {WINDOW} step records"

    def forget_beyond(self, step: int) -> None:
        self.state.num = 0

    def judge(self, record: StepRecord, track: Track) -> list[AlertChange]:
        if track.num_losses % WINDOW or len(track.window) < WINDOW or track.loss is None:
            return []
        state, window = self.state, track.window[-WINDOW:]
        mean = math.fsum(window) / WINDOW
        centre = (WINDOW - 1) / 2
        slope = math.fsum((i - centre) * (each - mean) for i, each in enumerate(window))
        slope /= math.fsum((i - centre) ** 2 for i in range(WINDOW))
        rest = [each - mean - slope * (i - centre) for i, each in enumerate(window)]
        power = math.fsum(each * each for each in rest)
        if power <= 0.0:
            return []
        r1 = math.fsum(a * b for a, b in itertools.pairwise(rest)) / power
        r2 = math.fsum(a * b for a, b in zip(rest, rest[2:], strict=False)) / power
        amplitude = math.sqrt(power / WINDOW)
        swings = r1 < self.limit["r1"] and r2 > self.limit["r2"] and amplitude > self.limit["amplitude"] * abs(mean)
        state.num = state.num + 1 if swings else 0
        if not swings:
            return self.clear(record.step, "the loss no longer swings", track=track)
        if state.num < CHECKS:
            return []
        finding = Finding(
            severity=Severity.INFO,
            message=f"loss swings by ±{amplitude:.3g} about {mean:.4g} from record to record",
            step=record.step,
            onset_step=max(record.step - CHECKS * WINDOW * track.stride, 1),
            evidence={"r1": round(r1, 3), "r2": round(r2, 3), "amplitude": amplitude, "window_records": WINDOW},
        )
        return self.hold(finding, track)
