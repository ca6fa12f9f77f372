"""The rules on gradient norms: `grad-explode`, `grad-zero`, `grad-vanish`, `always-clipping`. All read the norm before
clipping; ratios of norms alone, so that no unit matters.
"""

import math
from typing import Any, ClassVar

from msgspec import field

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.noise import median, spread, step_noise
from rundir.alerts.track import Track
from rundir.records import Severity, StepRecord, number

WINDOW = 128
"""Steps, or as many records as make a window, whose median is usual."""
READY = 24
NOISE_EVERY = 8
NOISE_FLOOR = 0.05
"""In decades: no norm is steadier than that for long."""
NOISE_FACTOR = 6.0
TAIL_FACTOR = 1.5
OVER_FIRST = 0.3
"""Decades over the median of the first norms that an exploding one also stands: the first steps have large ones."""
FIRST = 50
HITS, OF = 3, 5
SPARSE_HITS, SPARSE_DECADES = 2, 1.3
"""In a sparse log so many of the last are enough if so high."""
LOST, LEAST_PROGRESS = 0.25, 0.1
"""Part of the progress (that of the first loss at least) that the loss has lost where a norm that was usual at first
counts all the same."""
LATE = 12
GRAVE_DECADES = 2.0
CLEAR_AFTER = 20
MAX_REJECTED = 40
FEWEST_CLIPPED = 20
ZERO_RECORDS, ZERO_STEPS = 3, 10
"""So many records that span so many steps: every tenth step is logged, or every one."""


def norm_of(record: StepRecord) -> float | None:
    """The gradient norm; None when it is absent or not finite."""
    norm = number(record.grad_norm)
    return norm if math.isfinite(norm) else None


class ExplodeState(RuleState, kw_only=True):
    """What the rule remembers: norms as decades."""

    first: list[float] = field(default_factory=list)
    window: list[float] = field(default_factory=list)
    centre: float = 0.0
    noise: float = 0.0
    to_estimate: int = 0
    rejected: int = 0
    tail: float = 0.0
    late: list[float] = field(default_factory=list)
    """Decades over the median of the last accepted ones."""
    hits: list[tuple[int, float]] = field(default_factory=list)
    """Step and decades over the median of the last records, 0 for none."""
    good_in_a_row: int = 0


class GradExplodeRule(Rule[ExplodeState]):
    """Warning: three of the last five norms ten times over the usual; critical: a hundred times."""

    name = "grad-explode"
    title = "gradient norm many times the usual"
    gravest = Severity.CRITICAL
    reads = (StepRecord,)
    needs = ("grad_norm",)
    limits: ClassVar = {"decades": 1.0}
    state_type = ExplodeState

    def forget_beyond(self, step: int) -> None:
        self.state.window, self.state.hits, self.state.to_estimate = [], [], 0

    def judge(self, record: StepRecord, track: Track) -> list[AlertChange]:
        state, norm = self.state, norm_of(record)
        if norm is None and record.grad_norm is not None and track.is_sparse and self._last_hit() > SPARSE_DECADES:
            # Of a sparse log one record is all there is before the floats end.
            self._note(record.step, self._last_hit())
            state.good_in_a_row = 0
            return self.hold(self._finding(record), track) if self._is_hit_often(track) else []
        if norm is None or norm <= 0.0:
            return []
        value = math.log10(norm)
        if len(state.first) < FIRST:
            state.first.append(value)
        over = value - state.centre if len(state.window) >= self._ready(track) else 0.0
        threshold = max(NOISE_FACTOR * max(state.noise, NOISE_FLOOR), self.limit["decades"], TAIL_FACTOR * state.tail)
        is_hit = over > threshold and (value > median(state.first) + OVER_FIRST or self._has_lost(track))
        self._note(record.step, over if is_hit else 0.0)
        self._learn(value, over, track, is_hit=is_hit)
        state.good_in_a_row = 0 if over > threshold / 2.0 else state.good_in_a_row + 1
        if is_hit and self._is_hit_often(track):
            return self.hold(self._finding(record), track)
        if state.firing is not None and state.good_in_a_row >= CLEAR_AFTER:
            return self.clear(record.step, f"gradient norm {norm:.4g} is as usual again", track=track)
        return []

    def _last_hit(self) -> float:
        return self.state.hits[-1][1] if self.state.hits else 0.0

    def _ready(self, track: Track) -> int:
        return READY // 2 if track.is_sparse else READY

    def _note(self, step: int, decades: float) -> None:
        self.state.hits.append((step, decades))
        del self.state.hits[:-OF]

    def _is_hit_often(self, track: Track) -> bool:
        decades = [each for _, each in self.state.hits]
        return sum(each > 0.0 for each in decades) >= HITS or (
            track.is_sparse and sum(each > SPARSE_DECADES for each in decades[-HITS:]) >= SPARSE_HITS
        )

    def _has_lost(self, track: Track) -> bool:
        best = track.best_level
        if track.loss is None or best is None or self.is_signed(track):
            return False
        return track.loss - best > LOST * max(track.progress, LEAST_PROGRESS * abs(track.start or 0.0))

    def _learn(self, value: float, over: float, track: Track, *, is_hit: bool) -> None:
        state = self.state
        if is_hit and state.rejected < MAX_REJECTED:
            state.rejected += 1
            return
        if is_hit:  # it stays there: that is what is usual from here on
            state.window, state.late, state.tail = [], [], 0.0
        state.rejected = 0
        state.window.append(value)
        del state.window[: -max(WINDOW // track.stride, READY)]
        # What rises now is judged before it counts as usual; half of what was is forgotten in 140 records.
        state.late.append(over)
        if len(state.late) > LATE:
            state.tail = max(state.late.pop(0), 0.995 * state.tail)
        state.to_estimate -= 1
        if state.to_estimate <= 0:
            state.to_estimate = NOISE_EVERY if len(state.window) >= self._ready(track) else 1
            state.centre = median(state.window)
            state.noise = max(spread(state.window), step_noise(state.window))

    def _finding(self, record: StepRecord) -> Finding:
        state, norm = self.state, number(record.grad_norm)
        over = sorted(decades for _, decades in state.hits if decades > 0.0)
        usual = 10.0**state.centre
        grave = over[-min(HITS, len(over))] > GRAVE_DECADES
        evidence: dict[str, Any] = {
            "grad_norm": norm if math.isfinite(norm) else None,
            "usual": usual,
            "times_usual": round(10.0 ** min(over[-1], 300.0), 1),
            "window_records": len(state.window),
        }
        return Finding(
            severity=Severity.CRITICAL if grave else Severity.WARNING,
            message=f"gradient norm {norm:.4g} at step {record.step}, where {usual:.3g} is usual; "
            f"{len(over)} of the last {len(state.hits)} records",
            step=record.step,
            onset_step=next(step for step, decades in state.hits if decades > 0.0),
            evidence=evidence,
        )


class ZeroState(RuleState, kw_only=True):
    """What the rule remembers."""

    num: int = 0
    since_step: int = 0


class GradZeroRule(Rule[ZeroState]):
    """Critical: nothing is learnt from here on."""

    name = "grad-zero"
    title = "gradient norm that is exactly zero"
    gravest = Severity.CRITICAL
    reads = (StepRecord,)
    needs = ("grad_norm",)
    limits: ClassVar = {"steps": float(ZERO_STEPS)}
    cooldown = 0
    state_type = ZeroState

    def forget_beyond(self, step: int) -> None:
        self.state.num = 0

    def judge(self, record: StepRecord, track: Track) -> list[AlertChange]:
        state, norm = self.state, norm_of(record)
        if norm is None:
            return []
        if norm != 0.0 or track.is_perfect:
            state.num = 0
            return self.clear(record.step, f"gradient norm {norm:.4g} at step {record.step}")
        state.num += 1
        state.since_step = record.step if state.num == 1 else state.since_step
        span = record.step - state.since_step + track.stride
        if state.num < ZERO_RECORDS or span < self.limit["steps"]:
            return []
        finding = Finding(
            severity=Severity.CRITICAL,
            message=f"gradient norm is exactly 0 since step {state.since_step}: nothing is learnt",
            step=record.step,
            onset_step=state.since_step,
            evidence={"grad_norm": 0.0, "records": state.num, "steps": span},
        )
        return self.hold(finding, track)


class VanishState(RuleState, kw_only=True):
    """What the rule remembers."""

    first: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    """Gradient norm of the first weight matrix over that of the last."""


class GradVanishRule(Rule[VanishState]):
    """Warning: a gradient that has all but gone while little is learnt, as a whole or on its way to the first layer."""

    name = "grad-vanish"
    title = "gradient norm that fades away while the loss stays high"
    gravest = Severity.WARNING
    reads = (StepRecord,)
    needs = ("grad_norm|grad_norm_first",)
    limits: ClassVar = {"of_first": 1e-3, "first_to_last": 1e-3, "ratio_records": 8.0}
    state_type = VanishState

    def forget_beyond(self, step: int) -> None:
        self.state.last, self.state.ratios = [], []

    def judge(self, record: StepRecord, track: Track) -> list[AlertChange]:
        self._take(record)
        if track.start is None or track.best_level is None or self.is_signed(track):
            return []
        if not (track.has_block or "grad_norm_first" in (record.metrics or {})):
            return []
        finding = self._through_layers(record, track) or self._over_time(record, track)
        if finding is not None:
            return self.hold(finding, track)
        return self.clear(record.step, f"the gradient is back at step {record.step}", track=track)

    def _take(self, record: StepRecord) -> None:
        state, norm = self.state, norm_of(record)
        if norm is not None:
            if len(state.first) < FIRST:
                state.first.append(norm)
            state.last.append(norm)
            del state.last[:-FIRST]
        metrics = record.metrics or {}
        head, tail = number(metrics.get("grad_norm_first")), number(metrics.get("grad_norm_last"))
        if head > 0.0 and tail > 0.0 and math.isfinite(head) and math.isfinite(tail):
            state.ratios.append(min(head / tail, 1e300))
            del state.ratios[: -int(self.limit["ratio_records"])]

    def _over_time(self, record: StepRecord, track: Track) -> Finding | None:
        state = self.state
        if len(state.last) < FIRST or track.count < 2 * FIRST or track.progress > 0.5 * abs(track.start or 0.0):
            return None
        first, last = median(state.first), median(state.last)
        if not 0.0 < last < self.limit["of_first"] * first:
            return None
        return Finding(
            severity=Severity.WARNING,
            message=f"gradient norm has faded from {first:.3g} to {last:.3g} while the loss is still high",
            step=record.step,
            onset_step=record.step,
            evidence={"grad_norm_first_records": first, "grad_norm_last_records": last, "records": FIRST},
        )

    def _through_layers(self, record: StepRecord, track: Track) -> Finding | None:
        state = self.state
        if len(state.ratios) < self.limit["ratio_records"] or record.step < 100:
            return None
        ratio = median(state.ratios)
        if ratio >= self.limit["first_to_last"] or track.progress > 0.1 * abs(track.start or 0.0):
            return None
        return Finding(
            severity=Severity.WARNING,
            message=f"the first layer's gradient is {ratio:.1e} of the last one's, and little is learnt",
            step=record.step,
            onset_step=1,
            evidence={"first_to_last_ratio": ratio, "records": len(state.ratios), "progress": track.progress},
        )


class ClippingState(RuleState, kw_only=True):
    """What the rule remembers."""

    clipped: list[bool] = field(default_factory=list)
    num: int = 0


class AlwaysClippingRule(Rule[ClippingState]):
    """Info: the limit, not the gradient, sets the length of nearly every update."""

    name = "always-clipping"
    title = "clipping on nearly every step"
    gravest = Severity.INFO
    reads = (StepRecord,)
    needs = ("grad_norm", "facts.clip_norm")
    limits: ClassVar = {"share": 0.95, "records": 200.0}
    state_type = ClippingState

    def forget_beyond(self, step: int) -> None:
        self.state.clipped, self.state.num = [], 0

    def judge(self, record: StepRecord, track: Track) -> list[AlertChange]:
        state, norm, clip_norm = self.state, norm_of(record), self.facts.clip_norm
        if norm is None or not clip_norm:
            return []
        state.clipped.append(norm > clip_norm)
        state.num += norm > clip_norm
        if len(state.clipped) > self.limit["records"]:
            state.num -= state.clipped.pop(0)
        if len(state.clipped) < FEWEST_CLIPPED or record.step < self.limit["records"]:
            return []
        share = state.num / len(state.clipped)
        if state.firing is not None and share < 0.7 * self.limit["share"]:
            return self.clear(record.step, f"clipped on {share:.0%} of the last steps", track=track)
        if share < self.limit["share"]:
            return []
        finding = Finding(
            severity=Severity.INFO,
            message=f"{share:.0%} of the last {len(state.clipped)} gradients were over clip_norm = {clip_norm:g}",
            step=record.step,
            onset_step=record.step,
            evidence={"share": share, "clip_norm": clip_norm, "grad_norm": norm, "window_records": len(state.clipped)},
        )
        return self.hold(finding, track)
