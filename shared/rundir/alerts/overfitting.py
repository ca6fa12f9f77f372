"""The rule `overfitting`: the eval loss rises over its best while the train loss goes on falling.

Never the gap between the two, which is normal. A loss that rises on both is a divergence and none of this rule's.
Thresholds are relative to the best eval loss, to the noise of the evals, or to the progress made: scaling the loss
changes nothing. Losses that may be negative have no such scale: with a best of zero or less the rule is silent.
"""

import math
from itertools import pairwise
from operator import attrgetter
from typing import Any, ClassVar

import msgspec
from msgspec import field

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.noise import jitter, mann_kendall_z, median, middle_of_three, spread
from rundir.alerts.track import Track
from rundir.records import EpochRecord, EvalRecord, Number, Record, Severity, StepRecord, number

MIN_EVALS = 7
MIN_SINCE_BEST = 4
"""Evals, and evals since the best, from which on noise can be told from a trend."""
STEADY_EVALS, STEADY_Z, STEADY_RISE, STEADY_NOISE = 6, 2.2, 0.07, 2.5
"""After more evals since the best than that, a rise so steady needs to stand less high over the noise."""
FEW_RISES = {2: 0.30, 3: 0.20}
"""With fewer evals: rise over the best that convicts after so many rises in a row (more of them: the last figure)."""
FEW_EACH = 0.10
"""… each of which must be so high: noise seldom climbs twice."""
FEW_TRAIN_FALL = 0.20
"""With fewer evals the train loss must also have fallen by this part of what it was at the best eval."""
PROGRESS = 0.01
"""A rise below this part of what the run has gained is none, counted from ln(classes) at least: 1e-6 to 2e-6 after a
start at 2.0."""
GREW_BY = 2.0
"""An open alert is reported again when its rise is so many times what was last said."""
EVALS_KEPT = 64
TRAIN_KEPT = 256

QUALITY_GAIN = 0.02
"""What a metric must have gained since the best eval loss for the model to be over-confident rather than worse."""
QUALITY_LATE, QUALITY_CREEP = 3, 0.01
"""So many evals before, the metric must have been lower by this: what only creeps has come to its end."""
_QUALITIES = ("f1", "accuracy", "token_accuracy")
"""Eval metrics, first found first: while one still sets records the model is over-confident rather than worse."""


class Eval(msgspec.Struct, frozen=True):
    """One eval and the train loss that belongs to it."""

    index: int
    """Counts the run's finite evals from 0."""
    step: int
    loss: float
    train: float | None
    """Median train loss since the eval before; None when there was none."""
    train_noise: float = 0.0
    quality: float | None = None


class OverfittingState(RuleState, kw_only=True):
    """What the rule remembers."""

    evals: list[Eval] = field(default_factory=list)
    """The newest, oldest first."""
    older_best: Eval | None = None
    """The best of those no longer kept."""
    train: list[float] = field(default_factory=list)
    """Finite train losses since the last eval, the newest of them."""
    first_loss: float | None = None
    """The highest of the first train and the first eval loss: what progress counts from."""
    since_index: int = 0
    """Evals before this one count no more for a trend: the alert was cleared there."""
    quality_best: float | None = None
    reported_rise: float = 0.0


class OverfittingRule(Rule[OverfittingState]):
    """Warning: further training makes the model worse on what it has not seen."""

    name = "overfitting"
    title = "eval loss rising over its best while train loss falls"
    gravest = Severity.WARNING
    reads = (StepRecord, EvalRecord, EpochRecord)
    needs = ("eval.loss",)
    cooldown = 0
    limits: ClassVar = {"rise": 0.05, "noise": 4.0, "z": 1.645, "clear": 0.02}
    state_type = OverfittingState

    def judge(self, record: Record, track: Track) -> list[AlertChange]:
        if isinstance(record, StepRecord):
            self._take_train(number(record.loss))
        elif isinstance(record, EvalRecord) and _is_usable(number(record.loss)):
            self._take_eval(record)
            return self._conclude(track)
        elif isinstance(record, EpochRecord) and self._fill_in_train(record):
            return self._conclude(track)
        return []

    def missing(self, track: Track) -> str | None:
        if "eval.loss" not in track.seen:
            return "no eval.loss"
        return None if self.state.evals and self._best().loss > 0.0 else "the best eval loss is not above zero"

    def forget_beyond(self, step: int) -> None:
        state = self.state
        state.evals = [e for e in state.evals if e.step <= step]
        if state.older_best is not None and state.older_best.step > step:
            state.older_best = None
        state.train = []
        last_index = state.evals[-1].index if state.evals else 0
        state.since_index = min(state.since_index, last_index)
        qualities = [e.quality for e in state.evals if e.quality is not None]
        state.quality_best = max(qualities, default=None)
        if state.firing is None:
            state.reported_rise = 0.0

    def _take_train(self, loss: float) -> None:
        state = self.state
        if not _is_usable(loss):
            return
        if state.first_loss is None:
            state.first_loss = loss
        if len(state.evals) == 1 and state.evals[0].train is None:
            state.evals[0] = msgspec.structs.replace(state.evals[0], train=loss)  # an eval before the first step
        state.train.append(loss)
        del state.train[:-TRAIN_KEPT]

    def _take_eval(self, record: EvalRecord) -> None:
        state = self.state
        loss = number(record.loss)
        if not state.evals and state.older_best is None:
            state.first_loss = max(loss, loss if state.first_loss is None else state.first_loss)
        last = state.evals[-1] if state.evals else state.older_best
        if last is not None and last.step == record.step:
            return  # the same weights judged twice, by schedule and by order, are one eval
        entry = Eval(
            index=0 if last is None else last.index + 1,
            step=record.step,
            loss=loss,
            train=median(state.train) if state.train else None,
            train_noise=spread(state.train),
            quality=_quality(record.metrics),
        )
        state.train = []
        state.evals.append(entry)
        if len(state.evals) > EVALS_KEPT:
            evicted = state.evals.pop(0)
            if state.older_best is None or evicted.loss < state.older_best.loss:
                state.older_best = evicted

    def _fill_in_train(self, record: EpochRecord) -> bool:
        """Let an epoch's mean stand in where no step of it was logged. Whether the last eval now has its train loss."""
        evals, loss = self.state.evals, number(record.loss)
        if not _is_usable(loss):
            return False
        if not evals or evals[-1].step < record.step:
            if not self.state.train:
                self._take_train(loss)
            return False
        if evals[-1].train is not None:
            return False
        evals[-1] = msgspec.structs.replace(evals[-1], train=loss)
        return True

    # --- the verdict -------------------------------------------------------------------------------------------------

    def _conclude(self, track: Track) -> list[AlertChange]:
        state = self.state
        best, now = self._best(), state.evals[-1]
        quality_is_record = self._note_quality(now, best)
        if best.loss <= 0.0:
            return []
        rise = now.loss / best.loss - 1.0
        if state.firing is not None and rise <= self.limit["clear"]:
            state.since_index, state.reported_rise = now.index, 0.0
            return self.clear(
                now.step,
                f"eval loss {now.loss:.4g} at step {now.step} is back within {self.limit['clear']:.0%} of its best",
                self._evidence(best, now),
            )
        if not self._is_overfitting(best, now):
            return []
        severity = Severity.INFO if quality_is_record else Severity.WARNING
        firing = state.firing
        worse = firing is not None and firing.severity is Severity.INFO and severity is Severity.WARNING
        if firing is not None and not worse and rise < GREW_BY * state.reported_rise:
            return []
        state.reported_rise = rise
        return self.fire(self._finding(best, now, severity), track)

    def _best(self) -> Eval:
        """The best eval so far, the earliest of equals."""
        older = [] if self.state.older_best is None else [self.state.older_best]
        return min([*older, *self.state.evals], key=attrgetter("loss"))

    def _note_quality(self, now: Eval, best: Eval) -> bool:
        """Whether the eval's quality metric is better than ever just now, and clearly better than at the best loss."""
        state = self.state
        if now.quality is None:
            return False
        is_record = state.quality_best is None or now.quality > state.quality_best
        if is_record:
            state.quality_best = now.quality
        before = state.evals[-QUALITY_LATE - 1].quality if len(state.evals) > QUALITY_LATE else best.quality
        creeps = before is not None and now.quality - before < QUALITY_CREEP
        return is_record and best.quality is not None and now.quality - best.quality >= QUALITY_GAIN and not creeps

    def _is_overfitting(self, best: Eval, now: Eval) -> bool:
        if now.train is None or best.train is None:
            return False
        first = self.state.first_loss
        classes = self.facts.num_classes or 1
        floor = 0.0 if first is None else PROGRESS * (max(first, math.log(classes)) - best.loss)
        if now.loss - best.loss <= floor:
            return False
        if now.index + 1 >= MIN_EVALS and self._shows_trend(now):
            return True
        return self._rises_steeply(best, now)

    def _rises_steeply(self, best: Eval, now: Eval) -> bool:
        """For few evals: each one above the last since the best, far up, and the train loss far down."""
        after = [e.loss for e in self.state.evals if e.index >= best.index]
        rises = len(after) - 1
        if rises < min(FEW_RISES) or now.index + 1 >= MIN_EVALS or best.train is None or now.train is None:
            return False
        if any(later <= earlier * (1.0 + FEW_EACH) for earlier, later in pairwise(after)):
            return False
        rise = FEW_RISES.get(rises, FEW_RISES[max(FEW_RISES)])
        return now.loss > best.loss * (1.0 + rise) and best.train - now.train > FEW_TRAIN_FALL * abs(best.train)

    def _shows_trend(self, now: Eval) -> bool:
        """For many evals: the median of the last three stands over the smoothed best by more than noise, and climbs."""
        state = self.state
        losses = [e.loss for e in state.evals]
        smooth = [losses[0], *map(middle_of_three, losses, losses[1:], losses[2:])]
        at = min(range(len(smooth)), key=smooth.__getitem__)
        best_smooth, anchor = smooth[at], state.evals[at]
        if state.older_best is not None and state.older_best.loss < best_smooth:
            best_smooth, anchor, at = state.older_best.loss, state.older_best, 0
        start = max(anchor.index, state.since_index)
        since = [e.loss for e in state.evals if e.index >= start]
        if now.index - start < MIN_SINCE_BEST:
            return False
        rise = median(losses[-3:]) - best_smooth
        if rise <= min(STEADY_RISE, self.limit["rise"]) * best_smooth:
            return False  # almost always: what follows costs more than all before
        noise, z = jitter(losses[max(at - 2, 0) :]), mann_kendall_z(since)
        is_steady = len(since) > STEADY_EVALS and z > STEADY_Z
        if is_steady and rise > max(STEADY_RISE * best_smooth, STEADY_NOISE * noise):
            return _fell(anchor, state.evals[-3:])
        if rise <= max(self.limit["rise"] * best_smooth, self.limit["noise"] * noise):
            return False
        return z > self.limit["z"] and _fell(anchor, state.evals[-3:])

    # --- the words ---------------------------------------------------------------------------------------------------

    def _evidence(self, best: Eval, now: Eval) -> dict[str, Any]:
        figures = {
            "best_eval_step": best.step,
            "best_eval_loss": best.loss,
            "eval_step": now.step,
            "eval_loss": now.loss,
            "rise_percent": round(100.0 * (now.loss / best.loss - 1.0), 1),
            "train_loss_at_best": best.train,
            "train_loss": now.train,
        }
        return {name: value for name, value in figures.items() if value is not None}

    def _finding(self, best: Eval, now: Eval, severity: Severity) -> Finding:
        rise = 100.0 * (now.loss / best.loss - 1.0)
        message = (
            f"eval loss {now.loss:.4g} is {rise:.0f}% over its best {best.loss:.4g} at step {best.step}, "
            f"train loss fell from {best.train:.4g} to {now.train:.4g}"
        )
        if severity is Severity.INFO:
            message = f"over-confident: {message}; the eval metric still improves ({now.quality:.4g})"
        return Finding(
            severity=severity,
            message=message,
            step=now.step,
            onset_step=min(e.step for e in self.state.evals if e.index > best.index),
            evidence=self._evidence(best, now),
            fixes=[
                f"use the checkpoint of step {best.step}, the best, and stop",
                "train for fewer epochs or set [eval] patience",
                "more or augmented data",
                "more weight_decay or dropout, a smaller model",
            ],
        )


def _is_usable(loss: float) -> bool:
    """Whether a loss is finite, and far enough from the end of the floats to be subtracted and squared."""
    return math.isfinite(loss) and abs(loss) < 1e150


def _fell(then: Eval, latest: list[Eval]) -> bool:
    """Whether the train loss went down from one eval to the latest ones by more than chance."""
    levels = [e.train for e in latest if e.train is not None]
    if then.train is None or not levels:
        return False
    noise = median([e.train_noise for e in latest])
    return then.train - median(levels) > max(0.2 * noise, 0.001 * abs(then.train))


def _quality(metrics: dict[str, Number] | None) -> float | None:
    """The metric that says how good the model is; None where there is none, or none that is finite."""
    for name in _QUALITIES:
        value = number((metrics or {}).get(name))
        if math.isfinite(value):
            return value
    return None
