"""What became of a run, measured on every one of its steps and evals: each problem with its size, or its absence.

These rules were written before any detector was run on the corpus, and know nothing of one. They may look at the whole
run, back and forth, which no detector can.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

BLOCK = 15
"""Steps of the median that is called the loss's level."""
LASTING = 100
"""Steps that a rise must last to count as divergence."""
LOST_STRONG, LOST_WEAK = 0.6, 0.25
"""Fractions of the progress made so far, 'lost' at these sizes (study, 3.2 and 3.5)."""
SPIKE_SIGMAS = 20.0
EXPLODED = 30.0
OVERFIT, OVERFIT_SEEN, EVALS_AFTER = 0.15, 0.05, 6
TINY_RATIO = 1e-6
DEAD = 0.5
COLLAPSED, LABELS_BALANCED = 0.9, 0.6
BAD_START = 2.0
"""The first loss over that of knowing nothing."""
CLIPPED = 0.95
WORSE = 0.1
EVAL_BETTER = 2.0
OFF_SCHEDULE = 0.2
"""Of the peak."""

Array = NDArray[np.float64]


@dataclass
class Run:
    """The curves of one run that labels are made from. Arrays by step, the first step at index 0; absent is nan."""

    loss: Array
    grad_norm: Array
    lr: Array
    accuracy: Array
    unchanged: Array
    update_ratio: Array
    dead_share: Array
    evals: list[tuple[int, float, dict[str, float]]] = field(default_factory=list)
    declared_lr: Array | None = None
    majority_share: float | None = None
    prior_entropy: float | None = None
    """Nats: the loss of a model that knows the classes' shares and nothing else."""
    num_classes: int | None = None
    clip: float | None = None
    vanishing: float | None = None
    """Median ratio of the first matrix's gradient norm to the last one's."""
    is_signed: bool = False
    sibling: Array | None = None
    """The loss of a run of the usual configuration, by step."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that went wrong."""

    size: float
    """In the problem's own unit: see the function that finds it."""
    seen_at: int
    """The first step at which the records show it; what delays are counted from beside the onset."""
    detail: dict[str, float] = {}


def rolling_median(values: Array, width: int) -> Array:
    """The median of each `width` values in a row; one shorter than `values` by width - 1."""
    if len(values) < width:
        return np.array([np.median(values)]) if len(values) else np.array([])
    result: Array = np.median(np.lib.stride_tricks.sliding_window_view(values, width), axis=1)
    return result


def noise(values: Array) -> float:
    """The robust standard deviation of a trendless part, from differences."""
    return float(1.4826 * np.median(np.abs(np.diff(values))) / math.sqrt(2.0)) if len(values) > 2 else 0.0


def non_finite(run: Run, onset: int) -> Problem | None:
    """Size: steps whose loss is not finite."""
    bad = np.flatnonzero(~np.isfinite(run.loss[onset - 1 :]))
    return None if len(bad) == 0 else Problem(size=float(len(bad)), seen_at=onset + int(bad[0]))


def divergence(run: Run, onset: int) -> Problem | None:
    """Size: the fraction of the progress up to the onset that a rise of `LASTING` steps has lost."""
    loss = run.loss
    if run.is_signed or onset < 60 or not np.isfinite(loss[onset - 1 : onset + 30]).all():
        return None
    bad = np.flatnonzero(~np.isfinite(loss))
    loss = loss[: bad[0]] if len(bad) else loss
    start = float(np.median(loss[:5]))
    before = rolling_median(loss[: onset - 1], BLOCK)
    best, level = float(before.min()), float(np.median(loss[max(0, onset - 1 - LASTING) : onset - 1]))
    progress = max(start - best, 10.0 * noise(loss[max(0, onset - 201) : onset - 1]))
    after = loss[onset - 1 :]
    lasting = float(rolling_median(after, min(LASTING, len(after))).max())
    lost = (lasting - best) / progress
    if lost < LOST_WEAK or lasting < 1.2 * level:
        return None
    high = rolling_median(after, BLOCK)
    seen = np.flatnonzero(high - best >= LOST_WEAK * progress)
    strong = np.flatnonzero(high - best >= LOST_STRONG * progress)
    sudden = float(len(strong) > 0 and strong[0] <= 50)
    return Problem(size=lost, seen_at=onset + int(seen[0]) if len(seen) else onset, detail={"sudden": sudden})


def organic_divergence(run: Run) -> Problem | None:
    """A lasting rise without a known onset: against the best level so far, wherever it begins."""
    loss = run.loss
    bad = np.flatnonzero(~np.isfinite(loss))
    loss = loss[: bad[0]] if len(bad) else loss
    if run.is_signed or len(loss) < 3 * LASTING:
        return None
    level, lasting = rolling_median(loss, BLOCK), rolling_median(loss, LASTING)
    best, later = np.minimum.accumulate(lasting)[:-LASTING], lasting[LASTING:]
    start = max(min(float(loss[0]), float(np.median(loss[:5]))), 1e-12)
    progress = np.maximum(start - best, max(0.25 * abs(start), 10.0 * noise(level[::BLOCK])))
    lost = (later - best) / progress
    at = int(lost.argmax())
    if lost[at] < LOST_WEAK or later[at] < 1.2 * best[at]:
        return None
    first = int(np.flatnonzero(lost >= LOST_WEAK)[0])
    seen = np.flatnonzero(level[first + LASTING :] - best[first] >= LOST_WEAK * progress[first])
    seen_at = first + LASTING + (int(seen[0]) if len(seen) else 0) + 1
    return Problem(size=float(lost[at]), seen_at=seen_at, detail={"sudden": 0.0})


def spike(run: Run, onset: int, lasts: int) -> Problem | None:
    """Size: the rise of the worst of the batches concerned over the level before, in standard deviations of noise."""
    before = run.loss[max(0, onset - 1 - LASTING) : onset - 1]
    during = run.loss[onset - 1 : onset - 1 + lasts]
    if run.is_signed or not np.isfinite(during).all():
        return None
    sigma = max(noise(before), 1.4826 * float(np.median(np.abs(before - np.median(before)))))
    excess = float(during.max() - np.median(before[-32:]))
    progress = max(float(np.median(run.loss[:5])) - float(rolling_median(run.loss[: onset - 1], BLOCK).min()), 1e-12)
    if excess < SPIKE_SIGMAS * sigma:
        return None
    at = onset + int(during.argmax())
    return Problem(size=excess / max(sigma, 1e-12), seen_at=at, detail={"of_progress": excess / progress})


def grad_explode(run: Run, onset: int) -> Problem | None:
    """Size: the gradient norm over its level before, for 10 steps at least within 100 of the onset."""
    if onset < 50:
        return None
    norms = np.where(np.isfinite(run.grad_norm), run.grad_norm, np.nan)
    before = float(np.nanmedian(norms[max(0, onset - 51) : onset - 1]))
    after = norms[onset - 1 : onset + 99]
    if not np.isfinite(after[:10]).all() or before <= 0.0:
        return None
    after = after[np.isfinite(after)]
    ratio = float(rolling_median(after, 10).max()) / before
    if ratio < EXPLODED or ratio * before < 2.0 * float(np.nanmedian(norms[:50])):
        return None
    seen = int(np.flatnonzero(rolling_median(after, 3) >= EXPLODED * before)[0])
    return Problem(size=ratio, seen_at=onset + seen)


def grad_zero(run: Run, onset: int) -> Problem | None:
    """Size: steps in a row, from the onset on, with a gradient norm of exactly zero."""
    return _run_of(run.grad_norm[onset - 1 :] == 0.0, onset, 10)


def lr_zero(run: Run, onset: int) -> Problem | None:
    """Size: steps in a row with a rate of exactly zero, the last 5% of the run left aside."""
    return _run_of(run.lr[onset - 1 : len(run.lr) * 95 // 100] == 0.0, onset, 10)


def _run_of(flags: NDArray[np.bool_], onset: int, least: int) -> Problem | None:
    """The longest stretch of true ones."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    stretches = [(int(b - a), int(a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    longest, at = max(stretches, default=(0, 0))
    return Problem(size=float(longest), seen_at=onset + at) if longest >= least else None


def frozen(run: Run, onset: int) -> Problem | None:
    """Size: the most tensors that stand still in five samples in a row while the rate is not zero."""
    steps = np.flatnonzero(np.isfinite(run.unchanged[onset - 1 :])) + onset - 1
    if len(steps) < 5:
        return None
    still = np.where(run.lr[steps] > 0.0, run.unchanged[steps], 0.0)
    least = np.lib.stride_tricks.sliding_window_view(still, 5).min(axis=1)
    if least.max() < 1:
        return None
    return Problem(size=float(least.max()), seen_at=int(steps[int(np.flatnonzero(least >= 1)[0])]) + 1)


def tiny_updates(run: Run, onset: int) -> Problem | None:
    """Size: how many times under `TINY_RATIO` the median relative update is."""
    ratios = run.update_ratio[onset - 1 :]
    ratios = ratios[np.isfinite(ratios)]
    if len(ratios) < 10 or not 0.0 < (middle := float(np.median(ratios))) < TINY_RATIO:
        return None
    return Problem(size=TINY_RATIO / middle, seen_at=onset)


def dead_relu(run: Run, onset: int) -> Problem | None:
    """Size: the share of a layer's units that no input activates, in two looks in a row."""
    steps = np.flatnonzero(np.isfinite(run.dead_share[onset - 1 :])) + onset - 1
    shares = run.dead_share[steps]
    if len(shares) < 2:
        return None
    pairs = np.minimum(shares[:-1], shares[1:])
    if pairs.max() <= DEAD:
        return None
    return Problem(size=float(pairs.max()), seen_at=int(steps[int((pairs > DEAD).argmax())]) + 1)


def class_collapse(run: Run, onset: int) -> Problem | None:
    """Size: the share of the most predicted class in two evals in a row, where no label is that frequent."""
    after = [(step, m) for step, _, m in run.evals if step >= onset and "prediction_top_share" in m]
    for (step, a), (_, b) in pairwise(after):
        least = min(a["prediction_top_share"], b["prediction_top_share"])
        if least > COLLAPSED and max(a["label_top_share"], b["label_top_share"]) < LABELS_BALANCED:
            return Problem(size=least, seen_at=step)
    return None


def overfitting(run: Run, least: float = OVERFIT) -> Problem | None:
    """Size: how far the last three evals stand over the smoothed minimum, `EVALS_AFTER` evals or more after it, while
    the train loss fell."""
    steps = [step for step, loss, _ in run.evals if math.isfinite(loss)]
    losses = np.array([loss for _, loss, _ in run.evals if math.isfinite(loss)])
    if run.is_signed or len(losses) < EVALS_AFTER + 2 or not np.isfinite(run.loss).all():
        return None
    smooth = rolling_median(losses, 3)
    at = int(smooth.argmin()) + 1
    rise = float(np.median(losses[-3:]) / smooth.min() - 1.0) if smooth.min() > 0 else 0.0
    if rise < least or len(losses) - 1 - at < EVALS_AFTER:
        return None
    then = float(np.median(run.loss[max(0, steps[at] - 50) : steps[at]]))
    if float(np.median(run.loss[-50:])) >= then:
        return None
    lowest = int(losses.argmin())
    over = [i for i in range(lowest + 1, len(losses)) if losses[i] > (1.0 + OVERFIT_SEEN) * losses[lowest]]
    if not over:
        return None  # the lowest of all came last
    detail = {"eval_index": float(over[0]), "best_step": float(steps[lowest])}
    return Problem(size=rise, seen_at=steps[over[0]], detail=detail)


def never_learnt(run: Run) -> Problem | None:
    """Size: the fraction of the first loss that the run has kept. Not for a run that begins below chance."""
    loss = run.loss
    if run.is_signed or len(loss) < 300 or not np.isfinite(loss).all():
        return None
    start, end = float(np.median(loss[:5])), float(np.median(loss[-len(loss) // 5 :]))
    prior = run.prior_entropy
    if prior is not None and start < 0.7 * prior:
        return None
    kept_start = start - end < 0.02 * abs(start)
    at_chance = (
        prior is not None
        and end > 0.95 * prior
        and float(np.nanmean(run.accuracy[-len(loss) // 5 :])) < 1.25 * (run.majority_share or 0.0)
    )
    return (
        Problem(size=end / start, seen_at=1, detail={"at_chance": float(at_chance)})
        if kept_start or at_chance
        else None
    )


def bad_start(run: Run) -> Problem | None:
    """Size: the first loss over that of knowing nothing, ln(classes)."""
    if not run.num_classes or not math.isfinite(run.loss[0]):
        return None
    ratio = float(run.loss[0]) / math.log(run.num_classes)
    return Problem(size=ratio, seen_at=1) if ratio >= BAD_START else None


def always_clipping(run: Run) -> Problem | None:
    """Size: the median norm over clip_norm, where nearly every step of the run is clipped."""
    norms = run.grad_norm[np.isfinite(run.grad_norm)]
    if run.clip is None or len(norms) < 100 or float((norms > run.clip).mean()) < CLIPPED:
        return None
    return Problem(size=float(np.median(norms)) / run.clip, seen_at=1)


def off_schedule(run: Run, onset: int) -> Problem | None:
    """Size: the largest distance from the declared rate, in peaks."""
    if run.declared_lr is None:
        return None
    off = np.abs(run.lr - run.declared_lr)[onset - 1 :] / float(run.declared_lr.max())
    seen = np.flatnonzero(off > OFF_SCHEDULE)
    return Problem(size=float(off.max()), seen_at=onset + int(seen[0])) if len(seen) >= 50 else None


def vanishing(run: Run) -> Problem | None:
    """Size: how many times smaller the first matrix's gradient is than the last one's, from 1000 on."""
    if run.vanishing is None or not 0.0 < run.vanishing < 1e-3:
        return None
    return Problem(size=1.0 / run.vanishing, seen_at=1)


def worse(run: Run) -> Problem | None:
    """Size: how far the last fifth stands over the sibling's, in fractions of what the sibling has gained."""
    if run.sibling is None or not np.isfinite(run.loss).all():
        return None
    tail = len(run.loss) // 5
    own, other = float(np.median(run.loss[-tail:])), float(np.median(run.sibling[-tail:]))
    gained = max(float(np.median(run.sibling[:5])) - other, 1e-12)
    if own - other < max(WORSE * gained, 3.0 * noise(run.loss[-tail:]) / math.sqrt(BLOCK)):
        return None
    return Problem(size=(own - other) / gained, seen_at=1)


def eval_better(run: Run) -> Problem | None:
    """Size: the train loss over the eval loss, median of the second half of the evals."""
    late = [(step, loss) for step, loss, _ in run.evals[len(run.evals) // 2 :] if math.isfinite(loss)]
    if run.is_signed or not late or not np.isfinite(run.loss).all():
        return None
    ratios = [float(np.median(run.loss[max(0, step - 50) : step])) / max(loss, 1e-12) for step, loss in late]
    ratio = float(np.median(ratios))
    return Problem(size=ratio, seen_at=1) if ratio >= EVAL_BETTER else None


def scale_collapse(run: Run, onset: int) -> Problem | None:
    """Size: the share of steps from the onset on whose scaled gradient overflowed."""
    share = float(np.isinf(run.grad_norm[onset - 1 :]).mean())
    return Problem(size=share, seen_at=onset) if share >= 0.3 else None


def every(values: Sequence[float | None]) -> Array:
    """A column with nan for what is absent."""
    return np.array([math.nan if v is None else v for v in values])
