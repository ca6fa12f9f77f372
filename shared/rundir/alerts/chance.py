"""The rules that compare with a model that knows nothing: `chance-level` and `starting-loss`.

Exempt from scaling: ln(classes) and 1/classes are absolute.
"""

import math
from typing import ClassVar

from msgspec import field

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.noise import median
from rundir.alerts.track import Track
from rundir.records import EpochRecord, EvalRecord, LifecycleEvent, Record, Severity, StepRecord, number

ACCURACY = "accuracy"
UNEVEN = 0.1


class ChanceState(RuleState, kw_only=True):
    """What the rule remembers."""

    steps: list[float] = field(default_factory=list)
    """Accuracies of batches."""
    evals: list[tuple[int, float, bool]] = field(default_factory=list)
    """Step and accuracy of evaluations, and whether it is an epoch's own."""
    first_step: int = 0
    num_classes: int | None = None
    never_better: bool = True


class ChanceLevelRule(Rule[ChanceState]):
    """Warning: the predictions are no better than always saying the most frequent class."""

    name = "chance-level"
    title = "accuracy no better than chance"
    gravest = Severity.WARNING
    reads = (StepRecord, EvalRecord, EpochRecord, LifecycleEvent)
    needs = ("accuracy|eval.accuracy|epoch.accuracy", "facts.num_classes|event.starting_loss")
    limits: ClassVar = {"steps": 250.0, "records": 24.0, "window": 200.0, "margin": 0.15, "loss": 0.95, "evals": 3.0}
    state_type = ChanceState

    def judge(self, record: Record, track: Track) -> list[AlertChange]:
        match record:
            case StepRecord():
                return self._judge_step(record, track)
            case EvalRecord() | EpochRecord():
                return self._judge_eval(record, track)
            case _:
                assert isinstance(record, LifecycleEvent)  # noqa: S101
                self._take_classes(record)
                return []

    def forget_beyond(self, step: int) -> None:
        self.state.steps = []
        self.state.evals = [e for e in self.state.evals if e[0] <= step]

    @property
    def _num_classes(self) -> int | None:
        known = self.facts.num_classes or self.state.num_classes
        return known if known is not None and known > 1 else None

    def _take_classes(self, record: LifecycleEvent) -> None:
        ln_classes = (record.detail or {}).get("ln_classes") if record.what == "starting_loss" else None
        if isinstance(ln_classes, float) and 0.0 < ln_classes < 20.0:
            self.state.num_classes = round(math.exp(ln_classes))

    def _chance(self) -> float | None:
        classes = self._num_classes
        return None if classes is None else max(1.0 / classes, self.facts.majority_share or 0.0)

    def _judge_step(self, record: StepRecord, track: Track) -> list[AlertChange]:
        state = self.state
        accuracy = number(record.metrics.get(ACCURACY)) if record.metrics else math.nan
        if not 0.0 <= accuracy <= 1.0:
            return []
        if not state.steps and not state.first_step:
            state.first_step = record.step
        state.steps.append(accuracy)
        del state.steps[: -int(self.limit["window"])]
        classes, chance = self._num_classes, self._chance()
        if classes is None or chance is None or (track.count % 10 and track.stride < 10):
            return []
        if record.step - state.first_step < self.limit["steps"] or len(state.steps) < self.limit["records"]:
            return []
        n = len(state.steps)
        late = state.steps[-(n // 2) :]
        mean = math.fsum(late) / len(late)
        # Of the mean of batches, by how they differ: the batch size is not known.
        error = math.sqrt(math.fsum((each - mean) ** 2 for each in late) / len(late) / len(late))
        ceiling = chance + self.limit["margin"] * (1.0 - chance) * chance * 2.0 + 2.0 * error
        # Where the classes' shares are known in part, the labels' entropy is over-estimated.
        share = self.limit["loss"] - (UNEVEN if self.facts.majority_share is not None else 0.0)
        is_loss_high = track.loss is None or median(track.window or [track.loss]) > share * self._entropy()
        if mean > ceiling or not is_loss_high:
            state.never_better = False
            return self.clear(record.step, f"accuracy {mean:.1%} is over chance", track=track)
        return self.hold(
            self._finding(record.step, record.step - n // 2 * track.stride, mean, chance, n // 2, "batches"), track
        )

    def _entropy(self) -> float:
        """The loss of always predicting the labels' frequencies, as far as they are known."""
        classes, share = self._num_classes or 2, self.facts.majority_share
        if share is None or not 1.0 / classes < share < 1.0:
            return math.log(classes)
        rest = (1.0 - share) / (classes - 1)
        return -share * math.log(share) - (1.0 - share) * math.log(rest)

    def _judge_eval(self, record: EvalRecord | EpochRecord, track: Track) -> list[AlertChange]:
        state, chance = self.state, self._chance()
        accuracy = number((record.metrics or {}).get(ACCURACY))
        if not 0.0 <= accuracy <= 1.0:
            return []
        by_epoch = isinstance(record, EpochRecord)
        state.evals.append((record.step, accuracy, by_epoch))
        del state.evals[:-12]
        late = [e for e in state.evals if e[2] == by_epoch][-int(self.limit["evals"]) :]
        if chance is None or len(late) < self.limit["evals"]:
            return []
        best = max(each for _, each, _ in late)
        if best > chance + self.limit["margin"] * (1.0 - chance) * chance:
            state.never_better = False
            return self.clear(record.step, f"accuracy {best:.1%} is over chance", track=track)
        rounds = record.epoch or 0.0
        if track.count and rounds < self.limit["evals"] - 0.5 and record.step < self.limit["steps"]:
            return []
        return self.hold(self._finding(record.step, late[0][0], accuracy, chance, len(late), "evaluations"), track)

    def _finding(self, step: int, since: int, accuracy: float, chance: float, num: int, of: str) -> Finding:
        return Finding(
            severity=Severity.WARNING,
            message=f"accuracy {accuracy:.1%} over {num} {of} is that of chance ({chance:.1%})",
            step=step,
            onset_step=max(self.state.first_step if self.state.never_better else since, 1),
            evidence={"accuracy": accuracy, "chance": chance, "num_classes": self._num_classes, "window": num},
        )


class StartingLossState(RuleState, kw_only=True):
    """What the rule remembers."""

    num_classes: int | None = None
    losses: list[float] = field(default_factory=list)


class StartingLossRule(Rule[StartingLossState]):
    """Info from twice ln(classes), warning from ten times: the first losses say that something is unscaled."""

    name = "starting-loss"
    title = "first loss far above ln(classes)"
    gravest = Severity.WARNING
    reads = (StepRecord, LifecycleEvent)
    needs = ("facts.num_classes|event.starting_loss",)
    limits: ClassVar = {"info": 2.0, "warning": 10.0}
    state_type = StartingLossState

    def judge(self, record: Record, track: Track) -> list[AlertChange]:
        state = self.state
        if isinstance(record, LifecycleEvent):
            ln_classes = (record.detail or {}).get("ln_classes") if record.what == "starting_loss" else None
            if isinstance(ln_classes, float) and 0.0 < ln_classes < 20.0:
                state.num_classes = round(math.exp(ln_classes))
            return []
        assert isinstance(record, StepRecord)  # noqa: S101
        if track.loss is None:
            return []
        if len(state.losses) >= 3:
            best = track.best_level
            classes = self.facts.num_classes or state.num_classes or 0
            if state.firing is not None and best is not None and classes > 1 and best < math.log(classes):
                return self.clear(record.step, "the loss has come below that of chance", track=track)
            return []
        state.losses.append(track.loss)
        classes = self.facts.num_classes or state.num_classes or 0
        if len(state.losses) < 3 or classes < 2 or record.step > 20 * track.stride:
            return []
        first, chance = max(state.losses[0], median(state.losses)), math.log(classes)
        if first <= self.limit["info"] * chance:
            return []
        finding = Finding(
            severity=Severity.WARNING if first > self.limit["warning"] * chance else Severity.INFO,
            message=f"the first losses are {first:.4g}; a model that knows nothing has ln({classes:,}) = {chance:.3g}",
            step=record.step,
            onset_step=1,
            evidence={"loss": first, "ln_classes": chance, "times": round(first / chance, 2)},
        )
        return self.hold(finding, track)
