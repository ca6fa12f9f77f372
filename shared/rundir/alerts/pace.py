"""The rules on time: `slow-step`, `stall`, `checkpoint-overdue`, `clock-jump`.

Seconds come from the records' own durations, and for what only the passing of time tells, from `tick`.
"""

from typing import ClassVar

from msgspec import field

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.noise import median, spread
from rundir.alerts.track import Track
from rundir.records import (
    CheckpointEvent,
    EpochRecord,
    EvalRecord,
    LifecycleEvent,
    OutcomeEvent,
    Record,
    Severity,
    StepRecord,
    SystemRecord,
)

BLOCK = 20
"""Step times of which one median is taken."""
BLOCKS_KEPT = 55
RECENT = 3
"""Blocks that must be slow in a row; older ones say what is usual."""
OLDER = 3
MAD_FACTOR = 4.0
OUTLIER_S = 60.0
"""No single step shorter than that is worth a word."""
OUTLIER_AFTER = 20
SEEN_S = 100.0
"""What goes by between two ticks counts up to this as silence."""


class SlowStepState(RuleState, kw_only=True):
    """What the rule remembers: seconds a step, or a token where tokens are counted."""

    block: list[float] = field(default_factory=list)
    block_step: int = 0
    blocks: list[tuple[int, float]] = field(default_factory=list)
    """First step and median of the last blocks."""
    recent: list[float] = field(default_factory=list)
    """Seconds of the last steps."""
    by_token: bool | None = None
    is_outlier: bool = False


class SlowStepRule(Rule[SlowStepState]):
    """Warning: steps take a third longer than they used to, and stay so; or one took many times the usual."""

    name = "slow-step"
    title = "steps that take longer than they used to"
    gravest = Severity.WARNING
    reads = (StepRecord,)
    needs = ("step_s",)
    limits: ClassVar = {"times": 1.33, "clear": 1.15, "outlier": 20.0}
    state_type = SlowStepState

    def forget_beyond(self, step: int) -> None:
        state = self.state
        state.block, state.blocks, state.recent = [], [b for b in state.blocks if b[0] <= step], []

    def judge(self, record: StepRecord, track: Track) -> list[AlertChange]:
        state, step_s = self.state, record.step_s
        if step_s is None or not step_s > 0.0 or track.count <= 1:  # the first one compiles and allocates
            return []
        changes = self._judge_outlier(record, step_s, track)
        tokens = (record.tokens_per_s or 0.0) * step_s
        if state.by_token is None:
            state.by_token = tokens > 0.0
        if state.by_token and tokens <= 0.0:
            return changes
        if not state.block:
            state.block_step = record.step
        state.block.append(step_s / tokens if state.by_token else step_s)
        if len(state.block) < BLOCK:
            return changes
        state.blocks.append((state.block_step, median(state.block)))
        state.block = []
        del state.blocks[:-BLOCKS_KEPT]
        return changes + self._judge_blocks(record, track)

    def _judge_outlier(self, record: StepRecord, step_s: float, track: Track) -> list[AlertChange]:
        state = self.state
        usual = median(state.recent) if step_s > OUTLIER_S and len(state.recent) >= OUTLIER_AFTER else 0.0
        state.recent.append(step_s)
        del state.recent[:-32]
        if usual > 0.0 and step_s > self.limit["outlier"] * usual:
            state.is_outlier = True
            text = f"step {record.step} took {step_s:.0f} s, where {usual:.3g} s are usual"
            return self.hold(self._finding(record, record.step, text, step_s, usual), track)
        if state.is_outlier and len(state.recent) >= 5 and max(state.recent[-5:]) <= OUTLIER_S:
            state.is_outlier = False
            return self.clear(record.step, f"steps take {step_s:.3g} s again", track=track)
        return []

    def _judge_blocks(self, record: StepRecord, track: Track) -> list[AlertChange]:
        state, limit = self.state, self.limit
        medians = [each for _, each in state.blocks]
        older, recent = medians[:-RECENT], medians[-RECENT:]
        if len(older) < OLDER:
            return []
        base = median(older)
        if state.firing is not None and not state.is_outlier and max(recent[-2:]) < limit["clear"] * base:
            return self.clear(record.step, "steps are as fast as before", track=track)
        threshold = max(limit["times"] * base, base + MAD_FACTOR * spread(older))
        if min(recent) <= threshold:
            return []
        times = median(recent) / base
        onset = state.blocks[-RECENT][0]
        unit = "a token" if state.by_token else "a step"
        text = f"{times:.2f} times the usual time {unit} since step {onset}"
        usual = base * (record.step_s or 0.0) / medians[-1]
        return self.hold(self._finding(record, onset, text, record.step_s or 0.0, usual), track)

    def _finding(self, record: StepRecord, onset: int, text: str, step_s: float, usual_s: float) -> Finding:
        evidence = {"step_s": step_s, "usual_s": usual_s, "window_records": BLOCK * RECENT}
        if record.data_wait_s is not None:
            evidence["data_wait_s"] = record.data_wait_s
        return Finding(severity=Severity.WARNING, message=text, step=record.step, onset_step=onset, evidence=evidence)


class StallState(RuleState, kw_only=True):
    """What the rule remembers."""

    last_at: float | None = None
    longest_s: float = 0.0
    """The longest time between two signs of progress of this attempt."""
    num: int = 0
    looked_at: float | None = None
    silent_s: float = 0.0
    """What has gone by since the last sign, as far as ticks saw it go by: a clock that jumps is no silence."""
    has_saved: bool = False
    is_supervised: bool = False
    """A supervisor looks: it knows the phase that the trainer is in, and tells of a stall itself."""
    is_over: bool = False
    """Training has ended or waits by order: silence is no stall."""


class StallRule(Rule[StallState]):
    """Critical: no sign of progress for far longer than ever before."""

    name = "stall"
    title = "no progress for far longer than ever before"
    gravest = Severity.CRITICAL
    reads = (StepRecord, CheckpointEvent, LifecycleEvent)
    limits: ClassVar = {"floor_s": 120.0, "early_s": 600.0, "times": 5.0}
    cooldown = 0
    state_type = StallState

    def missing(self, track: Track) -> str | None:
        return None if self.state.num else "no step records"

    def forget_beyond(self, step: int) -> None:
        self.state.last_at = None

    def judge(self, record: Record, track: Track) -> list[AlertChange]:
        state = self.state
        if isinstance(record, LifecycleEvent):
            state.is_supervised |= record.writer == "supervisor"
            if record.what == "stalled":
                return self.hold(self._told(record, track), track)
            if record.what in ("training", "resumed", "stall_over"):
                state.is_over, state.last_at = False, record.at
                return self.clear(track.step, "it makes progress again")
            if record.what in ("paused", "parked", "held", "disk_full", "done", "stopped", "failed", "crashed"):
                state.is_over = True
                return self.clear(track.step, f"{record.what}: nothing is to be waited for")
            return []
        if record.at <= 0.0:
            return []
        if state.last_at is not None and state.firing is None:  # a stall is no time of the run's own
            state.longest_s = max(state.longest_s, record.at - state.last_at)
        state.last_at, state.is_over, state.silent_s = record.at, False, 0.0
        state.num += isinstance(record, StepRecord)
        state.has_saved |= isinstance(record, CheckpointEvent)
        return self.clear(track.step, "it makes progress again")

    def _told(self, record: LifecycleEvent, track: Track) -> Finding:
        """A stall as the supervisor has told it."""
        figures = {name: value for name, value in (record.detail or {}).items() if isinstance(value, float)}
        step = record.step or track.step
        return Finding(severity=Severity.CRITICAL, message=record.message, step=step, onset_step=step, evidence=figures)

    def tick(self, now_at: float, track: Track) -> list[AlertChange]:
        state = self.state
        if state.last_at is None or state.is_over or not state.num or state.is_supervised:
            return []
        is_early = "eval.loss" not in track.seen and not state.has_saved
        allowed_s = max(self.limit["early_s" if is_early else "floor_s"], self.limit["times"] * state.longest_s)
        looked_at = max(state.looked_at or state.last_at, state.last_at)
        state.silent_s += min(max(now_at - looked_at, 0.0), SEEN_S)
        state.looked_at = now_at
        silent_s = min(state.silent_s, now_at - state.last_at)
        if silent_s <= allowed_s:
            return []
        finding = Finding(
            severity=Severity.CRITICAL,
            message=f"no progress for {silent_s:.0f} s since step {track.step}; {allowed_s:.0f} s are allowed",
            step=track.step,
            onset_step=track.step,
            evidence={"silent_s": silent_s, "allowed_s": allowed_s, "longest_before_s": state.longest_s},
        )
        return self.hold(finding, track)


class OverdueState(RuleState, kw_only=True):
    """What the rule remembers."""

    last_step: int = 0
    """Of the newest checkpoint."""
    gaps: list[int] = field(default_factory=list)
    is_told: bool = False
    """Whether there is an events.jsonl that would tell of checkpoints."""


class CheckpointOverdueRule(Rule[OverdueState]):
    """Warning: the newest checkpoint is far older than planned; a crash now costs all since then."""

    name = "checkpoint-overdue"
    title = "newest checkpoint older than planned"
    gravest = Severity.WARNING
    reads = (StepRecord, CheckpointEvent, LifecycleEvent)
    limits: ClassVar = {"times": 2.5}
    state_type = OverdueState

    def missing(self, track: Track) -> str | None:
        if not self.state.is_told:
            return "no events"
        return None if self._every() else "no plan of checkpoints, and fewer than three of them"

    def forget_beyond(self, step: int) -> None:
        self.state.last_step = min(self.state.last_step, step)

    def _every(self) -> float | None:
        gaps = self.state.gaps
        return self.facts.checkpoint_every or (max(gaps) if len(gaps) >= 2 else None)

    def judge(self, record: Record, track: Track) -> list[AlertChange]:
        state = self.state
        if isinstance(record, LifecycleEvent):
            state.is_told = True
            return []
        if isinstance(record, CheckpointEvent):
            step = record.step or state.last_step
            if step > state.last_step and record.reason == "schedule":
                state.gaps.append(step - state.last_step)
                del state.gaps[:-8]
            state.last_step, state.is_told = step, True
            return self.clear(step, f"the checkpoint of step {step} is written", track=track)
        every = self._every()
        if not state.is_told or not every:
            return []
        behind = track.step - state.last_step
        if behind <= self.limit["times"] * every + track.stride:
            return []
        finding = Finding(
            severity=Severity.WARNING,
            message=f"no checkpoint for {behind} steps, where one is due every {every:.0f}",
            step=track.step,
            onset_step=state.last_step + int(every),
            evidence={"checkpoint_step": state.last_step, "steps_since": behind, "every_steps": every},
        )
        return self.hold(finding, track)


class ClockState(RuleState, kw_only=True):
    """What the rule remembers."""

    last_at: dict[str, float] = field(default_factory=dict)
    """By kind of record."""
    back_s: float = 0.0
    """How far it went back, seen between two step records: said with the next."""
    is_plain: bool = False
    """Nothing but samples of the machine since the last step record: no evaluation, save or event took the time."""
    good: int = 0


class ClockJumpRule(Rule[ClockState]):
    """Info: the wall clock went back, or forth by far more than a step took. Times of records do not hold then."""

    name = "clock-jump"
    title = "wall clock that jumped"
    gravest = Severity.INFO
    reads = (StepRecord, SystemRecord, EvalRecord, EpochRecord, CheckpointEvent, OutcomeEvent, LifecycleEvent)
    limits: ClassVar = {"back_s": 2.0, "forth_s": 30.0, "times": 5.0}
    state_type = ClockState

    def forget_beyond(self, step: int) -> None:
        self.state.is_plain = False

    def judge(self, record: Record, track: Track) -> list[AlertChange]:
        state, kind = self.state, type(record).__name__
        if not isinstance(record, StepRecord | SystemRecord):
            state.is_plain = False
            return []
        if record.at <= 0.0:
            return []
        gone_s = record.at - state.last_at.get(kind, record.at)
        state.last_at[kind] = record.at
        state.back_s = max(state.back_s, -gone_s)
        if not isinstance(record, StepRecord):
            return []
        is_plain, state.is_plain = state.is_plain, True
        jump_s = -state.back_s if state.back_s > self.limit["back_s"] else 0.0
        state.back_s = 0.0
        step_s = (record.step_s or 0.0) * track.stride
        if is_plain and record.step_s and gone_s > self.limit["forth_s"] + self.limit["times"] * step_s:
            jump_s = gone_s - step_s
        if not jump_s:
            state.good += 1
            return self.clear(track.step, "the clock goes on", track=track) if state.good >= 100 else []
        state.good = 0
        finding = Finding(
            severity=Severity.INFO,
            message=f"the wall clock went {'back' if jump_s < 0 else 'forth'} by {abs(jump_s):.1f} s",
            step=track.step,
            onset_step=track.step,
            evidence={"jump_s": jump_s, "step_s": record.step_s},
        )
        return self.hold(finding, track)
