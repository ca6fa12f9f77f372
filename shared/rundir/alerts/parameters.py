"""The rules on parts of a network that no longer take part: `frozen` and `dead-relu`.

Both read what the trainer samples at its own cadence: exact zeros, which are facts and need no scale.
"""

import math
from typing import ClassVar

from msgspec import field

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.track import Track
from rundir.records import Severity, StepRecord, number

NAMES_SHOWN = 3


class FrozenState(RuleState, kw_only=True):
    """What the rule remembers."""

    num: int = 0
    since_step: int = 0
    names: list[str] = field(default_factory=list)
    """Those that did not change at any sample of this stretch."""


class FrozenRule(Rule[FrozenState]):
    """Warning: a tensor that is to be trained does not change."""

    name = "frozen"
    title = "trainable tensors that updates leave as they are"
    gravest = Severity.WARNING
    reads = (StepRecord,)
    needs = ("unchanged_count",)
    limits: ClassVar = {"samples": 5.0}
    state_type = FrozenState

    def forget_beyond(self, step: int) -> None:
        self.state.num = 0

    def judge(self, record: StepRecord, track: Track) -> list[AlertChange]:
        state = self.state
        count = number((record.metrics or {}).get("unchanged_count")) if record.metrics else math.nan
        if not math.isfinite(count) or record.lr == 0.0 or (record.metrics or {}).get("skipped_updates"):
            return []  # not sampled; or nothing could have changed
        if count <= 0.0 or (track.is_perfect and record.grad_norm == 0.0):
            state.num = 0
            return self.clear(record.step, f"every trainable tensor changes at step {record.step}", track=track)
        state.num += 1
        if state.num == 1:
            state.since_step, state.names = record.step, list(record.unchanged)
        elif record.unchanged:
            state.names = [name for name in state.names if name in record.unchanged] or list(record.unchanged)
        if state.num < self.limit["samples"]:
            return []
        shown = ", ".join(state.names[:NAMES_SHOWN])
        more = f" and {count - min(len(state.names), NAMES_SHOWN):.0f} more" if count > len(state.names) else ""
        finding = Finding(
            severity=Severity.WARNING,
            message=f"{count:.0f} trainable tensors have not changed since step {state.since_step}"
            + (f": {shown}{more}" if shown else ""),
            step=record.step,
            onset_step=state.since_step,
            evidence={"unchanged": count, "names": state.names, "samples": state.num},
        )
        return self.hold(finding, track)


class DeadReluState(RuleState, kw_only=True):
    """What the rule remembers."""

    num: int = 0
    since_step: int = 0
    well_step: int = 0
    """Of the last look at which all was well: it began between that and the next."""


class DeadReluRule(Rule[DeadReluState]):
    """Warning: over half of a layer's units are active for no input at all."""

    name = "dead-relu"
    title = "layers most of whose ReLU units no input activates"
    gravest = Severity.WARNING
    reads = (StepRecord,)
    needs = ("dead_relu_share",)
    limits: ClassVar = {"share": 0.5, "samples": 2.0}
    state_type = DeadReluState

    def forget_beyond(self, step: int) -> None:
        self.state.num = 0

    def judge(self, record: StepRecord, track: Track) -> list[AlertChange]:
        state = self.state
        share = number(record.metrics.get("dead_relu_share")) if record.metrics else math.nan
        if not math.isfinite(share):
            return []
        if share <= self.limit["share"]:
            state.num, state.well_step = 0, record.step
            if share > 0.8 * self.limit["share"]:
                return []
            return self.clear(record.step, f"at most {share:.0%} of a layer's units are dead", track=track)
        state.num += 1
        state.since_step = (state.well_step + record.step + 1) // 2 if state.num == 1 else state.since_step
        if state.num < self.limit["samples"]:
            return []
        finding = Finding(
            severity=Severity.WARNING,
            message=f"{share:.0%} of a layer's ReLU units were active for no input",
            step=record.step,
            onset_step=state.since_step,
            evidence={"dead_share": share, "samples": state.num},
        )
        return self.hold(finding, track)
