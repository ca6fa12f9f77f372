"""The rule `loss-spike`: a loss that stands far above those before it, by noise and by what the run has gained.

One record is enough for a large one. A smaller one is a mark: an isolated batch that is harder than others is how
training looks, and a loss that stays up is a matter for `divergence`.
"""

import math
from typing import Any, ClassVar

from msgspec import field

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.noise import median, spread
from rundir.alerts.track import Track
from rundir.records import Severity, StepRecord

SUSTAINED_OF = 5
SUSTAINED = 3
"""Of sparse records so many of the last few must be high."""
CLEAR_OF = 15
CLEAR_NOISE = 3.0
"""Over when the median of so many losses is back within so many deviations."""
LOG_NOISE = 4.0
MOST_DECADES = 12.0
ISOLATED_KEPT = 8
FORGET_AFTER = 50
"""Losses after which a spike that has not come back is a level: `divergence` judges that."""


class SpikeState(RuleState, kw_only=True):
    """What the rule remembers."""

    recent: list[float] = field(default_factory=list)
    """Excess over the reference of the last losses."""
    reference: float | None = None
    """The median that the spike stands over, while one is on."""
    noise: float = 0.0
    threshold: float = 0.0
    usual_rise: float = 0.0
    """What the noise of the loss's logarithm allows: once the data are known by heart, losses differ by decades."""
    onset_step: int = 0
    num_since: int = 0
    isolated: list[float] = field(default_factory=list)
    """Heights of the last spikes of a single record: the next of their kind is no news."""
    highest: float = 0.0


class SpikeRule(Rule[SpikeState]):
    """Warning: large. Info: a rise that is a spike by the noise alone."""

    name = "loss-spike"
    title = "loss far above those before it"
    gravest = Severity.WARNING
    reads = (StepRecord,)
    limits: ClassVar = {"noise": 15.0, "tail": 2.0, "progress": 0.25}
    state_type = SpikeState

    def judge(self, record: StepRecord, track: Track) -> list[AlertChange]:
        state = self.state
        if track.loss is None:
            return []
        if state.reference is None:
            if not track.is_spiky or track.excess is None:
                return []
            state.reference, state.noise, state.threshold = track.loss - track.excess, track.noise, track.spiky_above
            state.usual_rise = _usual_rise(track.window, state.reference)
            state.onset_step, state.num_since, state.recent, state.highest = record.step, 0, [], 0.0
        excess = track.loss - state.reference
        state.num_since += 1
        state.highest = max(state.highest, excess)
        state.recent.append(excess)
        del state.recent[:-CLEAR_OF]
        changes = self._raise_if_large(record, track)
        return changes + self._end_if_over(record, track)

    def forget_beyond(self, step: int) -> None:
        self.state.reference = None
        self.state.recent = []

    def _raise_if_large(self, record: StepRecord, track: Track) -> list[AlertChange]:
        state, limit = self.state, self.limit
        before = limit["tail"] * max(state.isolated, default=0.0)
        major = max(
            *(limit["noise"] * state.noise, state.threshold, before, limit["progress"] * track.progress),
            state.usual_rise,
        )
        late = state.recent[-SUSTAINED_OF:]
        # Of sparse records a single one says little: what it stands for is over, or will show in the next ones.
        if state.highest > major and (track.stride == 1 or sum(each > major / 2.0 for each in late) >= SUSTAINED):
            return self.hold(self._finding(Severity.WARNING, record, track), track)
        return self.hold(self._finding(Severity.INFO, record, track), track)

    def _end_if_over(self, record: StepRecord, track: Track) -> list[AlertChange]:
        state = self.state
        late = state.recent[-3:]
        is_grave = state.firing is not None and state.firing.severity is not Severity.INFO
        if state.num_since >= 3 and len(late) == 3 and max(late[-2:]) <= state.threshold / 2.0 and not is_grave:
            track.note_tail(state.highest)
            state.isolated = [*state.isolated[-ISOLATED_KEPT + 1 :], state.highest]
            state.reference = None
            return self.clear(record.step, f"the loss is back at step {record.step}")
        is_back = len(state.recent) >= CLEAR_OF and median(state.recent) <= CLEAR_NOISE * state.noise
        if not is_back and state.num_since < FORGET_AFTER:
            return []
        state.reference = None
        track.note_tail(state.highest if is_back else 0.0)
        if is_back:
            state.isolated = [*state.isolated[-ISOLATED_KEPT + 1 :], state.highest]
        text = "the loss is back" if is_back else "the loss stays where the spike has led"
        return self.clear(record.step, f"{text} at step {record.step}", track=track)

    def _finding(self, severity: Severity, record: StepRecord, track: Track) -> Finding:
        state = self.state
        reference = state.reference or 0.0
        level = reference + state.highest
        sigmas = state.highest / state.noise if state.noise > 0.0 else None
        evidence: dict[str, Any] = {
            "loss": level,
            "median_before": reference,
            "noise": state.noise,
            "threshold": reference + state.threshold,
            "window_records": len(track.window),
        }
        if sigmas is not None and sigmas < 1e6:
            evidence["sigmas"] = round(sigmas, 1)
        if record.lr is not None:
            evidence["lr"] = record.lr
        text = (
            "" if sigmas is None else f", {min(sigmas, 9999):.0f} deviations over the median {reference:.4g} before it"
        )
        return Finding(
            severity=severity,
            message=f"loss jumped to {level:.4g} at step {state.onset_step}{text}",
            step=record.step,
            onset_step=state.onset_step,
            evidence=evidence,
        )


def _usual_rise(window: list[float], reference: float) -> float:
    """How far over its median a positive loss may stand by the noise of its logarithm; 0 where it may be negative."""
    if reference <= 0.0 or min(window, default=0.0) <= 0.0:
        return 0.0
    decades = LOG_NOISE * spread([math.log10(each) for each in window])
    return reference * (math.pow(10.0, min(decades, MOST_DECADES)) - 1.0)
