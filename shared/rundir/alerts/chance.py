"""The rules that compare with a model that knows nothing: `chance-level` and `starting-loss`.

Exempt from scaling: ln(classes) and 1/classes are absolute.
"""

import math
from typing import ClassVar

from msgspec import field

from rundir.alerts.base import AlertChange, Finding, Rule, RuleState
from rundir.alerts.noise import mann_kendall_z, median
from rundir.alerts.outlook import FEW, Z, comes_to, steps_to_go, stretches
from rundir.alerts.track import Track
from rundir.records import EpochRecord, EvalRecord, LifecycleEvent, Record, Severity, StepRecord, number

ACCURACY = "accuracy"
UNEVEN = 0.1
LATE = 8
"""Losses at least whose median is where the loss is now."""
LEARNT = 0.2
"""Part of the first loss that is gained where the train loss is well below chance."""
LEAST_FALL = 0.02
"""From one evaluation to the next, where there are no more."""
KEPT = 12
LOOK_EVERY = 10
"""Steps, where each is logged."""
LOOKS = 2
SURE = 3.0
"""Errors of the batches' mean accuracy that stand over chance by no chance."""
RISEN = 0.1
"""Part of what lies between chance and all right that an accuracy which rises has gained."""
MOST_LOSS = 1e150


class ChanceState(RuleState, kw_only=True):
    """What the rule remembers."""

    steps: list[tuple[int, float, float | None]] = field(default_factory=list)
    """Step, accuracy and loss of batches; no loss where it was not finite."""
    evals: list[tuple[int, float, bool]] = field(default_factory=list)
    """Step and accuracy of evaluations, and whether it is an epoch's own."""
    eval_losses: list[tuple[int, float]] = field(default_factory=list)
    first_step: int = 0
    num_classes: int | None = None
    never_better: bool = True
    num_lost: int = 0
    """Looks in a row at which nothing was learnt nor would be."""


class ChanceLevelRule(Rule[ChanceState]):
    """Warning: predictions no better than always saying the most frequent class, with nothing to make them so."""

    name = "chance-level"
    title = "accuracy no better than chance"
    gravest = Severity.WARNING
    reads = (StepRecord, EvalRecord, EpochRecord, LifecycleEvent)
    needs = ("accuracy|eval.accuracy|epoch.accuracy", "facts.num_classes|event.starting_loss")
    limits: ClassVar = {
        "steps": 250.0,
        "of_plan": 0.18,
        "most_steps": 1000.0,
        "records": 24.0,
        "window": 200.0,
        "margin": 0.15,
        "loss": 0.95,
        "evals": 3.0,
    }
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
        self.state.eval_losses = [e for e in self.state.eval_losses if e[0] <= step]

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

    def _patience(self) -> float:
        """Steps after the warm-up, or a part of a long plan, before which nothing is said."""
        limit, plan = self.limit, self.facts.planned_steps or 0
        return max(limit["steps"], min(limit["of_plan"] * plan, limit["most_steps"]))

    def _judge_step(self, record: StepRecord, track: Track) -> list[AlertChange]:
        state = self.state
        accuracy = number(record.metrics.get(ACCURACY)) if record.metrics else math.nan
        if not 0.0 <= accuracy <= 1.0:
            return []
        if not state.steps and not state.first_step:
            state.first_step = record.step
        state.steps.append((record.step, accuracy, track.loss))
        del state.steps[: -int(self.limit["window"])]
        classes, chance = self._num_classes, self._chance()
        if classes is None or chance is None or track.count % max(LOOK_EVERY // track.stride, 1):
            return []
        begun = max(state.first_step, min(self.facts.warmup_steps or 0, record.step))
        if record.step - begun < self._patience() or len(state.steps) < self.limit["records"]:
            return []
        n = len(state.steps)
        late = [each for _, each, _ in state.steps[-(n // 2) :]]
        mean = math.fsum(late) / len(late)
        # Of the mean of batches, by how they differ: the batch size is not known.
        error = math.sqrt(math.fsum((each - mean) ** 2 for each in late) / len(late) / len(late))
        ceiling = chance + self.limit["margin"] * (1.0 - chance) * chance * 2.0 + 2.0 * error
        if mean > ceiling or not self._is_loss_high() or self._has_learnt(mean - chance, error):
            state.never_better, state.num_lost = False, 0
            over = "the loss is below that of chance"
            if mean > ceiling or self._is_loss_high():
                over = f"accuracy {mean:.1%} is over chance"
            return self.clear(record.step, over, track=track)
        if state.firing is None and self._will_learn(record.step, track):
            state.num_lost = 0
            return []
        state.num_lost += 1
        if state.num_lost < LOOKS:
            return []
        return self.hold(
            self._finding(record.step, record.step - n // 2 * track.stride, mean, chance, n // 2, "batches"), track
        )

    def _loss_of_chance(self) -> float:
        """Below that a loss tells more than the labels' frequencies: known in part, these are over-estimated."""
        is_estimated = self.facts.majority_share is not None and (self._num_classes or 2) > 2
        return (self.limit["loss"] - (UNEVEN if is_estimated else 0.0)) * self._entropy()

    def _is_loss_high(self) -> bool:
        state, above = self.state, self._loss_of_chance()
        if state.eval_losses and state.eval_losses[-1][1] <= above:
            return False
        losses = [loss for _, _, loss in state.steps[-max(len(state.steps) // 4, LATE) :] if loss is not None]
        return not losses or median(losses) > above

    def _has_learnt(self, gain: float, error: float) -> bool:
        """Whether evaluations have been better than chance, and the batches still are, by more than their noise."""
        above = self._loss_of_chance()
        return gain > SURE * error and sum(loss <= above for _, loss in self.state.eval_losses) >= LOOKS

    def _gets_better(self, chance: float) -> bool:
        """Whether evaluations have come to get more right than chance, one after the other."""
        right = [accuracy for _, accuracy, by_epoch in self.state.evals if not by_epoch]
        return len(right) > FEW and right[-1] > chance + RISEN * (1.0 - chance) and mann_kendall_z(right) > Z

    def _will_learn(self, step: int, track: Track) -> bool:
        """Whether the loss falls so that it leaves that of chance within the plan: evaluations say it best."""
        state, above = self.state, self._loss_of_chance()
        if self._gets_better(self._chance() or 1.0):
            return True
        more = steps_to_go(self.facts.planned_steps, step, state.first_step)
        if len(state.eval_losses) >= FEW:
            points: list[tuple[float, float]] = [(at, loss) for at, loss in state.eval_losses]
        elif len(state.eval_losses) == FEW - 1 and _falls(state.eval_losses):
            (at, loss), (later, lower) = state.eval_losses
            return lower + (lower - loss) / (later - at) * more < above
        else:
            known = [(at, loss) for at, _, loss in state.steps if loss is not None]
            points = stretches([at for at, _ in known], [loss for _, loss in known])
            blocks = [(float(block.step), block.level) for block in track.history]
            points = blocks if len(blocks) > len(points) // 2 else points
        # Without the last one as well: a single bad evaluation ends no trend.
        expected = [comes_to(points, more), comes_to(points[:-1], more) if len(points) > 2 * FEW else None]
        return any(loss is not None and loss < above for loss in expected)

    def _entropy(self) -> float:
        """The loss of always predicting the labels' frequencies, as far as they are known."""
        classes, share = self._num_classes or 2, self.facts.majority_share
        if share is None or not 1.0 / classes < share < 1.0:
            return math.log(classes)
        rest = (1.0 - share) / (classes - 1)
        return -share * math.log(share) - (1.0 - share) * math.log(rest)

    def _judge_eval(self, record: EvalRecord | EpochRecord, track: Track) -> list[AlertChange]:
        state, chance = self.state, self._chance()
        by_epoch, loss = isinstance(record, EpochRecord), number(record.loss)
        if not by_epoch and abs(loss) < MOST_LOSS:
            state.eval_losses.append((record.step, loss))
            del state.eval_losses[:-KEPT]
        accuracy = number((record.metrics or {}).get(ACCURACY))
        if not 0.0 <= accuracy <= 1.0:
            return []
        state.evals.append((record.step, accuracy, by_epoch))
        del state.evals[:-KEPT]
        late = [e for e in state.evals if e[2] == by_epoch][-int(self.limit["evals"]) :]
        if chance is None or len(late) < self.limit["evals"] or self._is_learnt(track):
            return []
        best = max(each for _, each, _ in late)
        if best > chance + self.limit["margin"] * (1.0 - chance) * chance:
            state.never_better = False
            return self.clear(record.step, f"accuracy {best:.1%} is over chance", track=track)
        rounds = record.epoch or 0.0
        if track.count and rounds < self.limit["evals"] - 0.5 and record.step < self._patience():
            return []
        return self.hold(self._finding(record.step, late[0][0], accuracy, chance, len(late), "evaluations"), track)

    def _is_learnt(self, track: Track) -> bool:
        """Whether the batches say it better, or what is learnt does not carry over: that is another problem."""
        return bool(self.state.steps) or track.progress > LEARNT * abs(track.start or 0.0)

    def _finding(self, step: int, since: int, accuracy: float, chance: float, num: int, of: str) -> Finding:
        return Finding(
            severity=Severity.WARNING,
            message=f"accuracy {accuracy:.1%} over {num} {of} is that of chance ({chance:.1%})",
            step=step,
            onset_step=max(self.state.first_step if self.state.never_better else since, 1),
            evidence={"accuracy": accuracy, "chance": chance, "num_classes": self._num_classes, "window": num},
        )


def _falls(evals: list[tuple[int, float]]) -> bool:
    """Whether the second of two evaluations is lower than the first by more than the examples' chance."""
    (first, loss), (second, lower) = evals
    return second > first and loss - lower > LEAST_FALL * abs(loss)


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
