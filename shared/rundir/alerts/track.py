"""What all rules see of the run together: the loss with its noise, its level and the progress made, the learning rate,
the time. Fed first with every record; rules only read it.

Nothing in it depends on the unit of the loss. Non-finite losses do not enter. Memory is bounded.
"""

import math
from bisect import bisect_left, insort

import msgspec
from msgspec import field

from rundir.alerts.facts import Facts
from rundir.alerts.noise import jitter, lone_rise, median, middle, spread, step_noise
from rundir.alerts.outlook import steps_to_go
from rundir.alerts.work import Work
from rundir.records import (
    CheckpointEvent,
    EpochRecord,
    EvalRecord,
    LifecycleEvent,
    Record,
    StepRecord,
    SystemRecord,
    number,
)

WINDOW = 128
"""Accepted losses that a new one is compared with."""
READY = 32
"""Losses that make a window."""
SPARSE = 5
"""Steps from one record to the next."""
NOISE_EVERY = 8
"""The noise of the window is estimated anew after so many accepted losses."""
MAX_REJECTED = 20
"""So many spiky losses in a row are a new level: the window starts anew."""
SPIKY_NOISE = 8.0
SPIKY_TAIL = 2.0
SPIKY_PROGRESS = 0.05
"""A loss is spiky above the window's median by the largest of: so many deviations, so many times the largest such rise
of late, and this part of the progress made."""
TAIL_LOSSES = 512
"""What `of late` means for it."""
TAIL_PART = 16
BLOCK = 15
"""Losses of which one median is taken: the level. With sparse records fewer, so that a level is no older in steps."""
MIN_BLOCK = 5
BLOCKS_KEPT = 40
FEW_LEVELS = 40
CHECKPOINTS_KEPT = 64
BEST_OF = 5
"""Blocks whose median competes for the best level; of the first twelve blocks three do."""
BLOW_UP = 100.0
SIGNED_WINDOW = 200
SIGNED_SHARE = 0.02
"""With so large a share of the rarer sign the loss is a signed objective, from then on for good."""
SIGNED_FIRST = 16
"""Most of so many first losses below zero: a reward or a similarity, which has no scale of its own."""
BEGAN_NOISE = 5.0
"""Deviations of a loss over zero from which on the first level is far over it."""
LR_JUMP = 2.0
"""A learning rate that grows by more than this from one record to the next starts the window anew."""
HISTORY = 64
TIMES_KEPT = 256


class Block(msgspec.Struct, frozen=True, array_like=True):
    """The level of a stretch of losses."""

    step: int
    """Of its last loss."""
    first_step: int
    level: float
    lr: float | None


class Track(msgspec.Struct, kw_only=True):
    """What was seen of one run so far."""

    count: int = 0
    """Step records."""
    step: int = 0
    at: float = 0.0
    """UTC seconds of the newest record of any kind."""
    stride: int = 1
    """Steps from one step record to the next, as a rule."""
    gap: int = 0
    """The same of the last two."""
    seen: list[str] = field(default_factory=list)
    """Names of the inputs that there were, e.g. `lr`, `eval.loss`, `system.disk_free_bytes`."""
    times: list[tuple[int, float]] = field(default_factory=list)
    """Step and time of step records, thinned out."""
    times_every: int = 1

    first_step: int = 0
    num_losses: int = 0
    """Finite ones."""
    first: list[float] = field(default_factory=list)
    start: float | None = None
    """The level the run began with: the median of its first five losses, or the first one if they blew up."""
    lowest: float | None = None
    """Of all losses after the first."""
    window: list[float] = field(default_factory=list)
    ordered: list[float] = field(default_factory=list)
    """The window, sorted."""
    noise: float = 0.0
    """Standard deviation of a single loss about the window's median."""
    quick_noise: float = 0.0
    """The same from one loss to the next: less where the loss wanders slowly."""
    to_estimate: int = 0
    rejected: int = 0
    tails: list[float] = field(default_factory=list)
    tail: float = 0.0
    num_in_tail: int = 0
    num_signed: int = 0
    signs: list[bool] = field(default_factory=list)
    is_signed: bool = False

    latest: list[float] = field(default_factory=list)
    """The last losses, at most a block of them."""
    loss: float | None = None
    """The newest one; None when it is not finite."""
    excess: float | None = None
    """How far it stands over the median of the window before it; None while there is no window."""
    is_spiky: bool = False
    has_block: bool = False
    """Whether it has completed a block."""

    block: list[float] = field(default_factory=list)
    block_start: int = 0
    blocks: list[Block] = field(default_factory=list)
    num_blocks: int = 0
    history: list[Block] = field(default_factory=list)
    """Blocks of the whole run, thinned out."""
    history_every: int = 1
    best: list[tuple[int, float]] = field(default_factory=list)
    """Step and level of each new best level, the newest last."""
    block_noise: float = 0.0
    best_losses: list[float] = field(default_factory=list)
    """The losses of which the best level was made."""

    lr: float | None = None
    lr_peak: float = 0.0
    lr_rose_step: int | None = None
    """Where it last grew at once by more than `LR_JUMP`."""
    lr_fell_step: int | None = None
    work: Work = field(default_factory=Work)
    num_doubled: int = 0
    """Losses over twice the start."""
    blew_up_step: int | None = None
    """Where the loss first stood three times as high as it began, or the second time twice as high."""
    checkpoints: list[int] = field(default_factory=list)
    """Steps of those written, the newest last."""
    resumed_attempt: int = 0
    resumed_step: int | None = None

    # --- taking records in -------------------------------------------------------------------------------------------

    def take(self, record: Record) -> None:
        """One more record, before the rules see it."""
        self.at = record.at or self.at
        match record:
            case StepRecord():
                self._take_step(record)
            case EvalRecord():
                self._note("eval.loss")
                for name in record.metrics or {}:
                    self._note(f"eval.{name}")
                if record.confusion:
                    self._note("eval.confusion")
            case EpochRecord():
                self._note("epoch.loss")
            case SystemRecord():
                self._take_system(record)
            case LifecycleEvent():
                self._note(f"event.{record.what}")
            case CheckpointEvent():
                if record.step is not None:
                    self.checkpoints.append(record.step)
                    del self.checkpoints[:-CHECKPOINTS_KEPT]
            case _:
                pass

    def has(self, name: str, facts: Facts) -> bool:
        """Whether there was such an input: one of `seen`, or `facts.…`."""
        if name.startswith("facts."):
            return getattr(facts, name.removeprefix("facts.")) is not None
        return name in self.seen

    def _note(self, name: str) -> None:
        if name not in self.seen and len(self.seen) < 200:
            self.seen.append(name)

    def _take_system(self, record: SystemRecord) -> None:
        for name in ("mem_used_bytes", "run_rss_bytes", "disk_free_bytes"):
            if getattr(record, name) is not None:
                self._note(f"system.{name}")
        for gpu in record.gpus:
            self._note("system.gpu")
            for name in ("mem_used_bytes", "run_mem_bytes", "util_percent", "temperature_c", "power_w"):
                if getattr(gpu, name) is not None:
                    self._note(f"gpu.{name}")

    def _take_step(self, record: StepRecord) -> None:
        self.count += 1
        if self.count == 1:
            self.first_step = self.block_start = record.step
        elif record.step > self.step:
            gap = record.step - self.step
            if self.count == 2 or gap == self.gap:  # one gap is no other way of logging
                self.stride = gap
            self.gap = gap
        self.step = record.step
        self._take_inputs(record)
        if self.count % self.times_every == 0:
            self.times.append((record.step, record.at))
            if len(self.times) > TIMES_KEPT:
                self.times = self.times[::2]
                self.times_every *= 2
        if record.lr is not None:
            self._take_lr(number(record.lr), record.step)
        if record.tokens_per_s and record.step_s and self.work.takes_another(record.tokens_per_s * record.step_s):
            self._begin_anew()  # longer sequences or larger batches have a level of their own
            self.blocks, self.history, self.best, self.best_losses = [], [], [], []
        self.has_block = self.is_spiky = False
        self.excess = None
        loss = number(record.loss)
        # The end of the floats is as good as infinite: what lies there cannot be subtracted and squared.
        self.loss = loss if abs(loss) < 1e150 else None
        if self.loss is not None:
            self._take_loss(self.loss, record.step)

    def _take_inputs(self, record: StepRecord) -> None:
        seen = self.seen
        for name in ("grad_norm", "lr", "step_s", "data_wait_s", "tokens_per_s", "gpu_mem_allocated_bytes"):
            if name not in seen and getattr(record, name) is not None:
                self._note(name)
        if record.metrics:
            for name in record.metrics:
                if name not in seen:
                    self._note(name)

    def _take_lr(self, lr: float, step: int) -> None:
        before = self.lr
        self.lr = lr if math.isfinite(lr) else before
        if not math.isfinite(lr):
            return
        if before is not None and self.count > 5:
            if before > 0.0 and lr > LR_JUMP * before:
                self.lr_rose_step = step
                self._begin_anew()
                self._lower_expectations(lr)
            elif lr < before / LR_JUMP and lr > 0.0:
                self.lr_fell_step = step
        self.lr_peak = max(self.lr_peak, lr)

    def _lower_expectations(self, lr: float) -> None:
        """After a warm restart the best level is the best that was reached at such a learning rate; after a rate that
        was never there before, what was reached still counts."""
        if lr > 1.05 * self.lr_peak:
            return
        levels = [b.level for b in self.history if b.lr is not None and b.lr >= 0.5 * lr]
        if levels and self.best:
            self.best, self.best_losses = [(self.step, max(min(levels), self.best[-1][1]))], []
        self.blocks = []

    def _take_loss(self, loss: float, step: int) -> None:
        self.num_losses += 1
        if len(self.first) < 5:
            self.first.append(loss)
            level = median(self.first)
            # Small batches differ tenfold; only first updates that ruin the run make it a hundredfold.
            blew_up = self.first[0] > 0.0 and max(self.first) > BLOW_UP * self.first[0]
            self.start = min(level, self.first[0]) if blew_up else level
        if self.num_losses > 1:
            self.lowest = loss if self.lowest is None else min(self.lowest, loss)
        self.latest.append(loss)
        del self.latest[:-BLOCK]
        if self.blew_up_step is None and self.start is not None and loss > 2.0 * self.start > 0.0:
            self.num_doubled += 1
            if self.num_doubled > 1 or loss > 3.0 * self.start:
                self.blew_up_step = step
        self._take_sign(loss)
        if len(self.window) >= self.ready:
            self.excess = loss - middle(self.ordered)
            self.is_spiky = self.excess > self.spiky_above
        if not self.is_spiky:
            self.rejected = 0
            self._accept(loss)
        else:
            self.rejected += 1
            if self.rejected >= MAX_REJECTED:
                self._begin_anew()
        if not self.block:
            self.block_start = step
        self.block.append(loss)
        if len(self.block) >= self.block_size:
            self._close_block(step)

    @property
    def spiky_above(self) -> float:
        """How far over the window's median a loss is a spike."""
        tail = max(self.tail, max(self.tails, default=0.0))
        return max(SPIKY_NOISE * self.noise, SPIKY_TAIL * tail, SPIKY_PROGRESS * self.progress)

    @property
    def is_sparse(self) -> bool:
        """Whether only every fifth step is logged, or fewer: then less has to be enough."""
        return self.stride >= SPARSE

    @property
    def ready(self) -> int:
        """Losses that make a window: half as many where records are sparse."""
        return READY // 2 if self.is_sparse else READY

    @property
    def block_size(self) -> int:
        """Losses in a block."""
        return BLOCK if self.stride <= 1 else max(MIN_BLOCK, BLOCK // self.stride)

    def _take_sign(self, loss: float) -> None:
        is_negative = loss < 0.0
        self.signs.append(is_negative)
        self.num_signed += is_negative
        if len(self.signs) > SIGNED_WINDOW:
            self.num_signed -= self.signs.pop(0)
        rarer = min(self.num_signed, len(self.signs) - self.num_signed)
        # What begins far over its noise has a scale, and may well fall below zero: a likelihood, say.
        is_below = (self.start or 0.0) <= BEGAN_NOISE * self.quick_noise
        if rarer > SIGNED_SHARE * SIGNED_WINDOW and is_below:
            self.is_signed = True
        if len(self.signs) == SIGNED_FIRST and self.num_signed > SIGNED_FIRST // 2:
            self.is_signed = True

    def _accept(self, loss: float) -> None:
        window, ordered = self.window, self.ordered
        window.append(loss)
        insort(ordered, loss)
        if len(window) > WINDOW:
            del ordered[bisect_left(ordered, window.pop(0))]
        self.note_tail(lone_rise(window) if len(window) == self.ready else self.excess or 0.0)
        self.to_estimate -= 1
        if self.to_estimate <= 0 and len(window) >= self.ready:
            self.to_estimate = NOISE_EVERY
            self.quick_noise = step_noise(window)
            self.noise = max(spread(window), self.quick_noise)

    def note_tail(self, excess: float) -> None:
        """Remember a rise over the window that is no spike, or was one of a single record."""
        self.tail = max(self.tail, excess)
        self.num_in_tail += 1
        if self.num_in_tail >= TAIL_PART:
            self.tails.append(self.tail)
            del self.tails[: -TAIL_LOSSES // TAIL_PART]
            self.tail, self.num_in_tail = 0.0, 0

    def _close_block(self, step: int) -> None:
        self.has_block = True
        block = Block(step, self.block_start, median(self.block), self.lr)
        self.block = []
        self.num_blocks += 1
        self.blocks.append(block)
        del self.blocks[:-BLOCKS_KEPT]
        if self.num_blocks % self.history_every == 0:
            self.history.append(block)
            if len(self.history) > HISTORY:
                self.history = self.history[::2]
                self.history_every *= 2
        recent = 3 if self.num_blocks < 12 else BEST_OF
        levels = [b.level for b in self.blocks]
        if len(levels) >= recent:
            level = median(levels[-recent:])
            if not self.best or level < self.best[-1][1]:
                self.best.append((step, level))
                self.best_losses = self.window[-recent * self.block_size :]
                if len(self.best) > HISTORY:
                    self.best = self.best[::2] if len(self.best) % 2 else self.best[1::2]
        if len(levels) >= 6:
            noise = step_noise(levels)
            if len(levels) < FEW_LEVELS:
                noise = min(noise, jitter(levels))  # by its bends alone: it falls fast at first
            # While a run goes wrong its blocks differ more: that must not raise what they are measured by.
            self.block_noise = min(noise, 3.0 * self.block_noise) if self.block_noise > 0.0 else noise

    # --- what it comes to --------------------------------------------------------------------------------------------

    @property
    def best_level(self) -> float | None:
        """The lowest level so far; None before the third block."""
        return self.best[-1][1] if self.best else None

    @property
    def progress(self) -> float:
        """What the run has gained since its start, never negative; 0 while unknown."""
        if self.start is None:
            return 0.0
        low = self.best_level
        if low is None:
            low = middle(self.ordered) if len(self.ordered) >= 5 else self.start
        return max(self.start - low, 0.0)

    @property
    def is_perfect(self) -> bool:
        """Whether there is nothing left to learn: a loss of zero has a gradient of zero."""
        return self.loss is not None and abs(self.loss) <= 1e-7 * abs(self.start or 0.0)

    def remaining_s(self, facts: Facts) -> float:
        """How long the run will go on at its pace so far: by its plan, or a few times what it has run; infinite while
        that is unknown."""
        if len(self.times) < 2 or self.times[-1][0] <= self.times[0][0]:
            return math.inf
        (first, began_at), (last, ended_at) = self.times[0], self.times[-1]
        if ended_at <= began_at:  # the clock was set back
            return math.inf
        return steps_to_go(facts.planned_steps, last, first) * (ended_at - began_at) / (last - first)

    def time_of(self, step: int) -> float | None:
        """UTC seconds of the first record kept that is not before a step."""
        at = bisect_left(self.times, (step, -math.inf))
        found = self.times[at][1] if at < len(self.times) else self.at
        return found or None

    # --- beginning anew ----------------------------------------------------------------------------------------------

    def _begin_anew(self) -> None:
        """Forget what a loss is compared with, not where the run started nor what it has reached."""
        self.window, self.ordered, self.block, self.latest = [], [], [], []
        self.rejected, self.to_estimate = 0, 0

    def rewind(self, step: int, attempt: int) -> None:
        """The run goes on from `step`; `attempt` tells the marker's twin in the other log from a new one."""
        if attempt == self.resumed_attempt and step == self.resumed_step and self.step <= step:
            return
        self.resumed_attempt, self.resumed_step = attempt, step
        self._begin_anew()
        self.checkpoints = [one for one in self.checkpoints if one <= step]
        if self.blew_up_step is not None and self.blew_up_step > step:
            self.num_doubled, self.blew_up_step = 0, None
        self.blocks = [b for b in self.blocks if b.step <= step]
        self.history = [b for b in self.history if b.step <= step]
        if self.best and self.best[-1][0] > step:
            self.best, self.best_losses = [b for b in self.best if b[0] <= step], []
        self.times = [t for t in self.times if t[0] <= step]
        self.step = min(self.step, step)
        self.lr_rose_step = self.lr_fell_step = None
