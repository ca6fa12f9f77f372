"""The rule `worse-than-sibling`: the loss against that of another run of the same configuration at the same steps.

A learning rate that is moderately too high cannot be seen in one curve, as it still falls; it can beside another.
"""

from bisect import bisect_left, bisect_right
from typing import ClassVar

from msgspec import field

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.noise import median, step_noise
from rundir.alerts.track import Track
from rundir.records import Severity, StepRecord


class SiblingState(RuleState, kw_only=True):
    """What the rule remembers."""

    gaps: list[float] = field(default_factory=list)
    """Level of this run less that of the sibling, of the last blocks."""
    steps: list[int] = field(default_factory=list)


class WorseThanSiblingRule(Rule[SiblingState]):
    """Warning: five blocks in a row stand well above the sibling's loss at the same steps."""

    name = "worse-than-sibling"
    title = "loss above that of an earlier run of the same configuration"
    gravest = Severity.WARNING
    reads = (StepRecord,)
    needs = ("facts.sibling",)
    limits: ClassVar = {"noise": 5.0, "progress": 0.1, "blocks": 5.0, "from_step": 50.0}
    state_type = SiblingState

    def forget_beyond(self, step: int) -> None:
        self.state.gaps, self.state.steps = [], []

    def judge(self, record: StepRecord, track: Track) -> list[AlertChange]:
        curve = self.facts.sibling
        if not track.has_block or curve is None or self.is_signed(track) or record.step < self.limit["from_step"]:
            return []
        block = track.blocks[-1]
        theirs = _between(curve, block.first_step, block.step)
        if len(theirs) < 3:
            return []
        state, level = self.state, median(theirs)
        state.gaps.append(block.level - level)
        state.steps.append(block.first_step)
        num = int(self.limit["blocks"])
        del state.gaps[:-num], state.steps[:-num]
        noise = max(track.block_noise, step_noise(theirs) / max(len(theirs) - 1, 1) ** 0.5)
        begun = max(track.start or 0.0, curve[0][1])
        threshold = max(self.limit["noise"] * noise, self.limit["progress"] * max(begun - level, 0.0))
        if max(state.gaps) < 0.5 * threshold:
            return self.clear(record.step, "the loss is that of the earlier run", track=track)
        if len(state.gaps) < num or min(state.gaps) <= threshold:
            return []
        finding = Finding(
            severity=Severity.WARNING,
            message=f"loss {block.level:.4g} at step {record.step}, where the earlier run had {level:.4g}",
            step=record.step,
            onset_step=state.steps[0],
            evidence={"level": block.level, "sibling_level": level, "threshold": threshold, "blocks": num},
        )
        return self.hold(finding, track)


def _between(curve: list[tuple[int, float]], first: int, last: int) -> list[float]:
    """The sibling's losses of those steps, and of as many around them where it logged fewer."""
    begin, end = bisect_left(curve, (first, -1e300)), bisect_right(curve, (last, 1e300))
    if end - begin < 3:
        begin, end = max(begin - 2, 0), min(end + 2, len(curve))
    if (begin == 0 and end and curve[0][0] > last) or (end == len(curve) and begin < end and curve[-1][0] < first):
        return []  # it has no such steps
    return [loss for _, loss in curve[begin:end]]
