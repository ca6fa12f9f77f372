"""The rules on evaluations besides overfitting: `class-collapse` and `eval-better-than-train`."""

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import ClassVar

from msgspec import field

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.noise import median
from rundir.alerts.track import Track
from rundir.records import EvalRecord, Record, Severity, StepRecord, number

MIN_EXAMPLES = 50
IMPROVED = 0.005
"""Part of the best eval loss that a new one lies below it."""
MOST_LOSS = 1e150
UNEVEN = 1 / 3
"""A class with more of the labels is one that is rightly predicted most."""


class CollapseState(RuleState, kw_only=True):
    """What the rule remembers."""

    num: int = 0
    since_step: int = 0
    well_step: int = 0
    """Of the last evaluation that was well: it began after that."""
    best_loss: float | None = None
    best_step: int = 0


class ClassCollapseRule(Rule[CollapseState]):
    """Warning: at two evaluations in a row nearly everything is predicted to be one class, which the labels are not.

    Where one class has much of the labels (tokens outside any entity), it is predicted more than that for long, and
    while the learning rate warms up nothing else may be.
    """

    name = "class-collapse"
    title = "predictions of one class alone"
    gravest = Severity.WARNING
    reads = (EvalRecord,)
    needs = ("eval.confusion|eval.prediction_top_share",)
    limits: ClassVar = {
        "top_share": 0.9,
        "entropy": 0.3,
        "label_share": 0.6,
        "others": 0.25,
        "step": 150.0,
        "evals": 2.0,
    }
    state_type = CollapseState

    def forget_beyond(self, step: int) -> None:
        self.state.num, self.state.well_step = 0, min(self.state.well_step, step)
        if self.state.best_step > step:
            self.state.best_loss = None

    def judge(self, record: EvalRecord, track: Track) -> list[AlertChange]:
        state, shares = self.state, self._shares(record)
        if shares is None:
            return []
        top, entropy, label = shares
        is_even_less = label < UNEVEN or 1.0 - top < self.limit["others"] * (1.0 - label)
        is_one = top > self.limit["top_share"] or (entropy < self.limit["entropy"] and is_even_less)
        is_collapsed = is_one and label < self.limit["label_share"] and top > label + 0.2
        if self._is_improving(number(record.loss), record.step) or not is_collapsed:
            state.num, state.well_step = 0, record.step
            return self.clear(record.step, f"the most predicted class has {top:.0%} of the predictions", track=track)
        state.num += 1
        state.since_step = (state.well_step + record.step + 1) // 2 if state.num == 1 else state.since_step
        if state.num < self.limit["evals"] or record.step < max(self.limit["step"], self.facts.warmup_steps or 0):
            return []
        finding = Finding(
            severity=Severity.WARNING,
            message=f"{top:.0%} of the predictions are of one class, which {label:.0%} of the examples have",
            step=record.step,
            onset_step=state.since_step,
            evidence={"top_share": top, "entropy": entropy, "label_top_share": label, "evals": state.num},
        )
        return self.hold(finding, track)

    def _is_improving(self, loss: float, step: int) -> bool:
        """Whether the eval loss is the best yet: the frequent classes are what is learnt first."""
        best = self.state.best_loss
        if not abs(loss) < MOST_LOSS:
            return False
        if best is None or loss < best:
            self.state.best_loss, self.state.best_step = loss, step
        return best is not None and best - loss > IMPROVED * abs(best)

    def _shares(self, record: EvalRecord) -> tuple[float, float, float] | None:
        """Share of the most predicted class, entropy of the predictions (1: even), share of the most frequent label."""
        if record.confusion:
            labels = list(map(sum, record.confusion))
            total = sum(labels)
            width = max(map(len, record.confusion))
            if total < MIN_EXAMPLES or width < 2:
                return None
            predicted = list(map(sum, zip_longest(*record.confusion, fillvalue=0)))
            return max(predicted) / total, _entropy(predicted), max(labels) / total
        metrics = record.metrics or {}
        top, entropy = number(metrics.get("prediction_top_share")), number(metrics.get("prediction_entropy"))
        label = number(metrics.get("label_top_share"))
        if math.isnan(label):
            label = self.facts.majority_share if self.facts.majority_share is not None else math.nan
        if not (math.isfinite(top) and math.isfinite(label)):
            return None
        return top, entropy if math.isfinite(entropy) else 1.0, label


def _entropy(counts: Sequence[int]) -> float:
    total = sum(counts)
    shares = [count / total for count in counts if count > 0]
    return -sum(share * math.log(share) for share in shares) / math.log(len(counts)) if len(counts) > 1 else 1.0


class EvalBetterState(RuleState, kw_only=True):
    """What the rule remembers."""

    train: list[float] = field(default_factory=list)
    num: int = 0
    since_step: int = 0


class EvalBetterRule(Rule[EvalBetterState]):
    """Info: the eval loss is well below the train loss, time after time. Dropout does that; so does a leak."""

    name = "eval-better-than-train"
    title = "eval loss far below the train loss"
    gravest = Severity.INFO
    reads = (StepRecord, EvalRecord)
    needs = ("eval.loss",)
    limits: ClassVar = {"ratio": 0.5, "evals": 3.0}
    state_type = EvalBetterState

    def forget_beyond(self, step: int) -> None:
        self.state.train, self.state.num = [], 0

    def judge(self, record: Record, track: Track) -> list[AlertChange]:
        state = self.state
        if isinstance(record, StepRecord):
            if track.loss is not None:
                state.train.append(track.loss)
                del state.train[:-64]
            return []
        assert isinstance(record, EvalRecord)  # noqa: S101
        loss, train = number(record.loss), median(state.train)
        if not math.isfinite(loss) or math.isnan(train) or loss <= 0.0 or self.is_signed(track):
            return []
        if loss >= self.limit["ratio"] * train:
            state.num = 0
            is_over = loss > 1.4 * self.limit["ratio"] * train
            return self.clear(record.step, f"eval loss {loss:.4g}, train {train:.4g}", track=track) if is_over else []
        state.num += 1
        state.since_step = record.step if state.num == 1 else state.since_step
        if state.num < self.limit["evals"]:
            return []
        finding = Finding(
            severity=Severity.INFO,
            message=f"eval loss {loss:.4g} is far below the train loss {train:.4g}, at {state.num} evaluations on end",
            step=record.step,
            onset_step=state.since_step,
            evidence={"eval_loss": loss, "train_loss": train, "evals": state.num},
        )
        return self.hold(finding, track)
