"""The rule `divergence`: the level of the loss has risen and lost much of what the run had gained.

Levels are medians of blocks of losses, so that no single batch counts. What is lost is measured as a share of the
progress, and against the noise of the levels. Objectives that may be negative have no such scale: silent there.
"""

from typing import Any, ClassVar

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.track import Block, Track
from rundir.records import Severity, StepRecord

EARLY_BLOCKS = 12
EARLY_RISE = 0.5
"""In the first blocks the loss must also have risen by this part of where it began: little is gained yet."""
CRITICAL_LEVEL = 0.05
"""What is lost must also be this part of the loss at the start, to be critical."""
PROGRESS_NOISE = 10.0
"""Progress counts as at least so many deviations of a block."""
CLEAR_BLOCKS = 4
SLOW_BLOCKS = 6


class DivergenceState(RuleState, kw_only=True):
    """What the rule remembers."""

    good_in_a_row: int = 0


class DivergenceRule(Rule[DivergenceState]):
    """Warning from a quarter of the progress lost that does not come back, critical from 60%."""

    name = "divergence"
    title = "level of the loss rising over its best"
    gravest = Severity.CRITICAL
    reads = (StepRecord,)
    needs = ("level of the loss",)
    limits: ClassVar = {"lost": 0.25, "lost_critical": 0.6, "noise": 6.0, "clear": 0.15}
    state_type = DivergenceState

    def missing(self, track: Track) -> str | None:
        if self.is_signed(track):
            return "the loss may be negative: its level says nothing"
        return None if track.best else "no level of the loss yet"

    def forget_beyond(self, step: int) -> None:
        self.state.good_in_a_row = 0

    def judge(self, record: StepRecord, track: Track) -> list[AlertChange]:
        if not track.has_block or self.is_signed(track):
            return []
        best = track.best_level
        if best is None or track.start is None or len(track.blocks) < 4:
            return []
        lost = self._lost(track, best)
        if lost is None:
            return self._well(record, track, best)
        share, rise, severity = lost
        self.state.good_in_a_row = 0
        return self.hold(self._finding(record, track, best, share, rise, severity), track)

    def _scale(self, track: Track, best: float) -> float:
        scale = max(track.progress, PROGRESS_NOISE * track.block_noise)
        return max(scale, abs(track.start or 0.0)) if track.num_blocks < 8 else scale

    def _lost(self, track: Track, best: float) -> tuple[float, float, Severity] | None:
        """Share of the progress that is lost, the rise, and how grave that is; None when it is not."""
        blocks, limit, start = track.blocks, self.limit, abs(track.start or 0.0)
        levels = [b.level for b in blocks]
        scale = self._scale(track, best)
        rise = min(levels[-2:]) - best
        if scale <= 0.0 or rise <= limit["noise"] * track.block_noise or rise <= limit["lost"] * scale:
            return None
        if track.num_blocks < EARLY_BLOCKS and rise < EARLY_RISE * start:
            return None
        share = rise / scale
        if share > limit["lost_critical"] and rise > CRITICAL_LEVEL * start:
            return share, rise, Severity.CRITICAL
        late = levels[-SLOW_BLOCKS:]
        is_old = len(late) == SLOW_BLOCKS and min(late) - best > limit["lost"] * scale
        peak = max(late) - best
        if is_old and rise > 0.85 * peak:  # a harder task, once begun, is learnt: its loss falls again
            return share, rise, Severity.WARNING
        return None

    def _well(self, record: StepRecord, track: Track, best: float) -> list[AlertChange]:
        state = self.state
        if state.firing is None:
            return []
        scale = self._scale(track, best)
        is_well = scale > 0.0 and track.blocks[-1].level - best < self.limit["clear"] * scale
        state.good_in_a_row = state.good_in_a_row + 1 if is_well else 0
        if state.good_in_a_row < CLEAR_BLOCKS:
            return []
        return self.clear(record.step, f"loss {track.blocks[-1].level:.4g} is back at its best level", track=track)

    def _finding(
        self, record: StepRecord, track: Track, best: float, share: float, rise: float, severity: Severity
    ) -> Finding:
        level = best + rise
        onset = _onset(track.blocks, best + 0.2 * rise)
        evidence: dict[str, Any] = {
            "level": level,
            "best_level": best,
            "best_step": track.best[-1][0],
            "start_loss": track.start,
            "progress_lost_percent": round(min(100.0 * share, 1e9), 1),
            "block_noise": track.block_noise,
            "block_records": track.block_size,
        }
        if record.lr is not None:
            evidence["lr"] = record.lr
        if track.lr_rose_step is not None and 0 <= onset - track.lr_rose_step <= 200:
            evidence["lr_rose_at_step"] = track.lr_rose_step
        return Finding(
            severity=severity,
            message=f"loss level {level:.4g} is up from its best {best:.4g} at step {track.best[-1][0]}: "
            f"{min(share, 99.99):.0%} of the progress is lost",
            step=record.step,
            onset_step=onset,
            evidence=evidence,
        )


def _onset(blocks: list[Block], above: float) -> int:
    """The first step of the unbroken stretch of blocks, up to now, that stand above a level."""
    onset = blocks[-1].first_step
    for block in reversed(blocks):
        if block.level <= above:
            break
        onset = block.first_step
    return onset
