"""The rule `divergence`: the level of the loss has risen and lost much of what the run had gained.

Levels are medians of blocks of losses, so that no single batch counts. What is lost is measured as a share of the
progress, and against the noise of the levels. Objectives that may be negative have no such scale: silent there.
"""

import math
from typing import Any, ClassVar

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.noise import median, quantile
from rundir.alerts.track import BLOCK, BLOCKS_KEPT, Track
from rundir.records import Severity, StepRecord

FIRST_STEPS = 120
"""Before that progress counts as all of the loss at the start."""
EARLY_STEPS = 180
EARLY_RISE = 0.5
"""In the first steps the loss must also have risen by this part of where it began: little is gained yet."""
CRITICAL_LEVEL = 0.05
"""What is lost must also be this part of the loss at the start, to be critical."""
PROGRESS_NOISE = 10.0
"""Progress counts as at least so many deviations of a block."""
LEAST_SCALE = 0.1
"""… and as at least this part of the loss at the start: a run may go wrong before it has gained anything."""
CLEAR_BLOCKS = 4
SLOW_BLOCKS, SLOW_NOISE = 6, 3.0
"""So many blocks in a row, whose median need stand no more deviations of a single one over the best."""
PLAIN_NOISE = 8.0
"""Deviations of a block over the best that leave no doubt after two blocks."""
PLAIN_BLOCKS, PLAIN_FEW_NOISE = 4, 4.0
"""So many blocks, each so many deviations over the best, leave none where less is lost."""
BLOWN_UP_RECORDS = 40
BLOWN_UP_TIMES = 2.0
"""So many losses after the first, every one so many times over it, are no noise."""
LONG_BLOCKS = 8
LONG_NOISE = 3.0
"""Deviations of a block that the median of so many blocks stands above that of as many before."""
APART_OF = 16
"""Losses before the last block with which these are compared one by one: of sparse logs there are few blocks."""
ALL_STEPS, ALL_RECORDS = 10, 3
"""… where each of them stands that far over the start, so few are enough."""
ALL_TIMES = 1.5
FAST_STEPS, FAST_RECORDS = 40, 4
FAST_NOISE = 5.0
"""Losses of about so many steps, at least so many of them, three quarters of which stand so many deviations of a single
loss above the best level, are enough to call what is lost critical."""


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
    limits: ClassVar = {
        "lost": 0.25,
        "lost_plainly": 0.18,
        "lost_soon": 0.35,
        "lost_fast": 0.45,
        "lost_critical": 0.6,
        "lost_for_long": 0.18,
        "noise": 6.0,
        "clear": 0.15,
    }
    state_type = DivergenceState

    def missing(self, track: Track) -> str | None:
        if self.is_signed(track):
            return "the loss may be negative: its level says nothing"
        return None if track.best else "no level of the loss yet"

    def forget_beyond(self, step: int) -> None:
        self.state.good_in_a_row = 0

    def judge(self, record: StepRecord, track: Track) -> list[AlertChange]:
        best = track.best_level
        if track.loss is None or best is None or track.num_blocks < 4 or self.is_signed(track):
            return []
        if not track.has_block and track.loss - best <= self.limit["lost_fast"] * self._scale(track):
            return []
        lost = (
            (track.has_block and (self._lost(track, best) or self._lost_for_long(track)))
            or self._lost_at_once(track, best)
            or self._lost_all(track, best)
            or _blown_up(track, best)
        )
        if not lost:
            return self._well(record, track, best) if track.has_block else []
        share, rise, severity = lost
        self.state.good_in_a_row = 0
        return self.hold(self._finding(record, track, best, share, rise, severity), track)

    def _scale(self, track: Track) -> float:
        scale = max(track.progress, PROGRESS_NOISE * track.block_noise, LEAST_SCALE * abs(track.start or 0.0))
        return max(scale, abs(track.start or 0.0)) if track.step - track.first_step < FIRST_STEPS else scale

    def _lost(self, track: Track, best: float) -> tuple[float, float, Severity] | None:
        """Share of the progress that is lost, the rise, and how grave that is; None when it is not."""
        blocks, limit, start = track.blocks, self.limit, abs(track.start or 0.0)
        levels = [b.level for b in blocks]
        scale = self._scale(track)
        if len(levels) < 2:
            return None
        rise, noise = min(levels[-2:]) - best, _block_noise(track)
        if scale <= 0.0 or rise <= limit["lost_plainly"] * scale:
            return None
        if track.step - track.first_step < EARLY_STEPS and rise < EARLY_RISE * start:
            return None
        share, is_apart = rise / scale, _is_apart(track)
        late, few = levels[-SLOW_BLOCKS:], levels[-PLAIN_BLOCKS:]
        if share > limit["lost"]:
            is_clear = rise > limit["noise"] * noise or is_apart
            if is_clear and share > limit["lost_critical"] and rise > CRITICAL_LEVEL * start:
                return share, rise, Severity.CRITICAL
            if is_apart and share > limit["lost_soon"] and rise > PLAIN_NOISE * noise and rise > CRITICAL_LEVEL * start:
                return share, rise, Severity.WARNING
            is_old = len(late) == SLOW_BLOCKS and min(late) - best > limit["lost"] * scale
            # a harder task, once begun, is learnt: its loss falls again
            if is_old and median(late) - best > SLOW_NOISE * noise and rise > 0.75 * (max(late) - best):
                return share, rise, Severity.WARNING
        is_plain = is_apart and len(few) == PLAIN_BLOCKS and rise > CRITICAL_LEVEL * start
        is_plain = is_plain and min(few) - best > max(limit["lost_plainly"] * scale, PLAIN_FEW_NOISE * noise)
        return (share, rise, Severity.WARNING) if is_plain and rise > 0.85 * (max(few) - best) else None

    def _lost_for_long(self, track: Track) -> tuple[float, float, Severity] | None:
        """A smaller part of the progress, lost for so long that the medians of many blocks tell it from noise."""
        levels = [b.level for b in track.blocks]
        late = levels[-LONG_BLOCKS:]
        if len(levels) < 2 * LONG_BLOCKS or track.step - track.first_step < EARLY_STEPS:
            return None
        starts = range(len(levels) - 2 * LONG_BLOCKS + 1)
        reference = min(median(levels[i : i + LONG_BLOCKS]) for i in starts)
        rise, scale = median(late) - reference, self._scale(track)
        if scale <= 0.0 or rise <= self.limit["lost_for_long"] * scale or rise <= LONG_NOISE * track.block_noise:
            return None
        if sorted(late)[1] - reference <= 0.5 * rise or rise <= CRITICAL_LEVEL * abs(track.start or 0.0):
            return None
        half = LONG_BLOCKS // 2
        if median(late[half:]) - reference < 0.85 * (median(late[:half]) - reference):
            return None  # it falls again
        return rise / scale, rise, Severity.WARNING

    def _lost_at_once(self, track: Track, best: float) -> tuple[float, float, Severity] | None:
        """The same from the last records alone, where they leave no doubt: sparse records make long blocks."""
        num = min(max(-(-FAST_STEPS // track.stride), FAST_RECORDS), BLOCK)
        if len(track.latest) < num:
            return None
        late = sorted(track.latest[-num:])
        rise, scale = late[num // 4] - best, self._scale(track)
        start, limit = abs(track.start or 0.0), self.limit
        is_early = track.step - track.first_step < EARLY_STEPS and rise < EARLY_RISE * start
        if scale <= 0.0 or is_early or rise <= limit["lost_fast"] * scale or rise <= FAST_NOISE * track.quick_noise:
            return None
        if rise <= CRITICAL_LEVEL * start or late[0] - best <= 0.5 * rise:
            return None
        severity = Severity.CRITICAL if rise > limit["lost_critical"] * scale else Severity.WARNING
        return rise / scale, rise, severity

    def _lost_all(self, track: Track, best: float) -> tuple[float, float, Severity] | None:
        """The same where a few records in a row stand far over the very first ones: before it is infinite."""
        num, start = max(-(-ALL_STEPS // track.stride), ALL_RECORDS), track.start or 0.0
        late = track.latest[-num:]
        if len(late) < num or start <= 0.0 or track.step - track.first_step < EARLY_STEPS:
            return None
        rise, scale = min(late) - best, self._scale(track)
        if min(late) <= ALL_TIMES * start or rise <= 2.0 * scale or rise <= FAST_NOISE * track.noise:
            return None
        return rise / scale, rise, Severity.CRITICAL

    def _well(self, record: StepRecord, track: Track, best: float) -> list[AlertChange]:
        state = self.state
        if state.firing is None:
            return []
        scale = self._scale(track)
        is_well = scale > 0.0 and track.blocks[-1].level - best < self.limit["clear"] * scale
        state.good_in_a_row = state.good_in_a_row + 1 if is_well else 0
        if state.good_in_a_row < CLEAR_BLOCKS:
            return []
        return self.clear(record.step, f"loss {track.blocks[-1].level:.4g} is back at its best level", track=track)

    def _finding(
        self, record: StepRecord, track: Track, best: float, share: float, rise: float, severity: Severity
    ) -> Finding:
        level = best + rise
        onset = _onset(track, best + 0.2 * rise)
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
            f"{_lost_in_words(share)} is lost",
            step=record.step,
            onset_step=onset,
            evidence=evidence,
        )


def _lost_in_words(share: float) -> str:
    return f"{share:.0%} of the progress" if share < 1.0 else "all of the progress, and more,"


def _block_noise(track: Track) -> float:
    """The noise of a block's median; of the first blocks by that of single losses."""
    return track.block_noise or 1.25 * track.noise / math.sqrt(track.block_size)


def _is_apart(track: Track) -> bool:
    """Whether three quarters of the last losses lie above nine tenths of those before them, or, while blocks are few,
    of those of the best level: no noise does that."""
    num = len(track.latest)
    if num < BLOCK:
        return False
    low = quantile(track.latest, 0.25)
    before = track.window[-num - APART_OF : -num]
    if len(before) == APART_OF and low > quantile(before, 0.9):
        return True
    best = track.best_losses
    return track.num_blocks < BLOCKS_KEPT and len(best) >= APART_OF // 2 and low > quantile(best, 0.9)


def _blown_up(track: Track, best: float) -> tuple[float, float, Severity] | None:
    """Where the first updates have ruined the run: not one loss since then was near the first."""
    first, lowest = track.first[0], track.lowest
    if lowest is None or first <= 0.0 or track.num_losses < BLOWN_UP_RECORDS or track.stride > 1:
        return None
    if lowest <= BLOWN_UP_TIMES * first:
        return None
    grave = lowest > BLOWN_UP_TIMES**2 * first
    return (best - first) / first, 0.0, Severity.CRITICAL if grave else Severity.WARNING


def _onset(track: Track, above: float) -> int:
    """The first step of the unbroken stretch of blocks, up to now, that stand above a level."""
    onset = track.block_start if track.block else track.step
    for block in reversed(track.blocks):
        if block.level <= above:
            break
        onset = block.first_step
    return onset
